"""A forge: carries out an order, whatever the task of the data set that comes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.images import pixel_digest
from harness.datasets.recipe import RawSet
from harness.files import json_digest
from harness.forge.allotment import Rows
from harness.forge.foundry import Cast, Foundry, Tell
from harness.forge.order import PHANTOM, Order, Stream
from harness.forge.source import Source
from harness.forge.workshop import Workshop, conditions
from harness.machine import ask_for_repeatable_kernels, keep_freed_memory


class Forge(ABC):
    """The order, its source, and the sets of patients that the generators are trained on.

    Attributes:
        source: the real images.
        hands: positions in ``source`` of the images that each generator or class learns from.
    """

    source: Source
    hands: list[Rows]

    def __init__(self, order: Order, out: Path, device: str, threads: int) -> None:
        """Read the source and look at what is there already.

        Raises:
            BenchError: The source is not in order or too small, or ``out`` is taken.
        """
        self.order, self.device, self.threads = order, device, threads
        self.prepare()
        self.conditions = conditions(device, threads)
        self.workshop = Workshop(out, order.facts(self.source), self.conditions)

    @abstractmethod
    def prepare(self) -> None:
        """Set ``source`` and ``hands``.

        Raises:
            BenchError: The source is not in order or too small.
        """

    @abstractmethod
    def train(self, foundry: Foundry) -> dict[str, Cast]:
        """Train every generator, and return what each gave, by its name."""

    @abstractmethod
    def write(self, folder: Path, casts: Mapping[str, Cast]) -> None:
        """Write the data sets with their entries and card."""

    def run(self, every: int, tell: Tell) -> None:
        """Train the generators and write the data sets.

        Args:
            every: iterations between two checkpoints.
            tell: is told how far it is.
        """
        import torch

        torch.set_num_threads(self.threads)
        keep_freed_memory()
        if self.device != "cpu":
            ask_for_repeatable_kernels()
        casts = self.train(Foundry(self.order, self.workshop.open(), self.device, every, tell))
        self.workshop.finish(lambda folder: self.write(folder, casts))

    def entry_facts(self) -> dict[str, Any]:
        """Return what the entries say beside task and folders."""
        own = self.order.source == PHANTOM
        return {
            "publish_images": own,
            "licence": "Apache-2.0" if own else self.order.licence,
            "source": f"bench forge {self.order.kind}, {self.source.name}, seed {self.order.seed}",
        }

    def named(
        self, prefix: str, key: int, rows: Rows, labels: NDArray[np.int_] | None = None
    ) -> RawSet:
        """Return images of the source as a set, shuffled by the stream ``key`` and numbered."""
        shuffle = self.order.rng(Stream.NAMES, key).permutation(len(rows))
        return RawSet(
            ids=numbers(prefix, len(rows)),
            pixels=self.source.pixels[rows[shuffle]],
            labels=None if labels is None else tuple(labels[shuffle].tolist()),
            groups=self.patients(rows[shuffle]),
        )

    def patients(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the patient of each image at ``rows`` of the source."""
        return tuple(self.source.groups[row] for row in rows)

    def card(
        self,
        summary: str,
        sets: Mapping[str, Any],
        casts: Mapping[str, Cast],
        shown: Mapping[str, int],
    ) -> dict[str, Any]:
        """Return the card.

        Args:
            summary: what trained what, in words.
            sets: what each data set holds.
            casts: what the generators gave.
            shown: the hand that each generator was trained on.
        """
        training = {}
        for name, cast in casts.items():
            rows = self.hands[shown[name]]
            digests = [pixel_digest(self.source.pixels[row]).hex() for row in rows]
            training[name] = {
                "images": len(rows),
                "patients": len(set(self.patients(rows))),
                "digest": json_digest(digests),
                "losses": cast.losses,
            }
        return {
            "name": self.order.name,
            "summary": summary,
            "order": self.order.facts(self.source),
            "sets": dict(sets),
            "architecture": next(iter(casts.values())).recipe,
            "trained_on": training,
            "conditions": self.conditions,
        }


def numbers(prefix: str, count: int) -> tuple[str, ...]:
    """Return the names of ``count`` files."""
    return tuple(f"{prefix}_{number:04d}.png" for number in range(1, count + 1))
