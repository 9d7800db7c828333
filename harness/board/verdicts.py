"""Published runs on a board, and what a re-implementation says of its own published run.

Figures of others stand beside ours only where the data set is declared to hold the very images that
they were measured on (``comparable_to``). Their intervals come from the counts that the printed
figures give away, as if every image were a patient, for the patients are not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from harness.board.board import OFFICIAL, PUBLISHED, Board, Row, arranged
from harness.board.published import PublishedRun, read_published
from harness.running.records import Figure, Status
from harness.scoring.metrics import membership_metrics
from harness.vocabulary import Task

NO_COUNTS = "as printed; the counts behind it are not known, so there is no interval"
# What a method reaches that knows nothing; the published attribution has five subsets.
_CHANCE = {Task.MEMBERSHIP: 0.0, Task.ATTRIBUTION: 1 / 5}


class Verdict(StrEnum):
    """What a method's own result says of the published run that it re-implements."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNINFORMATIVE = "uninformative"  # both at chance
    UNTOLD = "cannot tell"  # ours has no interval
    NOT_COMPARABLE = "not comparable"  # measured on other data


@dataclass(frozen=True)
class Judged:
    """A published run beside the row that re-implements it."""

    run: PublishedRun
    row: Row | None  # None: no row of a comparable board
    verdict: Verdict


def table_of(run: PublishedRun) -> str:
    """Return the name of the table that a run stands in, as ``comparable_to`` names it."""
    return f"{run.edition}-{run.task}"


def published_figures(run: PublishedRun) -> dict[str, Figure]:
    """Return the figures of a run: by its counts, else as printed and without interval."""
    if run.tp is None or run.fp is None or run.tn is None or run.fn is None:
        return {
            name: Figure(value=value, low=None, high=None, n=0, groups=0, note=NO_COUNTS)
            for name, value in run.metrics().items()
        }
    truth = np.repeat([1, 0, 0, 1], [run.tp, run.fp, run.tn, run.fn])
    labels = np.repeat([1, 1, 0, 0], [run.tp, run.fp, run.tn, run.fn])
    metrics = membership_metrics(truth, labels, labels.astype(float), range(len(truth)))
    return {
        name: Figure(**asdict(metric))
        for name, metric in metrics.items()
        if not name.startswith(("auc", "tpr_"))
    }


def with_published(board: Board, runs: Iterable[PublishedRun], tables: Sequence[str]) -> Board:
    """Return a board with the published runs that were measured on its very images.

    Args:
        board: of a data set.
        runs: all that are known.
        tables: those that the data set is declared to be comparable to.
    """
    rows = [_row(run) for run in runs if table_of(run) in tables and Task(run.task) is board.task]
    if not rows:
        return board
    flags = board.flags
    return replace(arranged(replace(board, rows=(*board.rows, *rows), flags=())), flags=flags)


def beside_published(board: Board, tables: Sequence[str]) -> tuple[Board, tuple[Judged, ...]]:
    """Return a board with all runs of the tables, and verdicts on those that its methods follow."""
    runs = read_published() if tables else ()
    judged = tuple(told for told in judge(runs, [(board, tables)]) if told.row is not None)
    return with_published(board, runs, tables), judged


def _row(run: PublishedRun) -> Row:
    return Row(
        method=f"{run.team}, run {run.run} ({run.edition})",
        family=PUBLISHED,
        control=False,
        status=Status.OK,
        reason=None,
        rank=None,
        access=(),
        backbones=(),
        metrics=published_figures(run),
        seconds=0.0,
        looks=0,
    )


def judge(
    runs: Iterable[PublishedRun], boards: Sequence[tuple[Board, Sequence[str]]]
) -> Iterator[Judged]:
    """Yield every published run that a method re-implements, with a verdict.

    Args:
        runs: all that are known.
        boards: with the tables that the data set of each is declared to be comparable to. Where
            several hold a row of the method, each has its verdict.
    """
    for run in runs:
        found = [
            (board, row)
            for board, tables in boards
            if table_of(run) in tables
            for row in board.rows
            if run.method and row.method == run.method
        ]
        for board, row in found:
            yield Judged(run, row, _verdict(board, row, run))
        if not found:
            yield Judged(run, None, Verdict.NOT_COMPARABLE)


def _verdict(board: Board, row: Row, run: PublishedRun) -> Verdict:
    ours = row.metrics.get(OFFICIAL[board.task])
    theirs = published_figures(run).get(OFFICIAL[board.task])
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return Verdict.UNTOLD
    if ours.low is None or ours.high is None:
        return Verdict.UNTOLD
    chance = _CHANCE[board.task]
    if _holds(ours, chance) and _holds(theirs, chance):
        return Verdict.UNINFORMATIVE
    reach = math.hypot(_reach(ours), _reach(theirs))
    return Verdict.DIFFERS if abs(ours.value - theirs.value) > reach else Verdict.AGREES


def _holds(figure: Figure, value: float) -> bool:
    if figure.low is None or figure.high is None:
        return figure.value == value
    return figure.low <= value <= figure.high


def _reach(figure: Figure) -> float:
    """Return half the width of an interval; nought of what is printed without one."""
    return 0.0 if figure.low is None or figure.high is None else (figure.high - figure.low) / 2
