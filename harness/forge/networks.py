"""The networks of the forge's GAN: a convolutional generator and its discriminator."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

SIZES = (32, 64, 128, 256)  # sides of an image in pixels
LATENT = 128  # length of the vector that a generator turns into an image
START = 4  # side of the map that the generator begins with and the discriminator ends with
SLOPE = 0.2  # of the leaky rectifiers


def widths(size: int) -> list[int]:
    """Return the channels of the maps with sides 4, 8, ... ``size``."""
    sides = [START * 2**step for step in range(int(math.log2(size // START)) + 1)]
    return [max(16, min(64, 512 // side)) for side in sides]


class Generator(nn.Module):
    """Turns latent vectors into images, doubling the side block by block.

    After every convolution each pixel's features are scaled to unit length (Karras et al. 2018,
    https://openreview.net/forum?id=Hk99zCeAb), so that the weights alone are its state and their
    moving average is a generator too.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        channels = widths(size)
        self.first = nn.Linear(LATENT, channels[0] * START**2)
        # Doubling and filtering in one costs less than half of filtering what was doubled.
        self.blocks = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1)
            for coarse, fine in pairwise(channels)
        )
        self.last = nn.Conv2d(channels[-1], 1, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Return (N, 1, size, size) float images in [-1, 1] for (N, LATENT) float vectors."""
        maps = _scaled(self.first(latent).unflatten(1, (-1, START, START)))
        for block in self.blocks:
            maps = _scaled(block(maps))
        return torch.tanh(self.last(maps))


class Discriminator(nn.Module):
    """Tells real images from generated ones; spectral norm keeps it smooth.

    After Miyato et al. 2018, https://openreview.net/forum?id=B1QRgziT-.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        channels = widths(size)[::-1]
        self.first = spectral_norm(nn.Conv2d(1, channels[0], 3, padding=1))
        self.blocks = nn.ModuleList(
            spectral_norm(nn.Conv2d(fine, coarse, 4, stride=2, padding=1))
            for fine, coarse in pairwise(channels)
        )
        self.last = spectral_norm(nn.Linear(channels[-1] * START**2, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return (N,) scores, higher for real, of (N, 1, size, size) float images in [-1, 1]."""
        maps = leaky_relu(self.first(images), SLOPE)
        for block in self.blocks:
            maps = leaky_relu(block(maps), SLOPE)
        scores: Tensor = self.last(maps.flatten(1))
        return scores[:, 0]


def _scaled(maps: Tensor) -> Tensor:
    maps = leaky_relu(maps, SLOPE)
    return maps * torch.rsqrt(maps.square().mean(1, keepdim=True) + 1e-8)
