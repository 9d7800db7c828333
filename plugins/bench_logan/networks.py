"""The networks: a perceptron, and a deep convolutional GAN (Radford et al., DCGAN, ICLR 2016)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

LATENT = 100  # length of the vector that a generator turns into an image
START = 4  # pixels of the map that the generator begins with


def perceptron(width: int, hidden: int) -> nn.Sequential:
    """Return two hidden layers on ``width`` numbers, with one logit."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1),
        nn.Flatten(0),
    )


class GAN(nn.Module):
    """A generator and a discriminator of images of ``side`` pixels."""

    def __init__(self, side: int, channels: int) -> None:
        """Build both.

        Args:
            side: 4 times a power of two.
            channels: of the maps of half the side; doubled with every halving.
        """
        super().__init__()
        doublings = int(math.log2(side // START))
        widths = [channels * 2**step for step in range(doublings)]
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(LATENT, widths[-1], START, bias=False),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
            *(
                layer
                for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
                for layer in (
                    nn.ConvTranspose2d(coarse, fine, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(fine),
                    nn.ReLU(),
                )
            ),
            nn.ConvTranspose2d(widths[0], 1, 4, 2, 1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, widths[0], 4, 2, 1),
            nn.LeakyReLU(0.2),
            *(
                layer
                for fine, coarse in pairwise(widths)
                for layer in (
                    nn.Conv2d(fine, coarse, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(coarse),
                    nn.LeakyReLU(0.2),
                )
            ),
            nn.Conv2d(widths[-1], 1, START),
            nn.Flatten(0),
        )
        self.apply(_initialise)

    def loss(self, images: Tensor) -> Tensor:
        """Return what both descend, of (B, 1, side, side) images in [-1, 1].

        The discriminator's part holds the made images constant, the generator's part the
        discriminator, so each gets the gradient of its own loss alone.
        """
        made = self.generator(torch.randn(len(images), LATENT, 1, 1, device=images.device))
        real, fake = self.discriminator(images), self.discriminator(made.detach())
        constant = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        fooled = functional_call(self.discriminator, constant, (made,))
        ones, noughts = torch.ones_like(real), torch.zeros_like(fake)
        return (
            cross_entropy(real, ones) + cross_entropy(fake, noughts) + cross_entropy(fooled, ones)
        )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
