"""The answers of a run, so that what two data sets ask alike is asked once.

Two data sets may share reals and null pool, as a planted one and its null twin do. A worker that
sees the same images, patients, parameters and seed gives the same answer, whatever the case is
called.
"""

from __future__ import annotations

from dataclasses import replace

from harness.datasets.cases import Case
from harness.running.engine import Answer
from harness.running.plan import Cell
from harness.running.records import Status
from harness.running.sealing import seen_digest

Key = tuple[str, str]


class Answers:
    """What an engine was asked in a run and answered well."""

    def __init__(self) -> None:
        self._given: dict[Key, Answer] = {}

    def key(self, cell: Cell, case: Case) -> Key:
        """Return what a question is known by."""
        return cell.doing, seen_digest(case, cell.task, cell.card.access)

    def known(self, key: Key) -> Answer | None:
        """Return the answer that was given before: it costs no seconds and no features."""
        given = self._given.get(key)
        return given and replace(given, repeated=True, hits=0, misses=0, seconds={})

    def keep(self, key: Key, answer: Answer) -> None:
        """Remember an answer if it is a good one."""
        if answer.status is Status.OK:
            self._given[key] = answer
