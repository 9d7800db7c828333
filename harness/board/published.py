"""Results that others published, as the tables of ``leaderboards/published`` hold them."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import BenchError, short
from harness.files import shipped

FIGURES = ("kappa", "accuracy", "precision", "recall", "f1", "specificity")
COUNTS = ("tp", "fp", "tn", "fn", "positives", "negatives")
REQUIRED = ("edition", "task", "team", "run", "paper", "where")
TASKS = ("membership", "attribution")
SOURCES = ("official", "self-reported")


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """One row of a published table. A figure is the text in print, "" where none is printed."""

    edition: str  # year of the challenge
    task: str  # one of TASKS
    team: str  # as the table names it
    run: str  # the challenge's number of the run, or a name of ours where none is printed
    kappa: str  # Cohen's kappa, in [-1, 1]
    accuracy: str  # this and the figures below are in [0, 1]; of an attribution, means over classes
    precision: str
    recall: str
    f1: str
    specificity: str
    tp: int | None  # used images called used; the four counts are recovered from the figures
    fp: int | None  # unused images called used
    tn: int | None  # unused images called unused
    fn: int | None  # used images called unused
    positives: int | None  # used images in the test set
    negatives: int | None  # unused images in the test set
    source: str  # one of SOURCES: printed by the organisers, or by the team alone
    paper: str  # the team's own paper
    where: str  # the table or page with the figures
    method: str  # name of the method of this project that re-implements the run, or ""
    why_not: str  # why no method does, or ""
    note: str  # what a reader of the figures should know, or ""

    def metrics(self) -> dict[str, float]:
        """Return the printed figures by name; a figure that is not printed is left out."""
        printed = {name: getattr(self, name) for name in FIGURES}
        return {name: float(text) for name, text in printed.items() if text}


COLUMNS = [field.name for field in fields(PublishedRun)]


def read_published(folder: Path | None = None) -> tuple[PublishedRun, ...]:
    """Read every table of published runs.

    Args:
        folder: where the files ``<edition>-<task>.csv`` are; ``None`` takes the project's own.

    Returns:
        The runs in the order of the file names, and within a file as they stand.

    Raises:
        BenchError: a table is missing or not valid; the message names the file and the line.
    """
    folder = shipped("leaderboards", "published") if folder is None else folder
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise BenchError(f"{folder}: no published tables; put files <edition>-<task>.csv there")
    return tuple(run for table in tables for run in _read_table(table))


def _read_table(path: Path) -> list[PublishedRun]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, None)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: not a readable UTF-8 table ({error}); mend the file") from error
    if header != COLUMNS:
        raise BenchError(f"{path}, line 1: the header must be {','.join(COLUMNS)}")
    runs: dict[str, PublishedRun] = {}
    for line, row in rows:
        place = f"{path}, line {line}"
        run = _read_row(row, place)
        if f"{run.edition}-{run.task}" != path.stem:
            belongs = short(f"{run.edition}-{run.task}.csv")
            raise BenchError(f"{place}: belongs into {belongs}; move the row")
        if run.run in runs:
            raise BenchError(f"{place}: run {short(run.run)} is listed twice; remove one")
        runs[run.run] = run
    return list(runs.values())


def _read_row(row: list[str], place: str) -> PublishedRun:
    if len(row) != len(COLUMNS):
        raise BenchError(f"{place}: {len(row)} cells where {len(COLUMNS)} belong; quote commas")
    cells: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    for name in REQUIRED:
        if not cells[name]:
            raise BenchError(f"{place}: {name} is empty; fill it in")
    for name, known in (("task", TASKS), ("source", SOURCES)):
        if cells[name] not in known:
            raise BenchError(f"{place}: {name} {cells[name]!r} must be {' or '.join(known)}")
    for name in FIGURES:
        _check_figure(name, cells[name], place)
    if bool(cells["method"]) == bool(cells["why_not"]):
        raise BenchError(f"{place}: fill in either method or why_not")
    counts = {name: _count(name, cells[name], place) for name in COUNTS}
    _check_counts(counts, place)
    return PublishedRun(**cells | counts)


def _check_figure(name: str, text: str, place: str) -> None:
    lowest = -1 if name == "kappa" else 0
    try:
        valid = not text or lowest <= float(text) <= 1
    except ValueError:
        valid = False
    if not valid:
        raise BenchError(
            f"{place}: {name} {short(text)} must be a number from {lowest} to 1 or empty"
        )


def _count(name: str, text: str, place: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BenchError(f"{place}: {name} {short(text)} must be a whole number or empty")
    return int(text) if text else None


def _check_counts(counts: dict[str, int | None], place: str) -> None:
    tp, fp, tn, fn, positives, negatives = (counts[name] for name in COUNTS)
    if tp is None and fp is None and tn is None and fn is None:
        return
    if tp is None or fp is None or tn is None or fn is None:
        raise BenchError(f"{place}: give all of tp, fp, tn and fn or none of them")
    if (tp + fn, fp + tn) != (positives, negatives):
        raise BenchError(f"{place}: tp + fn must be positives and fp + tn must be negatives")
