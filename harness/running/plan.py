"""The plan: which cells a command asks for, and which of them are finished already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cards import Card
from harness.datasets.cases import Protocol
from harness.datasets.dataset import Dataset
from harness.errors import BenchError
from harness.features.backbones import Backbone, find_backbone
from harness.files import json_digest
from harness.method import Budget, Task
from harness.running.forecast import Forecast
from harness.running.records import Record, RecordStore, Status
from harness.scoring import SCORING_VERSION


@dataclass(frozen=True, eq=False)
class Cell:
    """Method x parameters x budget x data set x protocol x seed."""

    card: Card
    parameters: dict[str, Any]  # in force
    changed: dict[str, Any]  # given by --set
    budget: Budget
    dataset: Dataset
    protocol: Protocol
    seed: int
    precision: str
    auxiliary: Dataset | None = None  # for a method whose access has it
    stands_for: tuple[str, ...] = ()  # other methods that are the same with these parameters

    @property
    def task(self) -> Task:
        """The task of method and data set."""
        return self.card.task

    @property
    def key(self) -> str:
        """Digest of all that the result depends on, except the weights that the record names."""
        auxiliary = {"auxiliary": self.auxiliary.fingerprint} if self.auxiliary else {}
        return json_digest(
            auxiliary
            | {
                "method": self.card.name,
                "source": self.card.source_digest,
                "parameters": self.parameters,
                "access": self.card.access,
                "budget": self.budget,
                "dataset": self.dataset.fingerprint,
                "protocol": self.protocol,
                "seed": self.seed,
                "precision": self.precision,
                "scoring": SCORING_VERSION,
            }
        )

    @property
    def doing(self) -> str:
        """Digest of what the cell does with images, whatever its method is called."""
        return json_digest(
            [
                self.card.family,
                self.card.source_digest,
                self.card.implementation,
                self.parameters,
                self.card.access,
                self.budget,
                self.seed,
            ]
        )

    @property
    def backbones(self) -> list[str]:
        """The backbones that the parameters name: fields called ``backbone`` or ``backbones``."""
        named = [self.parameters.get("backbone"), *self.parameters.get("backbones", ())]
        return [name for name in named if isinstance(name, str)]

    def stem(self, store: RecordStore) -> Path:
        """Return where the cell's record lies, without ending."""
        return store.stem(
            dataset=self.dataset.entry.name,
            method=self.card.name,
            changed=self.changed,
            protocol=self.protocol,
            budget=self.budget,
            seed=self.seed,
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done, quick cells of each data set first, and what is done already."""

    todo: tuple[Cell, ...]
    done: tuple[Cell, ...]
    seconds: tuple[float, ...]  # that each of ``todo`` will take, by earlier runs
    guessed: int  # how many of ``todo`` never ran, so that theirs are a guess

    @property
    def estimate(self) -> float:
        """Seconds for ``todo``, one cell after the other."""
        return math.fsum(self.seconds)

    @property
    def longest_first(self) -> tuple[Cell, ...]:
        """``todo`` in the order in which several at a time are done soonest."""
        order = sorted(range(len(self.todo)), key=lambda at: -self.seconds[at])
        return tuple(self.todo[at] for at in order)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells that the command asks for."""
        return self.done + self.todo


@dataclass(frozen=True)
class WeightsAtHand:
    """Finds out which weights a backbone would have now, without network or torch."""

    packaged: Mapping[str, Backbone]
    files: Mapping[str, Path]

    def digest(self, backbone: str) -> str | None:
        """Return the digest of a backbone's weights, ``None`` when they are not at hand."""
        weights = find_backbone(backbone, self.packaged, self.files).at_hand()
        return weights.sha256 if weights else None

    def match(self, record: Record) -> bool:
        """Tell whether a record's weights are those that a new run would use."""
        return all(self.digest(used.backbone) == used.sha256 for used in record.weights)


def make_plan(
    cells: Iterable[Cell], store: RecordStore, weights: WeightsAtHand, *, fresh: bool
) -> Plan:
    """Divide cells into those to run and those whose record still holds.

    A record holds when it ended well and nothing that the cell depends on has changed since.

    Args:
        cells: all that the command asks for.
        store: the working records.
        weights: to see whether a record's weights are today's.
        fresh: run everything again.
    """
    todo: list[Cell] = []
    done: list[Cell] = []
    for cell in cells:
        record = store.read(cell.stem(store))
        holds = record is not None and record.status is Status.OK and record.key == cell.key
        finished = holds and not fresh and record is not None and weights.match(record)
        (done if finished else todo).append(cell)
    forecast = Forecast(record for name in store.datasets() for record in store.of(name))
    taking = {cell: _seconds(cell, forecast) for cell in todo}
    order = {cell.dataset.entry.name: i for i, cell in reversed(list(enumerate(todo)))}
    todo.sort(
        key=lambda cell: (
            order[cell.dataset.entry.name],
            taking[cell],
            "layer" not in cell.parameters,  # its pass over the pixels serves the others, too
            not cell.card.control,
            cell.card.name,
            cell.seed,
        )
    )
    seconds = tuple(taking[cell] for cell in todo)
    guessed = sum(not forecast.knows(cell.card.name, cell.budget) for cell in todo)
    return Plan(tuple(todo), tuple(done), seconds, guessed)


def without_twins(cells: Iterable[Cell]) -> list[Cell]:
    """Leave out every cell that is another one under a second name, and name it on that one.

    Variants that a budget makes equal (the same backbone in place of several, say) differ in name
    alone. The headline variant stays, else the first.
    """
    alike: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        alike.setdefault((cell.doing, cell.dataset.entry.name), []).append(cell)
    kept = []
    for twins in alike.values():
        stays = next((cell for cell in twins if cell.card.headline), twins[0])
        others = tuple(cell.card.name for cell in twins if cell is not stays)
        kept.append(replace(stays, stands_for=others))
    return kept


def applicable(cards: Iterable[Card], dataset: Dataset) -> list[Card]:
    """Return the methods that answer the data set's task.

    Raises:
        BenchError: none does.
    """
    found = [card for card in cards if card.task is dataset.entry.task]
    if not found:
        task = dataset.entry.task.value
        raise BenchError(
            f"none of the chosen methods answers the task of {dataset.entry.name} ({task}); "
            f"see the task column of: bench list methods"
        )
    return found


def _seconds(cell: Cell, forecast: Forecast) -> float:
    passes = any(name != "pixels" for name in cell.backbones)
    return forecast.seconds(cell.card, cell.budget, cell.dataset.entry.name, passes=passes)
