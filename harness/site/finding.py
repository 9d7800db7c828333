"""What a board says in one word and two sentences, for a reader who knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.board.board import Board, Row
from harness.board.wording import figure_text, luck, no_leak, sentences
from harness.method import Task


class Word(StrEnum):
    """What is said; never that data are safe."""

    DETECTED = "detected"
    NOT_DETECTED = "not detected"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """What a board says."""

    word: Word
    who: tuple[Row, ...]  # the rows that detect, in the board's order
    what: str  # how many of how many
    brief: str  # the same in few words
    sure: str  # figures with their intervals, and on how much they stand
    best: Row | None  # the first that detects, or where none does the first that is ranked


def find(board: Board) -> Finding:
    """Say what a board shows.

    Membership is detected by the rows that the board has above chance, and above what they reach
    with the null pool, where there is one. A training subset is told
    by rows whose interval lies wholly above that of every control.
    """
    ranked = [row for row in board.rows if row.rank is not None]
    if not ranked:
        return Finding(
            Word.CANNOT_TELL, (), "No row has an interval.", "no intervals", _size(board), None
        )
    membership = board.task is Task.MEMBERSHIP
    who = board.detecting
    bar = _bar(board) if membership else "every control"
    if who:
        what = f"{len(who)} of {len(ranked)} methods {'are' if len(who) > 1 else 'is'} above {bar}."
        brief = f"{len(who)} of {len(ranked)} methods"
        return Finding(Word.DETECTED, who, what, brief, _sure(board, who[0]), who[0])
    what = f"None of {len(ranked)} methods is above {bar}."
    brief = f"none of {len(ranked)} methods"
    return Finding(Word.NOT_DETECTED, (), what, brief, _limit(board, ranked), ranked[0])


def _bar(board: Board) -> str:
    nulls = any("auc_null_pool" in row.metrics for row in board.rows)
    text = "chance, corrected for how many there are"
    return f"{text}, and above what it has with the null pool" if nulls else text


def chance_level(board: Board) -> float:
    """Return what a row has that detects nothing: kappa 0, or the best control's accuracy."""
    if board.task is Task.MEMBERSHIP:
        return 0.0
    return max((value for _, value in _controls(board)), default=0.0)


def _controls(board: Board) -> list[tuple[float, float]]:
    """Return the upper end and the value of every control."""
    figures = [row.metrics.get(board.official) for row in board.rows if row.control]
    return [(f.high, f.value) for f in figures if f and f.high is not None and f.value is not None]


def _sure(board: Board, row: Row) -> str:
    text = f"First is {row.method}: {board.official} {figure_text(row.metrics[board.official])}"
    null = row.metrics.get("auc_null_pool")
    if null is not None and null.value is not None:
        text += (
            f", AUC {figure_text(row.metrics.get('auc'))}; with images of a generator that saw "
            f"none of these, AUC {figure_text(null)}"
        )
    return sentences(f"{text}.", luck(board), no_leak(board), _size(board))


def _limit(board: Board, ranked: Iterable[Row]) -> str:
    """Return what the intervals still allow."""
    highs = [row.metrics[board.official].high for row in ranked]
    reach = max((high for high in highs if high is not None), default=None)
    said = "" if reach is None else f"The intervals reach up to {board.official} {reach:.2f}."
    return sentences(said, luck(board), no_leak(board), _size(board))


def size(board: Board) -> str | None:
    """Return how much stands behind a board. Attribution asks generated images: of no patient."""
    figures = (row.metrics.get(board.official) for row in board.rows)
    counted = next((figure for figure in figures if figure is not None), None)
    if counted is None:
        return None
    patients = board.task is Task.MEMBERSHIP
    return f"{counted.n:,} images" + (f" of {counted.groups:,} patients" if patients else "")


def _size(board: Board) -> str:
    known = size(board)
    return "No row has figures." if known is None else f"{known}; intervals are 95 %."
