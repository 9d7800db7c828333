"""A question: one case as whoever answers it may see it. It holds no truth, so it may travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets.cases import Case
from harness.files import json_digest
from harness.method import Task
from harness.running.plan import Cell
from harness.running.sealing import SealedSet, seal, seen_digest


@dataclass(frozen=True, eq=False)
class Question:
    """A sealed case, and the method that is to answer it."""

    plugin: str
    method: str
    parameters: Mapping[str, Any]
    budget: str
    seed: int
    task: Task
    classes: int
    asked: int  # images that want an answer
    backbones: tuple[str, ...]  # that the parameters name
    fit: tuple[str, str]  # digests of what the cell does and of what it sees
    sets: Mapping[str, SealedSet]  # by the name under which the method asks for them

    def checkpoints(self, fits: Path, settings: object) -> Path:
        """Return the folder of this very fit, named by all that its course depends on.

        Args:
            fits: where the folders of all fits lie.
            settings: of the machine; in the form of JSON.
        """
        return fits / json_digest([*self.fit, settings])[:32]


def pose(cell: Cell, case: Case, folder: Path) -> Question:
    """Seal a case into ``folder``, an empty one, for the method of a cell."""
    access = cell.card.access
    return Question(
        plugin=cell.card.family,
        method=cell.card.name,
        parameters=cell.parameters,
        budget=cell.budget.value,
        seed=cell.seed,
        task=cell.task,
        classes=len(case.classes),
        asked=len(case.asked),
        backbones=tuple(cell.backbones),
        fit=(cell.doing, seen_digest(case, cell.task, access)),
        sets=seal(case, cell.task, access, folder),
    )
