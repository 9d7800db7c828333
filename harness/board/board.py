"""The board: the ranked table of one data set at one protocol and one budget."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist, median
from typing import Any

from harness.audit.record import read_sentence
from harness.board.comparison import Comparison, Standing, comparison_file, read_comparison
from harness.board.seeds import by_method, failure, mean_figures, spread
from harness.method import Access, Budget, Task
from harness.running.calibration import Calibration, read_calibrations
from harness.running.looks import count_looks
from harness.running.records import Figure, Record, RecordStore, Status, unreadable

OFFICIAL = {Task.MEMBERSHIP: "kappa", Task.ATTRIBUTION: "accuracy"}
PUBLISHED = "published"  # the family of rows that others printed
ALPHA = 0.05
FEW_GROUPS = 50  # patients behind the figures, below which the board speaks of it


@dataclass(frozen=True)
class Row:
    """One method variant on a board."""

    method: str  # with the parameters that were changed and a single seed that is not 0
    family: str
    control: bool
    status: Status
    reason: str | None
    rank: int | None  # None: a control, a row that failed, or one without an interval
    access: tuple[Access, ...]
    backbones: tuple[str, ...]  # with the kind of source of their weights
    metrics: dict[str, Figure]
    seconds: float
    standing: Standing | None = None  # None: a control, or the answers were not compared
    seeds: tuple[int, ...] = (0,)  # whose mean the figures are
    spread: float | None = None  # sd of the official metric between seeds; None of a single one
    calibration: Calibration | None = None  # of the very method, on the very data
    looks: int = 1  # at the test split, by all that runs under the method's name
    stands_for: tuple[str, ...] = ()  # variants that are the same with its parameters

    @property
    def leak(self) -> bool | None:
        """Whether it knows clearly more than with images of a generator that saw none of the reals.

        By AUC, the one interval wholly above the other; ``None`` without such a null pool.
        """
        seen, unseen = self.metrics.get("auc"), self.metrics.get("auc_null_pool")
        if seen is None or unseen is None or seen.low is None or unseen.high is None:
            return None
        return seen.low > unseen.high


@dataclass(frozen=True)
class Beside:
    """What is known of the methods of a board beside their records."""

    comparison: Comparison | None = None
    looks: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by data and method
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # by method

    def calibration(self, record: Record) -> Calibration | None:
        """Return the calibration of the method as it ran; others are another method's."""
        held, method = self.calibrations.get(record.method.name), record.method
        if held is None or held.fingerprint != record.dataset.fingerprint:
            return None
        same = (held.source_digest, held.parameters) == (method.source_digest, method.parameters)
        return held if same else None


@dataclass(frozen=True)
class Board:
    """A ranked table and what a reader must know of it."""

    dataset: str
    task: Task
    protocol: str
    budget: Budget | None  # None: of run files, whose making is not known
    fingerprint: str
    flags: tuple[str, ...]
    rows: tuple[Row, ...]
    comparison: Comparison | None = None  # of the answers of these very rows
    audit: str | None = None  # the verdict of `bench check` on these very data

    @property
    def official(self) -> str:
        """The metric that the task ranks by."""
        return OFFICIAL[self.task]

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The methods that have a rank."""
        return tuple(row for row in self.rows if row.rank is not None)

    @property
    def above_chance(self) -> tuple[Row, ...]:
        """The methods that are above chance, also when corrected for how many there are.

        By the permutations of the comparison. Without them by Bonferroni, and of membership alone:
        the interval of kappa is widened as if it were that of a normal distribution.
        """
        if self.comparison is not None and self.comparison.draws:
            return tuple(r for r in self.ranked if r.standing and _below(r.standing.adjusted))
        quantile = NormalDist().inv_cdf
        wider = quantile(1 - ALPHA / 2 / max(1, len(self.ranked))) / quantile(1 - ALPHA / 2)
        kappas = [(row, row.metrics.get("kappa")) for row in self.ranked]
        return tuple(row for row, kappa in kappas if kappa and _low(kappa, wider) > 0)

    @property
    def detecting(self) -> tuple[Row, ...]:
        """The methods that find what the task asks for.

        Membership: above chance, and not as good with the null pool. Attribution: with an interval
        wholly above every control's, for images may be told by what they show.
        """
        if self.task is Task.MEMBERSHIP:
            return tuple(row for row in self.above_chance if row.leak is not False)
        control = self.best_control
        reach = _end(control.metrics[self.official].high) if control else -math.inf
        return tuple(r for r in self.ranked if _end(r.metrics[self.official].low) > reach)

    @property
    def best_control(self) -> Row | None:
        """The control whose interval of the official metric reaches highest."""
        controls = [row for row in self.rows if row.control and self.official in row.metrics]
        return max(controls, key=lambda r: _end(r.metrics[self.official].high), default=None)

    def as_json(self) -> dict[str, Any]:
        """Return the board in the form that programs read."""
        rows = [
            {
                "method": row.method,
                "family": row.family,
                "control": row.control,
                "status": row.status.value,
                "reason": row.reason,
                "rank": row.rank,
                "access": [access.value for access in row.access],
                "backbones": list(row.backbones),
                "seeds": list(row.seeds),
                "limit_of_detection": row.calibration and row.calibration.as_json(),
                "spread_between_seeds": row.spread,
                "looks": row.looks,
                "rank_in_access": row.standing and row.standing.rank_in_access,
                "metrics": {name: figure.model_dump() for name, figure in row.metrics.items()},
                "seconds": row.seconds,
                "p": row.standing and row.standing.p,
                "p_adjusted": row.standing and row.standing.adjusted,
                "stands_for": list(row.stands_for),
            }
            for row in self.rows
        ]
        return {
            "dataset": self.dataset,
            "task": self.task.value,
            "protocol": self.protocol,
            "budget": self.budget,
            "fingerprint": self.fingerprint,
            "audit": self.audit,
            "compared": self.comparison is not None,
            "best_of_blind": self.comparison and self.comparison.blind,
            "flags": list(self.flags),
            "rows": rows,
        }


def read_boards(store: RecordStore, dataset: str) -> list[Board]:
    """Return the boards of a data set, one per protocol and budget that has records.

    Records that cannot be read are left out, and it is said.

    Raises:
        BenchError: none can be read.
    """
    folder = store.root / dataset
    everything, damaged = store.sorted_out(dataset)
    looks = count_looks(folder, everything)
    boards = []
    flags = tuple(f"the record {path.name} cannot be read and is left out" for path in damaged)
    for protocol, budget, records in by_board(everything):
        comparison = read_comparison(comparison_file(folder, protocol, budget))
        board = make_board(records, Beside(comparison, looks, read_calibrations(folder, budget)))
        audit = read_sentence(folder, board.fingerprint)
        boards.append(replace(board, audit=audit, flags=(*board.flags, *flags)))
    if damaged and not boards:
        raise unreadable(damaged[0])
    return boards


def by_board(records: Iterable[Record]) -> Iterator[tuple[str, Budget, list[Record]]]:
    """Yield protocol, budget and records of each board of a data set."""
    kinds: dict[tuple[str, Budget], list[Record]] = defaultdict(list)
    for record in records:
        kinds[record.protocol, record.method.budget].append(record)
    for protocol, budget in sorted(kinds):
        yield protocol, budget, kinds[protocol, budget]


def make_board(records: Sequence[Record], beside: Beside | None = None) -> Board:
    """Rank the records of one data set, protocol and budget.

    Records of another version of the data set than the newest are left out, and it is said.

    Args:
        records: of one data set, protocol and budget.
        beside: a comparison of other answers is not taken, nor a calibration of other data.
    """
    known = beside or Beside()
    newest = max(records, key=lambda record: str(record.environment.get("finished", "")))
    fingerprint = newest.dataset.fingerprint
    current = [record for record in records if record.dataset.fingerprint == fingerprint]
    comparison = known.comparison
    held = comparison if comparison is not None and comparison.covers(current) else None
    stale = len(records) - len(current)
    board = Board(
        dataset=newest.dataset.name,
        task=newest.task,
        protocol=newest.protocol,
        budget=newest.method.budget,
        fingerprint=fingerprint,
        flags=(f"{stale} records of another version of the data set are left out",)
        if stale
        else (),
        rows=tuple(_rows(current, replace(known, comparison=held))),
        comparison=held,
    )
    return arranged(board)


def arranged(board: Board) -> Board:
    """Return a board with its rows in order, and with flags of what they have in common."""
    rows = sorted(board.rows, key=lambda row: _place(row, board.official))
    return replace(board, rows=tuple(rows), flags=(*_flags(rows, board.official), *board.flags))


def backbone_names(record: Record) -> tuple[str, ...]:
    """Return the backbones of a record, with the kind of source that their weights have."""
    kinds = {used.backbone: used.source.partition(":")[0] for used in record.weights}
    return tuple(
        name if kind == "none" else f"{name} ({kind})" for name, kind in sorted(kinds.items())
    )


def _rows(records: Sequence[Record], beside: Beside) -> Iterator[Row]:
    rows = [_row(name, runs, beside) for name, runs in by_method(records).items()]
    official = OFFICIAL[records[0].task]
    figures = (row.metrics.get(official) for row in rows if not row.control)
    lows = sorted(f.low for f in figures if f is not None and f.low is not None)
    for row in rows:
        yield row if row.standing else replace(row, rank=_rank(row, lows, official))


def _row(name: str, runs: Sequence[Record], beside: Beside) -> Row:
    first = runs[0]
    status, reason = failure(runs)
    standing = beside.comparison.standing(runs) if beside.comparison else None
    return Row(
        method=name,
        family=first.method.family,
        control=first.method.control,
        status=status,
        reason=reason,
        rank=standing.rank if standing else None,
        access=first.method.access,
        backbones=backbone_names(first),
        metrics=mean_figures(runs) | (standing.thresholds if standing else {}),
        seconds=sum(run.timing.get("seconds", 0.0) for run in runs) / len(runs),
        standing=standing,
        seeds=tuple(run.seed for run in runs),
        spread=spread(runs, OFFICIAL[first.task]),
        looks=beside.looks.get((first.dataset.fingerprint, first.method.name), 1),
        calibration=beside.calibration(first),
        stands_for=first.method.stands_for,
    )


def _rank(row: Row, lows: Sequence[float], official: str) -> int | None:
    """Return 1 + the number of methods whose interval lies wholly above this one's.

    Args:
        row: of the board.
        lows: where the intervals of all methods begin, ascending.
        official: the metric that ranks.
    """
    figure = row.metrics.get(official)
    if row.control or figure is None or figure.high is None:
        return None
    return 1 + len(lows) - bisect_right(lows, figure.high)


def _place(row: Row, official: str) -> tuple[bool, bool, float, float, str]:
    figure = row.metrics.get(official)
    value = figure.value if figure is not None and figure.value is not None else -2.0
    rank = math.inf if row.rank is None else row.rank
    return row.status is not Status.OK, row.control, rank, -value, row.method


def _end(value: float | None) -> float:
    return -math.inf if value is None else value


def _below(p: float | None) -> bool:
    return p is not None and p < ALPHA


def _low(figure: Figure, wider: float) -> float:
    """Return the lower end of an interval that is so many times as wide."""
    if figure.value is None or figure.low is None:
        return -math.inf
    return figure.value - wider * (figure.value - figure.low)


def _flags(rows: Sequence[Row], official: str) -> Iterable[str]:
    figures = [row.metrics[official] for row in rows if official in row.metrics]
    if figures:
        groups, n = figures[0].groups, figures[0].n
        if groups < FEW_GROUPS:
            widths = [f.high - f.low for f in figures if f.high is not None and f.low is not None]
            width = f": {official} is known to about ±{median(widths) / 2:.2f}" if widths else ""
            yield f"only {groups} patients stand behind these {n} images{width}"
        missing = {f.note for f in figures if f.value is not None and f.low is None and f.note}
        yield from sorted(missing)
    for row in rows:
        auc = row.metrics.get("auc")
        if row.control and auc is not None and auc.low is not None and auc.low > 0.5:
            yield (
                f"{row.method} tells used from not used without detecting anything "
                f"(AUC {auc.value:.3f}): the data set gives its labels away"
            )
