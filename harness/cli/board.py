"""``bench board``: show the ranked table of a data set."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, ResultsFolder, open_catalogue, open_results
from harness.errors import BenchError, did_you_mean
from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.verdicts import Judged

    Beside = tuple[Board, tuple[Judged, ...]]


class Format(StrEnum):
    """How a board is written."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"


def board(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(help="A data set with results, or its folder [default: all of them]."),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    budget: Annotated[Budget | None, typer.Option(help="Only this budget.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to a file instead.")
    ] = None,
    datasets: DatasetFiles = None,
    results: ResultsFolder = None,
) -> None:
    """Show the ranked table of a data set.

    Published runs stand in it where the data set is declared to hold their very images
    (comparable_to).

    \b
    Examples:
      bench board phantom-planted
      bench board --format md -o board.md
    """
    from harness.board.board import read_boards
    from harness.board.verdicts import beside_published

    store = open_results(results)
    names = store.datasets()
    if not names:
        raise BenchError(f"{store.root}: no results there; run: bench run --all")
    wanted = names if dataset is None else _meant(dataset, names)
    if not wanted:
        hint = did_you_mean(str(dataset), names)
        raise BenchError(f"{store.root}: no results for {dataset!r}{hint}; run: bench run --all")
    boards = [
        found
        for name in wanted
        for found in read_boards(store, name)
        if protocol in (None, found.protocol) and budget in (None, found.budget)
    ]
    if not boards:
        raise BenchError("no results at this protocol and budget; see: bench board")
    catalogue, _ = open_catalogue(context, datasets)
    tables = {entry.name: entry.comparable_to for entry in catalogue}
    _write([beside_published(one, tables.get(one.dataset, ())) for one in boards], form, output)


def _meant(dataset: str, names: list[str]) -> list[str]:
    """Return those of ``names`` that an argument means: one, or those of a data-set folder."""
    from harness.datasets.catalogue import folder_file, is_folder, read_entries

    if dataset not in names and is_folder(dataset):
        return [name for name in read_entries(folder_file(dataset)) if name in names]
    return [dataset] if dataset in names else []


def _write(boards: list[Beside], form: Format, output: Path | None) -> None:
    from harness.board.table import print_board
    from harness.files import write_text

    if form is Format.TABLE and output is None:
        for found, judged in boards:
            print_board(found, judged=judged)
        return
    text = _text(boards, form)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)


def _text(boards: list[Beside], form: Format) -> str:
    import io

    from rich.console import Console

    from harness.board.export import board_csv
    from harness.board.markdown import board_markdown
    from harness.board.table import WIDE_COLUMNS, board_table

    if form is Format.JSON:
        values = [found.as_json() for found, _ in boards]
        return json.dumps(values[0] if len(values) == 1 else values, indent=1) + "\n"
    if form is Format.CSV:
        return board_csv([found for found, _ in boards])
    if form is Format.MD:
        return "\n".join(board_markdown(*both) for both in boards)
    plain = io.StringIO()
    console = Console(file=plain, width=WIDE_COLUMNS, highlight=False)
    for both in boards:
        console.print(board_table(*both))
    return plain.getvalue()
