"""A board as a table in the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.board.board import Board, Row
from harness.board.wording import CONTROL, columns, figure_text, headline, ranking_rule
from harness.running.records import Figure, Status

WIDE_COLUMNS = 160  # of a terminal that has room for access and backbones


def board_table(board: Board, *, wide: bool = True) -> RenderableType:
    """Return a board ready to print.

    Args:
        board: what to show.
        wide: show access and backbones too; without them it fits 80 columns.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("rank", justify="right", no_wrap=True, min_width=len(CONTROL))
    table.add_column("method", overflow="fold")
    shown = columns(board, wide=wide)
    for name in shown:
        table.add_column(name.title, justify="right", no_wrap=True, min_width=18)
    if wide:
        table.add_column("access")
        table.add_column("backbone", overflow="fold")
    for position, row in enumerate(board.rows):
        if position and row.control != board.rows[position - 1].control:
            table.add_section()
        cells = [_cell(row.metrics.get(name.metric)) for name in shown]
        if row.status is not Status.OK:
            cells = [Text(row.status.value, "red"), *[Text("")] * (len(cells) - 1)]
        extra = [", ".join(row.access) or "nothing", "\n".join(row.backbones)] if wide else []
        table.add_row(_rank(row), escape(row.method), *cells, *map(escape, extra))
    lines: list[RenderableType] = [Text(headline(board), "bold"), table]
    lines += [Text(f"! {flag}", "yellow") for flag in board.flags]
    failed = [row for row in board.rows if row.status is not Status.OK]
    lines += [Text(f"{row.method}: {row.reason}", "red") for row in failed]
    lines.append(Text(ranking_rule(board), "dim"))
    return Group(*lines)


def _rank(row: Row) -> str:
    if row.control:
        return f"[dim]{CONTROL}[/dim]"
    return "–" if row.rank is None else str(row.rank)


def _cell(figure: Figure | None) -> Text:
    text = Text(figure_text(figure))
    if figure is not None and figure.low is not None:
        text.stylize("dim", text.plain.find(" "))
    return text
