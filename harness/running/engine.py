"""An engine: whoever has the cells of a plan answered. What runs where is its own affair.

There are two, :class:`harness.running.local.LocalEngine` and
:class:`harness.running.cluster.RayEngine`, and nothing else in the harness knows which one is at
work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cases import Case
from harness.running.limits import Limits
from harness.running.plan import Cell, Plan
from harness.running.records import Status
from harness.weights import Used

Told = Callable[[str, int, int | None], None]  # how far it is: what, done, of how many
Cases = Callable[[Cell], Sequence[Case]]  # what is asked of a cell, in this order


@dataclass(frozen=True)
class Settings:
    """How cells run, on whichever machine."""

    device: str
    precision: str  # "fp32", "bf16", or "auto": each backbone what serves it best
    threads: int
    weights: Mapping[str, Path]  # given by --weights NAME=FILE
    limits: Limits = field(default_factory=Limits)

    @property
    def training_precision(self) -> str:
        """What methods train in: nothing can be compared beforehand, so ``auto`` is fp32."""
        return "bf16" if self.precision == "bf16" else "fp32"


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one case."""

    status: Status
    reason: str | None = None
    log: tuple[str, ...] = ()  # what the feature service said, and the last words of the worker
    scores: NDArray[np.float64] | None = None  # (N,) or (N, C), in the order of the questions
    labels: NDArray[Any] | None = None  # (N,), int64 once they are checked
    backbones: tuple[Used, ...] = ()
    hits: int = 0
    misses: int = 0
    repeated: bool = False  # given to the same question before, and not asked for again
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int | None = None  # largest resident memory of a worker that ended well
    machine: Mapping[str, Any] = field(default_factory=dict)  # where it was given, if elsewhere


class Hearing(Protocol):
    """Whoever is told how far an engine is."""

    def cell(self, cell: Cell) -> None:
        """A cell begins."""

    def progress(self, what: str, done: int, of: int | None) -> None:
        """A cell that is under way is at step ``done`` of ``of``."""


class Engine(Protocol):
    """Has cells answered; use as a context manager, which ends whatever it started."""

    settings: Settings

    @property
    def slots(self) -> int:
        """How many cells it runs at a time, in round numbers."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def warm_up(self, cells: Sequence[Cell]) -> None:
        """Make ready for cells.

        Raises:
            BenchError: they cannot run where they would.
        """

    def fetch(self, backbone: str) -> None:
        """Have the weights of a backbone where they are needed.

        Raises:
            BenchError: they cannot be had.
        """

    def answers(
        self, plan: Plan, cases: Cases, hearing: Hearing
    ) -> Iterator[tuple[Cell, list[Answer]]]:
        """Yield the unfinished cells of a plan as they end, each with the answers to its cases.

        A cell ends with the first of its cases that is not answered well. A question that was
        answered well in the run is not asked again (:mod:`harness.running.answers`).

        Args:
            plan: what is to be done.
            cases: what is asked of a cell.
            hearing: told how far it is.

        Raises:
            StorageError: a disk is full or read-only.
            BenchError: no worker can be started.
        """
