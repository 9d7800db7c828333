"""``bench score``: score a run file against the truth of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, open_catalogue

if TYPE_CHECKING:
    from harness.scoring.metrics import Metric


def score(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file: image,label and maybe a score.")],
    dataset: Annotated[
        str, typer.Option("-d", "--dataset", help="The data set it answers, or its folder.")
    ],
    datasets: DatasetFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Score a run file, with 95 % intervals by patient where patients are known.

    \b
    Examples:
      bench score run.csv -d phantom-planted
    """
    from harness.cli.reporting import make_talker
    from harness.datasets.cases import Protocol, make_cases
    from harness.scoring.runfile import read_run
    from harness.scoring.submissions import score_run

    catalogue, trusted = open_catalogue(context, datasets)
    opened = make_talker(as_json=False).open_dataset(catalogue.get(dataset), trusted.recipes())
    [case] = make_cases(opened, Protocol.OFFICIAL, 0)
    classes = None if opened.entry.task == "membership" else opened.classes
    answers = read_run(run, case.asked.ids, classes)
    metrics = score_run(case, answers, classes)
    if as_json:
        typer.echo(json.dumps({name: vars(metric) for name, metric in metrics.items()}, indent=1))
    else:
        _print(metrics)


def _print(metrics: dict[str, Metric]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from harness.board.wording import figure_text
    from harness.running.records import Figure

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("metric", "value [95 % interval]", "images", "groups", ""):
        table.add_column(title)
    for name, metric in metrics.items():
        text = figure_text(Figure(**vars(metric)))
        table.add_row(name, text, str(metric.n), str(metric.groups), metric.note or "")
    Console(highlight=False).print(table)
