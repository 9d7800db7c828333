"""Training a generator so that it can be interrupted at any moment and still ends the same."""

from __future__ import annotations

import io
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.errors import BenchError
from harness.files import atomic

Track = Callable[[int], None]  # iterations done
SAMPLED_AT_ONCE = 16
DECAY = 0.999  # of the moving average of a generator's weights


class Trainer(ABC):
    """A generator in training, with every random number drawn from one stream of its own.

    Attributes:
        images: (N, size, size) uint8 greys to learn from, on the device.
        networks: all that is trained or averaged, by name.
        optimisers: by the name of the network that they change.
        draws: source of all that is drawn on the way.
        losses: one row an iteration, in the order of ``loss_names``.
    """

    loss_names: ClassVar[tuple[str, ...]]
    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]

    def __init__(
        self, images: NDArray[np.uint8], batch: int, seed: np.random.SeedSequence, device: str
    ) -> None:
        """Prepare the training.

        Args:
            images: (N, size, size) uint8 greys to learn from.
            batch: real images a step.
            seed: of the weights and of all that is drawn on the way.
            device: where the networks compute.
        """
        weights, draws = seed.spawn(2)
        self.batch, self.device = batch, device
        self.images = torch.from_numpy(np.array(images)).to(device)
        self.draws = torch.Generator().manual_seed(number_of(draws))
        self.losses: list[tuple[float, ...]] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number_of(weights))
            self.build(images.shape[-1])
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last)  # faster by half on a CPU

    @abstractmethod
    def build(self, size: int) -> None:
        """Set ``networks`` for images of a side, their weights drawn by torch's own generator."""

    @abstractmethod
    def learn(self) -> tuple[float, ...]:
        """Do one iteration and return its losses."""

    @abstractmethod
    def make(self, draws: torch.Generator) -> Tensor:
        """Return SAMPLED_AT_ONCE images, (B, 1, size, size) float in [-1, 1]."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return the recipe in words and figures, for a card."""

    def run(self, iterations: int, checkpoint: Path, every: int, track: Track) -> None:
        """Train until so many ``iterations`` are done, from where ``checkpoint`` stands.

        Args:
            iterations: counted from the very beginning.
            checkpoint: written every so often and at the end, whole or not at all.
            every: iterations between two checkpoints.
            track: is told after every iteration.

        Raises:
            BenchError: The checkpoint is damaged.
        """
        if not self.losses and checkpoint.is_file():
            self.load(checkpoint)
        track(len(self.losses))
        while len(self.losses) < iterations:
            self.losses.append(self.learn())
            if len(self.losses) % every == 0 or len(self.losses) == iterations:
                self.save(checkpoint)
            track(len(self.losses))

    def sample(self, count: int, seed: np.random.SeedSequence) -> NDArray[np.uint8]:
        """Return (count, size, size) uint8 images by the generator as it stands."""
        draws = torch.Generator().manual_seed(number_of(seed))
        made = []
        with torch.no_grad():
            for first in range(0, count, SAMPLED_AT_ONCE):
                # Always a full batch: on some devices its size changes the last bits.
                images = self.make(draws)[: count - first, 0].clamp(-1, 1)
                made.append(((images + 1) * 127.5).round().to(torch.uint8).cpu().numpy())
        return np.concatenate(made)

    def reals(self) -> Tensor:
        """Return a random batch of the images, (batch, 1, size, size) float in [-1, 1]."""
        rows = torch.randint(len(self.images), (self.batch,), generator=self.draws)
        return self.images[rows.to(self.device)].unsqueeze(1) / 127.5 - 1

    def descend(self, name: str, loss: Tensor) -> None:
        """Change one network so that ``loss`` falls."""
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def follow(self, average: nn.Module, network: nn.Module) -> None:
        """Let ``average`` follow the weights of ``network``, faster at first."""
        decay = min(DECAY, (1 + len(self.losses)) / (10 + len(self.losses)))
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(weight, 1 - decay)

    def save(self, path: Path) -> None:
        """Write all that the training depends on from here on."""
        state = {
            "networks": _states(self.networks),
            "optimisers": _states(self.optimisers),
            "draws": self.draws.get_state(),
            "losses": self.losses,
        }
        buffer = io.BytesIO()  # Ctrl-C while torch writes to a file would abort the process
        torch.save(state, buffer)
        with atomic(path) as stream:
            stream.write(buffer.getbuffer())

    def load(self, path: Path) -> None:
        """Go back to where :meth:`save` was called.

        Raises:
            BenchError: The file is damaged.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            remedy = "remove it and give the same command again"
            raise BenchError(f"{path}: is no checkpoint that can be read; {remedy}") from error
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.draws.set_state(state["draws"])
        self.losses = [tuple(row) for row in state["losses"]]

    def loss_curve(self, points: int = 20) -> list[dict[str, float]]:
        """Return the mean losses of up to ``points`` equal stretches of the training."""
        cuts = np.linspace(0, len(self.losses), min(points, len(self.losses)) + 1).astype(int)
        curve = []
        for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            means = np.mean(self.losses[first:last], axis=0).round(4).tolist()
            curve.append({"iteration": last, **dict(zip(self.loss_names, means, strict=True))})
        return curve


def number_of(seed: np.random.SeedSequence) -> int:
    """Return a seed as torch takes it."""
    return int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))


def _states(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part.state_dict() for name, part in parts.items()}
