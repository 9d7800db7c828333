"""Training a GAN so that it can be interrupted at any moment and still ends in the same weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import relu

from harness.files import atomic
from harness.forge.networks import LATENT, Discriminator, Generator

Track = Callable[[int, int], None]  # iterations done, of how many
RATE, BETAS = 5e-4, (0.0, 0.9)  # of Adam
DECAY = 0.999  # of the moving average of the generator's weights
SAMPLED_AT_ONCE = 64


@dataclass(frozen=True)
class Regime:
    """How a generator is trained."""

    size: int  # side of an image in pixels
    iterations: int  # steps of discriminator and generator
    batch: int  # real images a step

    def facts(self) -> dict[str, Any]:
        """Return the recipe in words and figures, for a card."""
        return {
            "generator": "convolutional, nearest upsampling, pixel norm",
            "discriminator": "convolutional, spectral norm",
            "latent": LATENT,
            "loss": "hinge",
            "optimiser": f"Adam, rate {RATE}, betas {BETAS}",
            "averaging": f"weights of the generator, decay {DECAY}, faster at first",
            "augmentation": "none",
            "iterations": self.iterations,
            "batch": self.batch,
        }


class Trainer:
    """Two networks at play, with every random number drawn from one stream of their own."""

    def __init__(
        self, images: NDArray[np.uint8], regime: Regime, seed: np.random.SeedSequence, device: str
    ) -> None:
        """Prepare the training.

        Args:
            images: (N, size, size) uint8 greys to learn from.
            regime: how to train.
            seed: of the weights and of all that is drawn on the way.
            device: where the networks compute.
        """
        weights, draws = seed.spawn(2)
        self.regime, self.device = regime, device
        self.images = torch.from_numpy(np.array(images)).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_number(weights))
            self.generator = Generator(regime.size)
            self.discriminator = Discriminator(regime.size)
        for network in (self.generator, self.discriminator):
            network.to(device).to(memory_format=torch.channels_last)  # faster by half on a CPU
        self.average = copy.deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.draws = torch.Generator().manual_seed(_number(draws))
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), RATE, BETAS)
            for name, network in self._networks().items()
            if name != "average"
        }
        self.losses: list[tuple[float, float]] = []  # of discriminator and generator

    def run(self, checkpoint: Path, every: int, track: Track) -> None:
        """Train to the end, from where ``checkpoint`` stands if it is there.

        Args:
            checkpoint: written every so often and at the end, whole or not at all.
            every: iterations between two checkpoints.
            track: is told after every iteration.
        """
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        if checkpoint.is_file():
            self.load(checkpoint)
        track(len(self.losses), self.regime.iterations)
        while len(self.losses) < self.regime.iterations:
            self.step()
            if len(self.losses) % every == 0 or len(self.losses) == self.regime.iterations:
                self.save(checkpoint)
            track(len(self.losses), self.regime.iterations)

    def step(self) -> None:
        """Let the discriminator learn once, then the generator."""
        size = self.regime.batch
        rows = torch.randint(len(self.images), (size,), generator=self.draws)
        real = self.images[rows.to(self.device)].unsqueeze(1) / 127.5 - 1
        with torch.no_grad():
            made = self.generator(self._latents(size))
        scores = self.discriminator(torch.cat([real, made]))
        judged = relu(1 - scores[:size]).mean() + relu(1 + scores[size:]).mean()
        self._learn("discriminator", judged)
        self.discriminator.requires_grad_(requires_grad=False)
        fooled = -self.discriminator(self.generator(self._latents(size))).mean()
        self._learn("generator", fooled)
        self.discriminator.requires_grad_(requires_grad=True)
        decay = min(DECAY, (1 + len(self.losses)) / (10 + len(self.losses)))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
            for mean, weight in pairs:
                mean.lerp_(weight, 1 - decay)
        self.losses.append((judged.item(), fooled.item()))

    def sample(self, count: int, seed: np.random.SeedSequence) -> NDArray[np.uint8]:
        """Return (count, size, size) uint8 images by the averaged generator."""
        draws = torch.Generator().manual_seed(_number(seed))
        made = []
        with torch.no_grad():
            for first in range(0, count, SAMPLED_AT_ONCE):
                # Always a full batch: on some devices its size changes the last bits.
                latents = torch.randn(SAMPLED_AT_ONCE, LATENT, generator=draws)
                images = self.average(latents.to(self.device))[: count - first, 0]
                made.append(((images + 1) * 127.5).round().to(torch.uint8).cpu().numpy())
        return np.concatenate(made)

    def save(self, path: Path) -> None:
        """Write all that the training depends on from here on."""
        state = {
            **{name: network.state_dict() for name, network in self._networks().items()},
            "optimisers": {name: step.state_dict() for name, step in self.optimisers.items()},
            "draws": self.draws.get_state(),
            "losses": self.losses,
        }
        with atomic(path) as stream:
            torch.save(state, stream)

    def load(self, path: Path) -> None:
        """Go back to where :meth:`save` was called.

        Raises:
            BenchError: The file is damaged.
        """
        from harness.errors import BenchError

        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            remedy = "remove it and give the same command again"
            raise BenchError(f"{path}: is no checkpoint that can be read; {remedy}") from error
        for name, network in self._networks().items():
            network.load_state_dict(state[name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.draws.set_state(state["draws"])
        self.losses = [(judged, fooled) for judged, fooled in state["losses"]]

    def loss_curve(self, points: int = 20) -> list[dict[str, float]]:
        """Return the mean losses of up to ``points`` equal stretches of the training."""
        cuts = np.linspace(0, len(self.losses), min(points, len(self.losses)) + 1).astype(int)
        curve = []
        for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            judged, fooled = np.mean(self.losses[first:last], axis=0).round(4).tolist()
            curve.append({"iteration": last, "discriminator": judged, "generator": fooled})
        return curve

    def _networks(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }

    def _latents(self, count: int) -> Tensor:
        return torch.randn(count, LATENT, generator=self.draws).to(self.device)

    def _learn(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _number(seed: np.random.SeedSequence) -> int:
    """Return a seed as torch takes it."""
    return int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))
