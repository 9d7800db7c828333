"""How long work is told: a bar with the time that remains, or a line now and then in a log."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_SECONDS = 30.0  # between two lines in a log


class Steps:
    """Tells on standard error how many steps of a piece of work are done."""

    def __init__(self, unit: str = "iteration") -> None:
        """Begin; ``unit`` is what a step is called."""
        self._unit = unit
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        )
        self._tasks: dict[str, tuple[float, int]] = {}  # when each began, and at which step
        self._told = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Say a line."""
        self.err.print(text, markup=False)

    def tell(self, what: str, done: int, of: int) -> None:
        """Tell that ``done`` of ``of`` steps of ``what`` are done."""
        if what not in self._tasks:
            self._tasks[what] = (time.monotonic(), done)
            self._told = time.monotonic()
            self._bar = self._bars.add_task(escape(what), total=of, completed=done)
            if done:
                self.say(f"{what}: goes on at {self._unit} {done} of {of}")
        self._bars.update(self._bar, completed=done)
        due = time.monotonic() - self._told > LINE_SECONDS or done == of
        if due and not self.err.is_terminal:
            self._told = time.monotonic()
            self.say(f"{what}: {done} of {of} {self._unit}s{self._remaining(what, done, of)}")

    def _remaining(self, what: str, done: int, of: int) -> str:
        began, first = self._tasks[what]
        if done in (first, of):
            return ""
        seconds = (time.monotonic() - began) / (done - first) * (of - done)
        return f", about {max(1, round(seconds / 60))} min remain"
