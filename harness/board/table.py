"""A board as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.board.board import Board, Row
from harness.board.wording import (
    CONTROL,
    audit_line,
    columns,
    figure_text,
    finding,
    further_columns,
    headline,
    rank_text,
    ranking_rule,
    verdict_lines,
)
from harness.running.records import Figure, Status

if TYPE_CHECKING:
    from harness.board.verdicts import Judged

WIDE_COLUMNS = 184  # of a terminal that has room for everything
NARROW_NAME = 20  # characters of a line of a method's name where there is less


def board_table(
    board: Board, judged: Sequence[Judged] = (), *, wide: bool = True
) -> RenderableType:
    """Return a board ready to print.

    Args:
        board: what to show.
        judged: published runs on it that its methods re-implement.
        wide: show everything; without, it fits 80 columns.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1 if wide else 0))
    table.add_column("rank", justify="right", no_wrap=True, min_width=len(CONTROL))
    table.add_column("method", overflow="fold", min_width=NARROW_NAME, no_wrap=wide)
    shown = columns(board, wide=wide)
    for column in shown:
        table.add_column(column.title, justify="right", no_wrap=True)
    further = further_columns(board) if wide else {}
    for title in further:
        table.add_column(title, justify="right", no_wrap=True)
    if wide:
        table.add_column("access")
        table.add_column("backbone", no_wrap=True)
    for position, row in enumerate(board.rows):
        if position and row.control != board.rows[position - 1].control:
            table.add_section()
        cells = [_cell(row.metrics.get(column.metric), short=column.short) for column in shown]
        if row.status is not Status.OK:
            cells = [Text(row.status.value, "red"), *[Text("")] * (len(cells) - 1)]
        extra = [column[position] for column in further.values()]
        extra += [", ".join(row.access) or "nothing", _names(row)] if wide else []
        name = row.method if wide else fill(row.method, NARROW_NAME)  # breaks at hyphens
        table.add_row(rank_text(row), escape(name), *cells, *map(escape, extra))
    audit = audit_line(board)
    lines: list[RenderableType] = [] if audit is None else [Text(audit)]
    lines.append(Text(headline(board), "bold"))
    lines += [Text(finding(board)), table]
    lines += [Text(f"! {flag}", "yellow") for flag in board.flags]
    failed = [row for row in board.rows if row.status is not Status.OK]
    lines += [Text(f"{row.method}: {row.reason}", "red") for row in failed]
    for run, method, verdict in verdict_lines(judged):
        lines.append(Text(f"{run}, re-implemented by {method}: {verdict}"))
    lines.append(Text(ranking_rule(board), "dim"))
    if wide and (weights := sorted({b for row in board.rows for b in row.backbones if " " in b})):
        lines.append(Text(f"Weights: {', '.join(weights)}.", "dim"))
    return Group(*lines)


def print_board(
    board: Board, console: Console | None = None, judged: Sequence[Judged] = ()
) -> None:
    """Print a board as wide as the terminal, in full where there is none.

    Args:
        board: what to print.
        judged: as of :func:`board_table`.
        console: where; standard output by default.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, stderr=console.stderr, width=WIDE_COLUMNS)
    wide = console.width >= WIDE_COLUMNS
    console.print(board_table(board, judged, wide=wide), soft_wrap=False)
    console.print()


def _names(row: Row) -> str:
    """Return the backbones of a row; where their weights are from stands below the table."""
    return "\n".join(name.partition(" ")[0] for name in row.backbones)


def _cell(figure: Figure | None, *, short: bool) -> Text:
    text = Text(figure_text(figure), no_wrap=True)
    if short:
        return Text(text.plain.partition(" ")[0])
    if figure is not None and figure.low is not None:
        text.stylize("dim", text.plain.find(" "))
    return text
