"""How long cells will take, by what earlier ones took."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from harness.cards import Card
from harness.method import Budget
from harness.running.records import Record

# Seconds of a demo cell that never ran: without a network, with features of one, with training.
GUESSES = (2.0, 4.0, 15.0)


class Forecast:
    """What records tell of the time that cells take.

    Args:
        records: in their order; of several runs of a method the last counts. One whose answers
            were taken over from another cell tells nothing.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._anywhere: dict[tuple[str, Budget], float] = {}
        self._there: dict[tuple[str, Budget, str], float] = {}
        for record in records:
            if record.cache.answers or "seconds" not in record.timing:
                continue
            method = record.method.name, record.method.budget
            self._anywhere[method] = record.timing["seconds"]
            self._there[*method, record.dataset.name] = record.timing["seconds"]

    def knows(self, method: str, budget: Budget) -> bool:
        """Tell whether a method ever ran at a budget."""
        return (method, budget) in self._anywhere

    def seconds(self, card: Card, budget: Budget, dataset: str, *, passes: bool) -> float:
        """Return what a method takes: as on the data set, else as on another, else a guess.

        Args:
            card: of the method.
            budget: at which it runs.
            dataset: the name of what it runs on.
            passes: whether it needs images passed through a network.
        """
        guess = GUESSES[2 if card.trains else passes]
        elsewhere = self._anywhere.get((card.name, budget), guess)
        return self._there.get((card.name, budget, dataset), elsewhere)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Return when the last cell ends if the longest go first and ``slots`` run at a time."""
    ends = [0.0] * max(1, slots)
    for taken in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + taken)
    return max(ends)
