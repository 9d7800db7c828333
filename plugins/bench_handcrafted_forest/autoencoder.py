"""The residual autoencoder of section 3.3.1, for square RGB images in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import l1_loss

from harness.learning import train
from harness.method import Tools

SLOPE = 0.1  # of the leaky units, from the team's notebook
LATENT = 512


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(SLOPE)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with normalisation, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convolution = partial(nn.Conv2d, channels, channels, 3, padding=1)
        normalisation = partial(nn.BatchNorm2d, channels, eps=1e-3)
        self.branch = nn.Sequential(
            convolution(), normalisation(), _leaky(), convolution(), normalisation()
        )
        self.leaky = _leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the shape of ``x``."""
        out: torch.Tensor = self.leaky(x + self.branch(x))
        return out


class Autoencoder(nn.Module):
    """Four strided stages down to a latent vector, a dense layer and three stages up again.

    Args:
        side: of the images in pixels, a multiple of 8; the decoder starts at an eighth of it.
        width: channels of the first stage; the others have 2, 4 and 8 times as many.
        rectified: whether a ReLU follows the latent layer.
    """

    def __init__(self, side: int = 128, width: int = 32, rectified: bool = False) -> None:
        super().__init__()
        down, up = (width, 2 * width, 4 * width, 8 * width), (4 * width, 2 * width, width)
        start = side // 8
        self.encoder = nn.Sequential(
            *_stages((3, *down), partial(nn.Conv2d, kernel_size=3, stride=2, padding=1)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(down[-1], LATENT),
            nn.ReLU() if rectified else nn.Identity(),
        )
        double = partial(nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1, output_padding=1)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, up[0] * start * start),
            nn.ReLU(),
            nn.Unflatten(1, (up[0], start, start)),
            *_stages((up[0], *up), double),
            nn.ConvTranspose2d(up[-1], 3, 3, padding=1),
            nn.Sigmoid(),
        )
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruct (B, 3, side, side) images in [0, 1]."""
        out: torch.Tensor = self.decoder(self.encoder(x))
        return out


def _stages(channels: tuple[int, ...], change: Callable[[int, int], nn.Module]) -> list[nn.Module]:
    """Return a change of scale and a residual block for each step from channels to channels."""
    return [module for a, b in pairwise(channels) for module in (change(a, b), ResidualBlock(b))]


def _initialise(module: nn.Module) -> None:
    """Give a layer the weights that its counterpart in Keras, the paper's library, starts with."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        assert module.bias is not None
        nn.init.zeros_(module.bias)


def rgb(grey: torch.Tensor, device: str) -> torch.Tensor:
    """Return (N, H, W) uint8 images as (N, 3, H, W) float32 in [0, 1] on the device."""
    return grey.to(device).float().div(255).unsqueeze(1).expand(-1, 3, -1, -1)


def train_autoencoder(
    network: Autoencoder,
    pixels: NDArray[np.uint8],
    *,
    batch: int,
    epochs: int,
    learning_rate: float,
    tools: Tools,
) -> None:
    """Train a network to reconstruct (N, side, side) images: mean absolute error, Adam."""
    grey = torch.from_numpy(pixels)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        images = rgb(grey[rows], tools.device)
        return l1_loss(network(images), images)

    train(
        loss,
        images=len(grey),
        batch=batch,
        epochs=epochs,
        optimiser=torch.optim.Adam(network.parameters(), learning_rate),
        networks={"autoencoder": network},
        tools=tools,
        what="autoencoder",
    )
