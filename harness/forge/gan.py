"""A small GAN: hinge loss, spectral norm, and a moving average of the generator's weights."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu

from harness.forge.networks import LATENT, Discriminator, Generator
from harness.forge.training import DECAY, SAMPLED_AT_ONCE, Trainer

# The generator learns faster: with few images the discriminator knows them all long before.
RATES, BETAS = {"discriminator": 5e-4, "generator": 2e-3}, (0.0, 0.9)  # of Adam


class GAN(Trainer):
    """Two networks at play."""

    loss_names: ClassVar[tuple[str, ...]] = ("discriminator", "generator")

    def build(self, size: int) -> None:
        """Set both networks and the generator's average."""
        self.generator, self.discriminator = Generator(size), Discriminator(size)
        self.average = copy.deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.networks = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }
        self.optimisers = {
            name: torch.optim.Adam(self.networks[name].parameters(), rate, BETAS)
            for name, rate in RATES.items()
        }

    def learn(self) -> tuple[float, ...]:
        """Let the discriminator learn once, then the generator."""
        real = self.reals()
        with torch.no_grad():
            made = self.generator(self._latents(self.batch, self.draws))
        scores = self.discriminator(torch.cat([real, made]))
        judged = relu(1 - scores[: self.batch]).mean() + relu(1 + scores[self.batch :]).mean()
        self.descend("discriminator", judged)
        self.discriminator.requires_grad_(requires_grad=False)
        fooled = -self.discriminator(self.generator(self._latents(self.batch, self.draws))).mean()
        self.descend("generator", fooled)
        self.discriminator.requires_grad_(requires_grad=True)
        self.follow(self.average, self.generator)
        return judged.item(), fooled.item()

    def make(self, draws: torch.Generator) -> Tensor:
        """Return images by the averaged generator."""
        images: Tensor = self.average(self._latents(SAMPLED_AT_ONCE, draws))
        return images

    def facts(self) -> dict[str, Any]:
        """Return the recipe in words and figures, for a card."""
        return {
            "generator": "convolutional, transposed convolutions, pixel norm",
            "discriminator": "convolutional, spectral norm",
            "latent": LATENT,
            "loss": "hinge",
            "optimiser": f"Adam, rates {RATES}, betas {BETAS}",
            "averaging": f"weights of the generator, decay {DECAY}, faster at first",
            "augmentation": "none",
            "batch": self.batch,
        }

    def _latents(self, count: int, draws: torch.Generator) -> Tensor:
        return torch.randn(count, LATENT, generator=draws).to(self.device)
