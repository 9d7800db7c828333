"""One method as the site shows it: its card, and every result it has on any board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.board.board import Row
from harness.board.verdicts import Judged
from harness.cards import Card
from harness.method import Task
from harness.running.records import Record
from harness.site.exhibit import Exhibit, Hung
from harness.site.sources import Sources


@dataclass(frozen=True, eq=False)
class Result:
    """What a method has on one board."""

    hung: Hung
    row: Row
    record: Record

    @property
    def found(self) -> bool:
        """Whether it is among those that detect."""
        return any(row is self.row for row in self.hung.finding.who)


@dataclass(frozen=True, eq=False)
class Shown:
    """A method with all that is known of it."""

    name: str
    card: Card | None  # None: it is not installed where the site was made
    task: Task
    family: str
    control: bool
    results: tuple[Result, ...]  # by data set
    twins: tuple[str, ...]  # methods that ran in its place, being the same at the budget
    runs: tuple[Judged, ...]  # that it re-implements

    @property
    def other_source(self) -> int:
        """How many of its results are by another version of its source than the installed one."""
        if self.card is None:
            return 0
        digest = self.card.source_digest
        return sum(result.record.method.source_digest != digest for result in self.results)

    @property
    def detects_on(self) -> int:
        """On how many boards it is among those that detect."""
        return sum(result.found for result in self.results)


def gather(exhibits: Iterable[Exhibit], sources: Sources, judged: Sequence[Judged]) -> list[Shown]:
    """Return every method that is installed or has a result, by name."""
    results: dict[str, list[Result]] = {}
    twins: dict[str, set[str]] = {}
    for exhibit in exhibits:
        for hung in exhibit.boards:
            for row in hung.board.rows:
                if row.method not in hung.records:
                    continue  # a published run
                record = hung.records[row.method]
                results.setdefault(record.method.name, []).append(Result(hung, row, record))
                for name in row.stands_for:
                    twins.setdefault(name, set()).add(record.method.name)
    every = sorted({*results, *sources.cards})
    return [
        _shown(
            sources.cards.get(name),
            name,
            results.get(name, []),
            sorted(twins.get(name, ())),
            judged,
        )
        for name in every
    ]


def _shown(
    card: Card | None,
    name: str,
    results: list[Result],
    twins: list[str],
    judged: Sequence[Judged],
) -> Shown:
    facts = card or results[0].record.method
    return Shown(
        name=name,
        card=card,
        task=card.task if card else results[0].record.task,
        family=facts.family,
        control=facts.control,
        results=tuple(results),
        twins=tuple(twins),
        runs=tuple(told for told in judged if told.run.method == name),
    )
