"""The foundry: trains one generator after the other and takes pools of images from each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.files import atomic

if TYPE_CHECKING:
    from harness.forge.order import Order
    from harness.forge.training import Trainer

Tell = Callable[[str, int, int], None]  # what is trained, iterations done, of how many
Pools = dict[str, NDArray[np.uint8]]  # by name, each (N, size, size)


@dataclass(frozen=True, eq=False)
class Cast:
    """What a generator gave, and how it was trained."""

    stages: tuple[Pools, ...]  # its pools after each mark of the order
    recipe: dict[str, Any]  # architecture and training in words and figures
    losses: list[dict[str, float]]  # means of equal stretches of the training


@dataclass(frozen=True)
class Foundry:
    """What all generators of one order have in common."""

    order: Order
    work: Path  # holds checkpoints and the pools taken so far
    device: str
    every: int  # iterations between two checkpoints
    tell: Tell  # is told how far it is

    def cast(
        self,
        name: str,
        images: NDArray[np.uint8],
        seed: np.random.SeedSequence,
        pools: Mapping[str, np.random.SeedSequence],
    ) -> Cast:
        """Train a generator and take its pools after each mark of the order.

        Args:
            name: what it is called in messages and in the folder ``work``.
            images: (N, size, size) uint8 greys to learn from.
            seed: of its training.
            pools: the seed of each pool.
        """
        trainer = self._trainer(images, seed)
        checkpoint, total = self.work / f"{name}.pt", self.order.iterations
        stages = []
        for mark in self.order.marks:
            taken = self.work / f"{name}-{mark}.npz"
            if not taken.is_file():
                trainer.run(mark, checkpoint, self.every, lambda done: self.tell(name, done, total))
                made = {pool: trainer.sample(self.order.generated, s) for pool, s in pools.items()}
                with atomic(taken) as stream:
                    np.savez(stream, **made)  # type: ignore[arg-type]
            with np.load(taken, allow_pickle=False) as held:
                stages.append({pool: held[pool] for pool in pools})
        if not trainer.losses and checkpoint.is_file():
            trainer.load(checkpoint)  # every pool was there; the card tells of the losses
        return Cast(tuple(stages), trainer.facts(), trainer.loss_curve())

    def _trainer(self, images: NDArray[np.uint8], seed: np.random.SeedSequence) -> Trainer:
        if self.order.kind == "diffusion":
            from harness.forge.diffusion import Diffusion

            return Diffusion(images, self.order.batch, seed, self.device)
        from harness.forge.gan import GAN

        return GAN(images, self.order.batch, seed, self.device)
