"""The trial of one method: its answers to variations of the small data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.cards import Card
from harness.datasets.cases import Case, Protocol, with_auxiliary
from harness.datasets.dataset import Dataset
from harness.files import file_digest
from harness.method import Access, Budget, Task
from harness.running.engine import Answer, Told
from harness.running.local import LocalEngine
from harness.running.plan import Cell
from harness.testing.data import Sets, draw, make_case

PLAIN = "plain"  # the name of the run on the small data as they are
AUXILIARY_DRAW = 7  # the seed of the external labelled set: other patients than those asked about


@dataclass(frozen=True, eq=False)
class Run:
    """A case and what the method answered."""

    case: Case
    answer: Answer
    changed: tuple[str, ...]  # the image sets whose pixels the run has changed


class Trial:
    """Runs one method on variations of the small data, each of them once.

    Args:
        engine: whose workers run the method.
        card: of the method.
        parameters: in force.
        changed: the parameters that were given.
        folder: an empty folder for image sets.
        progress: told how far a worker or the feature service is.
    """

    def __init__(
        self,
        engine: LocalEngine,
        card: Card,
        *,
        parameters: dict[str, Any],
        changed: Mapping[str, Any],
        folder: Path,
        progress: Told,
    ) -> None:
        self.card = card
        self.parameters = parameters
        self.runs: dict[str, Run] = {}  # by what was varied, in the order in which they were made
        self._engine = engine
        self._changed = dict(changed)
        self._folder = folder
        self._progress = progress

    @property
    def task(self) -> Task:
        """What the method answers."""
        return self.card.task

    @property
    def sets(self) -> Sets:
        """The small data as they are."""
        return draw(self.task)

    @property
    def plain(self) -> Run:
        """The run on the small data as they are, on one thread."""
        return self.run(PLAIN, self.sets)

    def run(self, what: str, sets: Sets, *, threads: int = 1, renewed: bool = False) -> Run:
        """Have the method fitted to ``sets`` and asked, unless the run ``what`` was made before.

        Args:
            what: names the run.
            sets: the data.
            threads: of the worker.
            renewed: have a worker that shares no process with those before it.
        """
        if what not in self.runs:
            if renewed:
                self._engine.renew()
            cell, case = self._prepare(what, sets)
            files = {name: part.path for name, part in cell.dataset.sets.items()}
            before = {name: file_digest(path) for name, path in files.items()}
            self._engine.settings = replace(self._engine.settings, threads=threads)
            answer = self._engine.run(cell, case, self._progress)
            changed = tuple(name for name in files if file_digest(files[name]) != before[name])
            self.runs[what] = Run(case, answer, changed)
        return self.runs[what]

    def fetch_weights(self) -> None:
        """Have the weights of the backbones that the parameters name.

        Raises:
            BenchError: they cannot be had.
        """
        for backbone in self._prepare(PLAIN, self.sets)[0].backbones:
            self._engine.features.fetch(backbone)

    def costs(self) -> dict[str, Any]:
        """Return the seconds of the plain run, and the largest memory that any worker took."""
        seconds = self.runs[PLAIN].answer.seconds if PLAIN in self.runs else {}
        peaks = [run.answer.peak_bytes for run in self.runs.values() if run.answer.peak_bytes]
        return {
            "fit_seconds": seconds.get("fit"),
            "score_seconds": seconds.get("score"),
            "peak_bytes": max(peaks, default=None),
        }

    def _prepare(self, what: str, sets: Sets) -> tuple[Cell, Case]:
        dataset, case = make_case(self.task, sets, self._subfolder(what))
        if self._auxiliary is not None:
            case = with_auxiliary(case, self._auxiliary)
        return self._cell(dataset), case

    @cached_property
    def _auxiliary(self) -> Dataset | None:
        """The external labelled set, for a method that may have one."""
        if Access.AUXILIARY not in self.card.access:
            return None
        task = Task.ATTRIBUTION
        return make_case(task, draw(task, AUXILIARY_DRAW), self._subfolder("auxiliary"))[0]

    def _subfolder(self, what: str) -> Path:
        folder = self._folder / what
        folder.mkdir(exist_ok=True)
        return folder

    def _cell(self, dataset: Dataset) -> Cell:
        return Cell(
            card=self.card,
            parameters=self.parameters,
            changed=self._changed,
            budget=Budget.DEMO,
            dataset=dataset,
            protocol=Protocol.OFFICIAL,
            seed=0,
            precision=self._engine.settings.precision,
            auxiliary=self._auxiliary,
        )
