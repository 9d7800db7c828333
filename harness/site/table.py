"""The cells of a board as a page shows them, each with what it is sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.board.board import Board, Row
from harness.board.wording import CONTROL, Column, columns, figure_text, further_columns
from harness.running.records import Figure, Status
from harness.site.finding import Finding, chance_level

ROOM = 0.04  # of the scale, left free at both ends


@dataclass(frozen=True)
class Cell:
    """What a cell says, and what it is sorted by; "" is sorted last."""

    text: str
    key: str = ""


@dataclass(frozen=True)
class Whisker:
    """An interval drawn in a cell; places are percentages of its width."""

    low: float
    high: float
    at: float
    mark: float  # where a row is that detects nothing


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    row: Row
    rank: Cell
    found: bool  # whether the row is among those that detect
    tag: str  # what is said beside the name: how it ended, if not well
    whisker: Whisker | None
    figures: tuple[Cell, ...]  # one for each column of figures
    seconds: Cell
    further: tuple[Cell, ...] = ()  # one for each further column


@dataclass(frozen=True)
class Table:
    """A board's table."""

    columns: tuple[Column, ...]
    further: tuple[str, ...]  # titles of the columns that are no figures
    lines: tuple[Line, ...]


def make_table(board: Board, finding: Finding) -> Table:
    """Return the table of a board: the columns that Markdown has, too, and the intervals drawn."""
    shown = columns(board, wide=True)
    scale = Scale.of(board)
    found = {row.method for row in finding.who}
    further = further_columns(board)
    told = zip(*further.values(), strict=True) if further else ((),) * len(board.rows)
    lines = tuple(
        replace(
            _line(board, row, shown, scale, row.method in found),
            further=tuple(Cell(text, text.lstrip("<>").partition(" ")[0]) for text in texts),
        )
        for row, texts in zip(board.rows, told, strict=True)
    )
    return Table(shown, tuple(further), lines)


@dataclass(frozen=True)
class Scale:
    """The range of a metric that the whiskers of one table share."""

    least: float
    most: float
    mark: float

    @classmethod
    def of(cls, board: Board) -> Scale:
        """Return the scale that holds every interval of a board, and its mark."""
        figures = [row.metrics.get(board.official) for row in board.rows]
        return cls.holding(figures, chance_level(board))

    @classmethod
    def holding(cls, figures: Iterable[Figure | None], mark: float) -> Scale:
        """Return the scale that holds some intervals and a mark."""
        ends = [mark]
        for figure in figures:
            if figure is not None:
                ends += [e for e in (figure.low, figure.value, figure.high) if e is not None]
        room = ROOM * ((max(ends) - min(ends)) or 1.0)
        return cls(min(ends) - room, max(ends) + room, mark)

    def marking(self, mark: float) -> Scale:
        """Return the same scale with its mark elsewhere."""
        return replace(self, mark=mark)

    def whisker(self, figure: Figure | None) -> Whisker | None:
        """Return a figure's interval on the scale; ``None`` where there is none."""
        if figure is None or figure.value is None or figure.low is None or figure.high is None:
            return None
        return Whisker(*map(self._place, (figure.low, figure.high, figure.value, self.mark)))

    def _place(self, value: float) -> float:
        return round(100 * (value - self.least) / (self.most - self.least), 2)


def figure_cell(figure: Figure | None) -> Cell:
    """Return a figure with its interval, sorted by its value."""
    value = None if figure is None else figure.value
    return Cell(figure_text(figure), "" if value is None else f"{value:.6f}")


def rank_cell(row: Row) -> Cell:
    """Return the rank of a row; controls come after all that are ranked."""
    if row.control:
        return Cell(CONTROL, "")
    return Cell("–") if row.rank is None else Cell(str(row.rank), str(row.rank))


def _line(board: Board, row: Row, shown: Sequence[Column], scale: Scale, found: bool) -> Line:
    ok = row.status is Status.OK
    return Line(
        row=row,
        rank=rank_cell(row),
        found=found,
        tag="" if ok else row.status.value,
        whisker=scale.whisker(row.metrics.get(board.official)),
        figures=tuple(figure_cell(row.metrics.get(column.metric)) for column in shown),
        seconds=Cell(f"{row.seconds:.1f}", f"{row.seconds:.3f}"),
    )
