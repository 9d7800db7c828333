"""What token maps are disturbed by in training: a masked block and Gabor noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

IMPULSES = 8  # Gabor kernels in a field of noise
FREQUENCIES = (0.1, 0.4)  # cycles a position, from the slowest to the fastest kernel


def disturbed(
    maps: Sequence[Tensor], spreads: Sequence[Tensor], masked: float, noise: float
) -> list[Tensor]:
    """Return maps with Gabor noise, and a block of positions set to zero.

    An image has the same block and the same field of noise at all depths.

    Args:
        maps: (B, T, D) of each depth, on a square grid of T positions; D may differ.
        spreads: (D,) standard deviations of the channels, for each depth.
        masked: share of the positions in the block.
        noise: standard deviation of the noise, in those of the channels.
    """
    count, positions, _ = maps[0].shape
    side, device = math.isqrt(positions), maps[0].device
    field = gabor_noise(count, side, device).flatten(1)[..., None]
    kept = ~blocks(count, side, masked, device).flatten(1)[..., None]
    found = []
    for depth, spread in zip(maps, spreads, strict=True):
        direction = noise * spread * torch.randn(count, 1, len(spread), device=device)
        found.append((depth + direction * field) * kept)
    return found


def blocks(count: int, side: int, share: float, device: torch.device) -> Tensor:
    """Return (count, side, side) bool: a square at a random place that covers about ``share``."""
    width = round(side * math.sqrt(share))
    starts = torch.randint(side - width + 1, (count, 2, 1), device=device)
    along = torch.arange(side, device=device)
    inside = (along >= starts) & (along < starts + width)
    return inside[:, 0, :, None] & inside[:, 1, None, :]


def gabor_noise(count: int, side: int, device: torch.device) -> Tensor:
    """Return (count, side, side) fields of mean 0 and deviation 1.

    Sparse convolution noise (Lagae et al., 2009): Gabor kernels of random sign, place, frequency
    and direction are added up. A kernel's Gaussian has a quarter of the side as its deviation.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, IMPULSES, 1, 1, device=device)

    along = torch.arange(side, device=device) + 0.5
    down, right = along[:, None] - uniform(0, side), along - uniform(0, side)
    angle, frequency = uniform(0, math.pi), uniform(*FREQUENCIES)
    envelope = torch.exp(-(down.square() + right.square()) / (2 * (side / 4) ** 2))
    wave = torch.cos(2 * math.pi * frequency * (right * angle.cos() + down * angle.sin()))
    field = (uniform(-1, 1).sign() * envelope * wave).sum(1)
    field = field - field.mean((1, 2), keepdim=True)
    return field / field.std((1, 2), keepdim=True, correction=0).clamp_min(1e-6)
