"""``bench compare``: are two methods different, on the same questions?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    BudgetOption,
    DatasetFiles,
    ResultsFolder,
    open_catalogue,
    open_results,
)
from harness.errors import BenchError, did_you_mean
from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.board.answers import Answers
    from harness.running.records import Record
    from harness.scoring.comparing import Comparison
    from harness.scoring.differences import Difference

TITLES = {"kappa": "kappa", "auc": "AUC", "accuracy": "accuracy"}


def compare(
    context: typer.Context,
    first: Annotated[
        str, typer.Argument(help="A method as the board names it; a seed that is not 0 follows.")
    ],
    second: Annotated[str, typer.Argument(help="Another one.")],
    dataset: Annotated[
        str, typer.Option("-d", "--dataset", help="The data set that both answered, or its folder.")
    ],
    datasets: DatasetFiles = None,
    protocol: Annotated[str, typer.Option(help="official or cv.")] = "official",
    budget: BudgetOption = Budget.DEMO,
    results: ResultsFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Compare two methods on the same questions, by patient where patients are known.

    \b
    Examples:
      bench compare nearest-pixel cosine-threshold -d phantom-planted
      bench compare moco-moe "moco-moe seed 1" -d phantom-planted --json
    """
    from harness.board.answers import read_answers
    from harness.cli.reporting import make_talker

    catalogue, trusted = open_catalogue(context, datasets)
    opened = make_talker(as_json=as_json).open_dataset(catalogue.get(dataset), trusted.recipes())
    name = opened.entry.name
    store = open_results(results)
    records = [r for r in store.of(name) if (r.protocol, r.method.budget) == (protocol, budget)]
    pair = [_find(wanted, records, name) for wanted in (first, second)]
    answers = read_answers(store.root / name, pair, opened)
    if answers is None or len(answers.names) < 2:
        raise BenchError(
            f"{store.root / name}: the answers of {first} or {second} are not at hand, or of "
            f"another version of the data; run: bench run -m METHOD -d {name} --fresh"
        )
    comparison = _compared(answers)
    if as_json:
        typer.echo(json.dumps({"first": first, "second": second, **asdict(comparison)}, indent=1))
    else:
        _print(first, second, comparison)


def _find(wanted: str, records: list[Record], dataset: str) -> Record:
    from harness.running.records import run_name

    named = {run_name(record): record for record in records}
    if wanted not in named:
        hint = did_you_mean(wanted, list(named))
        raise BenchError(
            f"{dataset} has no results of {wanted!r}{hint}; see: bench board {dataset}"
        )
    return named[wanted]


def _compared(answers: Answers) -> Comparison:
    from harness.scoring.comparing import attribution_comparison, membership_comparison
    from harness.vocabulary import Task

    a = answers
    if a.task is Task.ATTRIBUTION:
        return attribution_comparison(a.truth, a.labels, a.groups, a.classes)
    if (a.folds[0] != a.folds[1]).any():
        raise BenchError("the two rows were asked in other folds; compare rows of one seed")
    return membership_comparison(a.truth, a.labels, a.scores, a.groups, a.folds[0], apart=a.apart)


def _print(first: str, second: str, comparison: Comparison) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{escape(first)}[/] less [bold]{escape(second)}[/]")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("metric", "difference [95 % interval]", "p", "could have shown", ""):
        table.add_column(title)
    for name, difference in comparison.differences.items():
        table.add_row(TITLES[name], *_cells(difference))
    console.print(table)
    shares = comparison.overlap
    if shares is not None:
        console.print(
            f"Both right {shares.both_right:.1%}, only {escape(first)} {shares.only_first:.1%}, "
            f"only {escape(second)} {shares.only_second:.1%}, both wrong {shares.both_wrong:.1%} "
            f"(McNemar p = {comparison.mcnemar_p:.3g}, as if images were independent)."
        )
    console.print(
        "Could have shown: the smallest difference that such a test set shows at 5 % in 80 % of "
        "draws. Intervals and p by group.",
        style="dim",
    )


def _cells(difference: Difference) -> tuple[str, str, str, str]:
    d = difference
    if d.value is None:
        return "n/a", "", "", d.note or ""
    interval = "[?]" if d.low is None or d.high is None else f"[{d.low:+.3f}, {d.high:+.3f}]"
    p = "" if d.p is None else f"{d.p:.3g}"
    detectable = "" if d.detectable is None else f"{d.detectable:.3f}"
    return f"{d.value:+.3f} {interval}", p, detectable, d.note or ""
