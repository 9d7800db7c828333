"""One data set as the site shows it: its boards, the records behind them, what is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.audit.copying import figure_text
from harness.audit.record import read_audit
from harness.board.board import Board, Row, read_boards
from harness.board.seeds import by_method
from harness.board.verdicts import with_published
from harness.datasets.cases import Case, Protocol, make_cases
from harness.datasets.dataset import Dataset
from harness.datasets.entry import Entry
from harness.errors import BenchError
from harness.method import Task
from harness.running.records import Record, RecordStore
from harness.scoring.metrics import Metric
from harness.site.finding import Finding, find
from harness.site.gallery import Gallery, make_gallery
from harness.site.outcome import Outcome, read_outcome
from harness.site.sources import Sources

DRAWN = 6  # rows whose curves and histograms a board shows

NO_ENTRY = (
    "the data set is in no catalogue on the machine that made this page; "
    "bench publish --site takes its file by --datasets"
)
NOT_OPENED = "the data set cannot be opened on the machine that made this page"
OTHER_DATA = "the data on the machine that made this page are another version than the records'"
NO_ANSWERS = (
    "the answers were not at hand, for what is committed holds figures alone; "
    "bench run and then bench publish --site draw them"
)
PRIVATE = "no picture of this data set may leave the machine that holds it (publish_images)"


@dataclass(frozen=True)
class Check:
    """One line of an audit."""

    check: str
    level: str
    result: str
    meaning: str


@dataclass(frozen=True)
class Copying:
    """What a pool repeats of the used reals, as a whole."""

    statistic: str
    pool: str
    figure: str
    meaning: str


@dataclass(frozen=True)
class Audit:
    """What ``bench check`` said of the very data that a board stands on."""

    verdict: str  # flawed, sound, cannot tell
    sentence: str
    checks: tuple[Check, ...]
    copying: tuple[Copying, ...]  # of pools as a whole; none in older records
    content: dict[str, Any]  # all of it, without what names an image


@dataclass(frozen=True, eq=False)
class Hung:
    """A board with what belongs to it."""

    board: Board
    finding: Finding
    runs: dict[str, list[Record]]  # by the method of the row, in the order of the seeds
    outcomes: dict[str, Outcome]  # of the rows whose answers are at hand, in the board's order
    why_not: str | None  # why there are none, of membership
    gallery: Gallery | None
    no_gallery: str | None  # why there is none
    audit: Audit | None  # of the very data that the board stands on

    @property
    def records(self) -> dict[str, Record]:
        """The record of the first seed of each row, by its method."""
        return {name: runs[0] for name, runs in self.runs.items()}

    @property
    def drawn(self) -> dict[str, Outcome]:
        """The outcomes that the page of the board draws: the first rows, and the first control."""
        controls = {row.method for row in self.board.rows if row.control}
        ranked = [name for name in self.outcomes if name not in controls][:DRAWN]
        blind = [name for name in self.outcomes if name in controls][:1]
        return {name: self.outcomes[name] for name in [*ranked, *blind]}

    def row(self, method: str) -> Row:
        """Return the row of a method."""
        return next(row for row in self.board.rows if row.method == method)


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One data set as the site shows it."""

    name: str
    task: Task
    entry: Entry | None
    dataset: Dataset | None  # where it was opened
    boards: tuple[Hung, ...]

    @property
    def audit(self) -> Audit | None:
        """What is known of the data of the first board that stands on audited ones."""
        return next((hung.audit for hung in self.boards if hung.audit is not None), None)


def read_exhibits(sources: Sources) -> list[Exhibit]:
    """Return every data set that has published records, by name."""
    return [_exhibit(sources, name) for name in sources.published.datasets()]


def _exhibit(sources: Sources, name: str) -> Exhibit:
    records = list(sources.published.of(name))
    entry = sources.entries.get(name)
    tables = entry.comparable_to if entry else ()
    boards = [
        with_published(board, sources.runs, tables)
        for board in read_boards(sources.published, name)
    ]
    dataset, why_not = _open(sources, entry, records)
    hung = tuple(_hang(sources, board, records, dataset, why_not) for board in boards)
    return Exhibit(name, boards[0].task, entry, dataset, hung)


def _open(
    sources: Sources, entry: Entry | None, records: Sequence[Record]
) -> tuple[Dataset | None, str | None]:
    """Open a data set if there are answers to compare with its truth; else say why not."""
    folder = sources.working.root / records[0].dataset.name
    if not any(r.predictions and (folder / r.predictions.path).is_file() for r in records):
        return None, NO_ANSWERS
    if entry is None:
        return None, NO_ENTRY
    sources.say(f"opening {entry.name}")
    try:
        return sources.open(entry), None
    except BenchError as error:  # it may name files and images, so no page shows it
        sources.say(str(error))
        return None, NOT_OPENED


def _hang(
    sources: Sources,
    board: Board,
    records: Sequence[Record],
    dataset: Dataset | None,
    why_not: str | None,
) -> Hung:
    kind = board.protocol, board.budget, board.fingerprint
    own = by_method(
        r for r in records if (r.protocol, r.method.budget, r.dataset.fingerprint) == kind
    )
    runs = {row.method: own[row.method] for row in board.rows if row.method in own}
    ordered = {name: found[0] for name, found in runs.items()}
    if dataset is not None and dataset.fingerprint != board.fingerprint:
        dataset, why_not = None, OTHER_DATA
    outcomes: dict[str, Outcome] = {}
    gallery: Gallery | None = None
    no_gallery = why_not
    if board.task is not Task.MEMBERSHIP:
        why_not = no_gallery = None  # generated images are asked; there is nothing of that kind
    elif dataset is not None:
        cases = {seed: _cases(dataset, board, seed) for seed in {r.seed for r in records}}
        outcomes = _outcomes(ordered, sources.working, cases)
        why_not = None if outcomes else NO_ANSWERS
        gallery, no_gallery = _gallery(board, dataset, ordered, outcomes, cases)
    audit = _audit(read_audit(sources.published.root / board.dataset, board.fingerprint))
    return Hung(board, find(board), runs, outcomes, why_not, gallery, no_gallery, audit)


def _cases(dataset: Dataset, board: Board, seed: int) -> list[Case]:
    return make_cases(dataset, Protocol(board.protocol), seed)


def _outcomes(
    records: Mapping[str, Record], working: RecordStore, cases: Mapping[int, Sequence[Case]]
) -> dict[str, Outcome]:
    found = {
        name: read_outcome(record, working.root / record.dataset.name, cases[record.seed])
        for name, record in records.items()
    }
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def _gallery(
    board: Board,
    dataset: Dataset,
    records: Mapping[str, Record],
    outcomes: Mapping[str, Outcome],
    cases: Mapping[int, Sequence[Case]],
) -> tuple[Gallery | None, str | None]:
    """Return the gallery of the row that stands first, or why there is none."""
    if not dataset.entry.publish_images:
        return None, PRIVATE
    first = next((row.method for row in board.rows if row.method in outcomes), None)
    if first is None:
        return None, NO_ANSWERS
    return make_gallery(dataset, cases[records[first].seed], first, outcomes[first]), None


def _audit(content: Mapping[str, Any] | None) -> Audit | None:
    if content is None:
        return None
    found = [line for line in content.get("findings", ()) if isinstance(line, dict)]
    kept = [{key: value for key, value in line.items() if key != "examples"} for line in found]
    keys = ("check", "level", "result", "meaning")
    checks = tuple(Check(*(str(line.get(key, "")) for key in keys)) for line in kept)
    whole = [line for line in content.get("copying", ()) if isinstance(line, dict)]
    copying = tuple(_copying(line) for line in whole)
    verdict, sentence = (str(content.get(key, "")) for key in ("verdict", "sentence"))
    return Audit(verdict, sentence, checks, copying, {**content, "findings": kept})


def _copying(line: Mapping[str, Any]) -> Copying:
    values: dict[str, Any] = {name: line.get(name) for name in Metric.__dataclass_fields__}
    name, pool, meaning = (str(line.get(key, "")) for key in ("statistic", "pool", "meaning"))
    return Copying(name, pool, figure_text(Metric(**values)), meaning)
