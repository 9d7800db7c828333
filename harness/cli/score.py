"""``bench score``: score run files against the truth of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, open_catalogue
from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.scoring.metrics import Metric


def score(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(help="A run file, image,label and maybe a score, or a folder of them."),
    ],
    dataset: Annotated[
        str, typer.Option("-d", "--dataset", help="The data set it answers, or its folder.")
    ],
    datasets: DatasetFiles = None,
    as_board: Annotated[
        bool, typer.Option("--board", help="Rank every run file, *.csv, of the folder.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Score a run file, with 95 % intervals by patient where patients are known.

    With --board the run files of a folder are ranked like methods: with ties, against the best of
    as many blind ones, and with a note on files that give the same or opposite labels.

    \b
    Examples:
      bench score run.csv -d phantom-planted
      bench score runs/ -d phantom-planted --board
    """
    from harness.board.submitted import board_of_runs
    from harness.cli.reporting import make_talker
    from harness.datasets.cases import Protocol, make_cases
    from harness.scoring.runfile import read_run
    from harness.scoring.submissions import score_run

    files = _run_files(run, as_board)
    catalogue, trusted = open_catalogue(context, datasets)
    opened = make_talker(as_json=False).open_dataset(catalogue.get(dataset), trusted.recipes())
    [case] = make_cases(opened, Protocol.OFFICIAL, 0)
    classes = None if opened.entry.task == "membership" else opened.classes
    answers = {file.stem: read_run(file, case.asked.ids, classes) for file in files}
    if as_board:
        _print_board(board_of_runs(opened, case, answers), as_json=as_json)
        return
    metrics = score_run(case, answers[run.stem], classes)
    if as_json:
        typer.echo(json.dumps({name: vars(metric) for name, metric in metrics.items()}, indent=1))
    else:
        _print(metrics)


def _run_files(run: Path, as_board: bool) -> list[Path]:
    """Return the run files that a command names.

    Raises:
        BenchError: a folder without ``--board``, or without a run file.
    """
    if not run.is_dir():
        return [run]
    if not as_board:
        raise BenchError(f"{run}: is a folder; add --board to rank the run files in it")
    files = sorted(run.glob("*.csv"))
    if not files:
        raise BenchError(f"{run}: holds no run file; their names end in .csv")
    return files


def _print_board(board: Board, *, as_json: bool) -> None:
    from harness.board.table import print_board

    if as_json:
        typer.echo(json.dumps(board.as_json(), indent=1))
    else:
        print_board(board)


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
