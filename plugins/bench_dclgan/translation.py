"""One direction of a dual GAN: a generator, a critic, and the game between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from bench_dclgan.losses import (
    Histogram,
    gradient_penalty,
    intensity_divergence,
    patch_contrast,
)
from bench_dclgan.networks import Discriminator, Generator


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What each term counts, and the two numbers that terms need."""

    adversarial: float
    contrast: float
    features: float
    intensity: float
    penalty: float
    temperature: float
    bins: int
    histogram: Histogram


class Translation(nn.Module):
    """Turns images of one domain into images of another, against the other domain's critic."""

    def __init__(self, *, channels: int, blocks: int) -> None:
        super().__init__()
        self.generator = Generator(channels=channels, blocks=blocks)
        self.critic = Discriminator(channels=channels)

    def loss(self, source: Tensor, target: Tensor, weights: Weights) -> Tensor:
        """Return one loss for both players, in which each weight has its own gradient alone.

        The generator's part sees the critic's weights as constants, the critic's part the made
        images. One step on the sum is a step of either player against the other as it stands.

        Args:
            source: (B, 1, S, S) images to translate.
            target: (B, 1, S, S) images of the other domain.
            weights: of the terms.
        """
        made = self.generator(source)
        fooling = self._fooling(source, target, made, weights)
        return fooling + self._judging(target, made.detach(), weights)

    def _fooling(self, source: Tensor, target: Tensor, made: Tensor, weights: Weights) -> Tensor:
        """Return the generator's loss."""
        with frozen(self.critic):
            seen, verdicts = self.critic(torch.cat([source, target, made]))
        of_source, of_target, of_made = seen.chunk(3)
        passed = verdicts.chunk(3)[2]
        fooled = binary_cross_entropy_with_logits(passed, torch.ones_like(passed))
        contrast = patch_contrast(of_source, of_made, weights.temperature)
        intensity = intensity_divergence(source, made, weights.bins, weights.histogram)
        return (
            weights.adversarial * fooled
            + weights.contrast * contrast
            + weights.features * l1_loss(of_made, of_target)
            + weights.intensity * intensity
        )

    def _judging(self, target: Tensor, made: Tensor, weights: Weights) -> Tensor:
        """Return the critic's loss."""
        _, verdicts = self.critic(torch.cat([target, made]))
        truth = torch.zeros_like(verdicts)
        truth[: len(target)] = 1
        judged = binary_cross_entropy_with_logits(verdicts, truth)
        return judged + weights.penalty * gradient_penalty(self.critic, target, made)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Treat a network's weights as constants in what is computed meanwhile."""
    network.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        network.requires_grad_(requires_grad=True)
