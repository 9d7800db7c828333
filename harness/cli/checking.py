"""How checks of methods are told: a bar for a person, lines for a log, and a table in the end."""

from __future__ import annotations

from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from harness.testing.checks import CHECKS
from harness.testing.report import Outcome, Report, Result

_MARKS = {
    Outcome.PASSED: "[green]ok[/]",
    Outcome.FAILED: "[red]failed[/]",
    Outcome.EXEMPT: "–",
    Outcome.NOT_REACHED: "[yellow]not reached[/]",
}


class Progress:
    """Tells on standard error how many of so many checks are done."""

    def __init__(self, total: int) -> None:
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
        )
        self._overall = self._bars.add_task("checks", total=total)
        self._step = self._bars.add_task("", total=None, visible=False)
        self._method = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, method: str) -> None:
        """The checks of a method begin."""
        self._method = method
        self._bars.update(self._overall, description=escape(method))

    def step(self, what: str, done: int, of: int | None) -> None:
        """The method or the feature service is at a step."""
        text = f"  {escape(what)}"
        self._bars.update(self._step, description=text, completed=done, total=of, visible=True)

    def checked(self, result: Result) -> None:
        """A check is done."""
        self._bars.update(self._overall, advance=1)
        self._bars.update(self._step, visible=False)
        if not self._err.is_terminal:
            self._err.print(f"{self._method}  {result.check}: {result.outcome}", markup=False)


def print_report(report: Report) -> None:
    """Print what came of the checks of a method."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("what it means", overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    for result in report.results:
        meaning, seconds = escape(_meaning(result)), f"{result.seconds:.1f}"
        table.add_row(_MARKS[result.outcome], result.check, meaning, seconds)
    verdict = "[green]passed[/]" if report.passed else "[red]does not behave[/]"
    console = Console(highlight=False)
    console.print(f"[bold]{escape(report.method)}[/] {verdict}{_costs(report)}", soft_wrap=True)
    console.print(table)


def _meaning(result: Result) -> str:
    if result.outcome is Outcome.FAILED:
        return result.reason
    described = (CHECKS[result.check].__doc__ or "").partition("\n")[0]
    return f"{described} ({result.reason})" if result.reason else described


def _costs(report: Report) -> str:
    if report.fit_seconds is None or report.score_seconds is None or report.peak_bytes is None:
        return ""
    spent = f"fit {report.fit_seconds:.1f} s, score {report.score_seconds:.1f} s"
    return f": {spent}, peak memory {report.peak_bytes / 1e6:,.0f} MB"
