"""The board: the ranked table of one data set at one protocol and one budget."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median
from typing import Any

from harness.audit.record import read_sentence
from harness.method import Access, Budget, Task
from harness.running.records import Figure, Record, RecordStore, Status

OFFICIAL = {Task.MEMBERSHIP: "kappa", Task.ATTRIBUTION: "accuracy"}
FEW_GROUPS = 50  # patients behind the figures, below which the board speaks of it


@dataclass(frozen=True)
class Row:
    """One method variant on a board."""

    method: str  # with the parameters that were changed and, if not 0, the seed
    family: str
    control: bool
    status: Status
    reason: str | None
    rank: int | None  # None: a control, a row that failed, or one without an interval
    access: tuple[Access, ...]
    backbones: tuple[str, ...]  # with the kind of source of their weights
    metrics: dict[str, Figure]
    seconds: float
    stands_for: tuple[str, ...] = ()  # variants that are the same with its parameters


@dataclass(frozen=True)
class Board:
    """A ranked table and what a reader must know of it."""

    dataset: str
    task: Task
    protocol: str
    budget: Budget
    fingerprint: str
    flags: tuple[str, ...]
    rows: tuple[Row, ...]
    audit: str | None = None  # the verdict of `bench check` on these very data

    @property
    def official(self) -> str:
        """The metric that the task ranks by."""
        return OFFICIAL[self.task]

    @property
    def above_chance(self) -> tuple[Row, ...]:
        """The methods whose kappa is above 0, also when corrected for how many are ranked.

        By Bonferroni: the interval is widened as if it were that of a normal distribution.
        """
        ranked = [row for row in self.rows if row.rank is not None]
        quantile = NormalDist().inv_cdf
        wider = quantile(1 - 0.025 / max(1, len(ranked))) / quantile(0.975)
        return tuple(row for row in ranked if _low(row.metrics["kappa"], wider) > 0)

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
                "metrics": {name: figure.model_dump() for name, figure in row.metrics.items()},
                "seconds": row.seconds,
                "stands_for": list(row.stands_for),
            }
            for row in self.rows
        ]
        return {
            "dataset": self.dataset,
            "task": self.task.value,
            "protocol": self.protocol,
            "budget": self.budget.value,
            "fingerprint": self.fingerprint,
            "audit": self.audit,
            "flags": list(self.flags),
            "rows": rows,
        }


def read_boards(store: RecordStore, dataset: str) -> list[Board]:
    """Return the boards of a data set, one per protocol and budget that has records."""
    records = list(store.of(dataset))
    kinds = sorted({(record.protocol, record.method.budget) for record in records})
    boards = [
        make_board([r for r in records if (r.protocol, r.method.budget) == kind]) for kind in kinds
    ]
    folder = store.root / dataset
    return [replace(b, audit=read_sentence(folder, b.fingerprint)) for b in boards]


def make_board(records: Sequence[Record]) -> Board:
    """Rank the records of one data set, protocol and budget.

    Records of another version of the data set than the newest are left out, and it is said.
    """
    newest = max(records, key=lambda record: str(record.environment.get("finished", "")))
    fingerprint = newest.dataset.fingerprint
    current = [record for record in records if record.dataset.fingerprint == fingerprint]
    official = OFFICIAL[newest.task]
    rows = [_row(record, _rank(record, current, official)) for record in current]
    rows.sort(key=lambda row: _place(row, official))
    return Board(
        dataset=newest.dataset.name,
        task=newest.task,
        protocol=newest.protocol,
        budget=newest.method.budget,
        fingerprint=fingerprint,
        flags=tuple(_flags(rows, len(records) - len(current), official)),
        rows=tuple(rows),
    )


def backbone_names(record: Record) -> tuple[str, ...]:
    """Return the backbones of a record, with the kind of source that their weights have."""
    kinds = {used.backbone: used.source.partition(":")[0] for used in record.weights}
    return tuple(
        name if kind == "none" else f"{name} ({kind})" for name, kind in sorted(kinds.items())
    )


def row_name(record: Record) -> str:
    """Return what a record's row is called: its method, with what was changed and the seed."""
    method = record.method
    changes = ", ".join(f"{key}={value}" for key, value in sorted(method.changed.items()))
    seed = f" seed {record.seed}" if record.seed else ""
    return method.name + (f" [{changes}]" if changes else "") + seed


def _row(record: Record, rank: int | None) -> Row:
    method = record.method
    return Row(
        method=row_name(record),
        family=method.family,
        control=method.control,
        status=record.status,
        reason=record.reason,
        rank=rank,
        access=method.access,
        backbones=backbone_names(record),
        metrics=record.metrics,
        seconds=record.timing.get("seconds", 0.0),
        stands_for=method.stands_for,
    )


def _rank(record: Record, others: Iterable[Record], official: str) -> int | None:
    """Return 1 + the number of methods whose interval lies wholly above this one's."""
    figure = record.metrics.get(official)
    if record.method.control or figure is None or figure.high is None:
        return None
    rivals = [other.metrics.get(official) for other in others if not other.method.control]
    lows = [rival.low for rival in rivals if rival is not None and rival.low is not None]
    return 1 + sum(low > figure.high for low in lows)


def _place(row: Row, official: str) -> tuple[bool, bool, float, float, str]:
    figure = row.metrics.get(official)
    value = figure.value if figure is not None and figure.value is not None else -2.0
    rank = math.inf if row.rank is None else row.rank
    return row.status is not Status.OK, row.control, rank, -value, row.method


def _low(figure: Figure, wider: float) -> float:
    """Return the lower end of an interval that is so many times as wide."""
    if figure.value is None or figure.low is None:
        return -math.inf
    return figure.value - wider * (figure.value - figure.low)


def _flags(rows: Sequence[Row], stale: int, official: str) -> Iterable[str]:
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
    if stale:
        yield f"{stale} records of another version of the data set are left out"
