"""Asking a method about patients, as in any run: sealed, in a worker, by the local engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cards import Card
from harness.datasets.cases import Case, Protocol, Selection
from harness.datasets.dataset import Dataset
from harness.datasets.entry import Entry, Layout, Origin
from harness.datasets.layouts import classes_of
from harness.datasets.pack import PackedSet
from harness.errors import BenchError
from harness.files import json_digest
from harness.method import Budget, Task
from harness.privacy.division import Part
from harness.privacy.folders import Role
from harness.privacy.patients import Patient
from harness.running.engine import Told
from harness.running.local import LocalEngine
from harness.running.plan import Cell
from harness.running.records import Status
from harness.weights import Used


class Questioner:
    """Puts questions to one method.

    Args:
        engine: whose workers run the method.
        card: of the method.
        parameters: in force.
        seed: of the method.
        folder: an empty folder for image sets.
        progress: told how far a worker or the feature service is.
    """

    def __init__(
        self,
        engine: LocalEngine,
        *,
        card: Card,
        parameters: dict[str, Any],
        seed: int,
        folder: Path,
        progress: Told,
    ) -> None:
        self.card = card
        self.parameters = parameters
        self.seed = seed
        self.weights: dict[str, Used] = {}  # of the backbones that were used, by name
        self._engine = engine
        self._folder = folder
        self._progress = progress

    def fetch_weights(self) -> None:
        """Have the weights of the backbones that the parameters name.

        Raises:
            BenchError: they cannot be had.
        """
        for backbone in self._cell({}).backbones:
            self._engine.features.fetch(backbone)

    def expect(self, times: int) -> None:
        """Have workers made ready for so many times of asking."""
        self._engine.expect(times)

    def ask(
        self, pool: PackedSet, learnt: Mapping[str, Part], asked: Sequence[Part]
    ) -> list[Patient]:
        """Return the patients of some images with their scores, by role and name.

        Half of the pool goes with the images that are learnt from and half with the questions, as
        one generator's two pools in a data set: no image is handed over twice.

        Args:
            pool: the generated images.
            learnt: images that the method learns from.
            asked: images to be scored; the name of a set says its role.

        Raises:
            BenchError: the method failed.
        """
        rows = np.arange(len(pool))
        training = {name: Selection((part,)) for name, part in learnt.items()}
        training["generated"] = Selection(((pool, rows[::2]),))
        questions = {
            "generated": Selection(((pool, rows[1::2]),)),
            "unknown": Selection(tuple(asked)),
        }
        case = Case("audit", training, questions, classes_of(Task.MEMBERSHIP, ()))
        sets = {pool.name: pool, **{images.name: images for images, _ in asked}}
        answer = self._engine.run(self._cell(sets), case, self._progress)
        if answer.status is not Status.OK or answer.scores is None:
            said = "".join(f" | {line}" for line in answer.log[-3:])
            raise BenchError(
                f"--method {self.card.name}: {answer.status.value}: {answer.reason}{said}; "
                "choose another method, or mend this one"
            )
        self.weights |= {used.weights.backbone: used for used in answer.backbones}
        return _patients(case.asked, answer.scores)

    def _cell(self, sets: dict[str, PackedSet]) -> Cell:
        entry = Entry(
            name="audit",
            origin=Origin(self._folder, 1, {}),
            task=Task.MEMBERSHIP,
            layout=Layout.PACK,
            fetch={"audit": {}},
        )
        fingerprint = json_digest({name: images.digest for name, images in sets.items()})
        return Cell(
            card=self.card,
            parameters=self.parameters,
            changed={},
            budget=Budget.PAPER,
            dataset=Dataset(entry, fingerprint, sets, classes_of(Task.MEMBERSHIP, ())),
            protocol=Protocol.SUBMIT,
            seed=self.seed,
            precision=self._engine.settings.precision,
        )


def _patients(asked: Selection, scores: NDArray[np.float64]) -> list[Patient]:
    found: dict[tuple[Role, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(asked.origins, asked.groups or (), strict=True)):
        found[Role(key[0]), key[1]].append(row)
    return [
        Patient(role, name, tuple(asked.ids[row] for row in rows), scores[rows])
        for (role, name), rows in sorted(found.items())
    ]
