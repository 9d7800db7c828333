"""The answers of a run, so that what two data sets ask alike is asked once.

Two data sets may share reals and null pool, as a planted one and its null twin do. A worker that
sees the same images, patients, parameters and seed gives the same answer, whatever the case is
called.
"""

from __future__ import annotations

from dataclasses import replace

from harness.datasets.cases import Case
from harness.running.local import Answer, LocalEngine, Settings, Told
from harness.running.plan import Cell
from harness.running.records import Status
from harness.running.sealing import seen_digest


class Answers:
    """The engine of a run, with a memory of what it was asked."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._given: dict[tuple[str, str], Answer] = {}

    @property
    def settings(self) -> Settings:
        """How cells run on this machine."""
        return self._engine.settings

    def of(self, cell: Cell, case: Case, progress: Told) -> Answer:
        """Return the answer of a cell to a case; see :meth:`LocalEngine.run`.

        One given before in this run costs no seconds and no features, and says so.
        """
        question = cell.doing, seen_digest(case, cell.task, cell.card.access)
        if question in self._given:
            return replace(self._given[question], repeated=True, hits=0, misses=0, seconds={})
        answer = self._engine.run(cell, case, progress)
        if answer.status is Status.OK:
            self._given[question] = answer
        return answer
