"""The networks of VCMI: an encoder to a latent vector and a decoder back to the image.

Images are (B, 1, S, S) float in [-1, 1]. Shapes in comments and docstrings are those of the
published code, S = 256 and 128 latent numbers.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLUs below 0


def _normed(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs)]


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 with batch norm beside a third one as a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normed(inputs, outputs, stride), nn.LeakyReLU(SLOPE), *_normed(outputs, outputs)
        )
        self.shortcut = nn.Sequential(*_normed(inputs, outputs, stride))
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, outputs, H / stride, W / stride)."""
        activated: Tensor = self.activation(self.body(maps) + self.shortcut(maps))
        return activated


def _block(inputs: int, outputs: int, stride: int, residual: bool) -> nn.Module:
    if residual:
        return ResidualBlock(inputs, outputs, stride)
    return nn.Sequential(*_normed(inputs, outputs, stride), nn.LeakyReLU(SLOPE))


class Encoder(nn.Module):
    """Five convolutions that halve the image, the mean over its positions, a linear layer."""

    def __init__(self, latent: int, *, residual: bool = False) -> None:
        """Build an encoder with fresh weights.

        Args:
            latent: length of a latent vector, a multiple of 8; the filters follow from it.
            residual: whether all convolutions but the first are residual blocks.
        """
        super().__init__()
        filters = [latent // 8, latent // 4, latent // 2, latent, 2 * latent]
        self.blocks = nn.Sequential(
            nn.Conv2d(1, filters[0], 3, 2, padding=1),  # 128 x 128
            nn.LeakyReLU(SLOPE),
            *(_block(a, b, 2, residual) for a, b in pairwise(filters)),
        )
        self.projection = nn.Linear(filters[-1], latent)
        self.apply(_glorot)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, 256, 256) images of this or any other side into (B, 128) latent vectors."""
        latent: Tensor = self.projection(self.blocks(images).mean((2, 3)))
        return latent


class Decoder(nn.Module):
    """A linear layer to maps of 16 x 16, then four times doubling and a convolution."""

    def __init__(self, side: int, latent: int, units: int, *, residual: bool = False) -> None:
        """Build a decoder with fresh weights.

        Args:
            side: of the images in pixels, a multiple of 16.
            latent: length of a latent vector.
            units: channels of the first maps, a multiple of 16; each doubling halves them.
            residual: whether all convolutions but the last are residual blocks.
        """
        super().__init__()
        self.shape = (units, side // 16, side // 16)
        filters = [units, units // 2, units // 4, units // 8, units // 16]
        self.projection = nn.Sequential(
            nn.Linear(latent, units * (side // 16) ** 2), nn.LeakyReLU(SLOPE)
        )
        self.ladder = nn.Sequential(
            *(
                nn.Sequential(nn.Upsample(scale_factor=2), _block(a, b, 1, residual))
                for a, b in pairwise(filters)
            ),
            nn.Conv2d(filters[-1], 1, 3, padding=1),
            nn.Tanh(),
        )
        self.apply(_glorot)

    def forward(self, latent: Tensor) -> Tensor:
        """Turn (B, 128) latent vectors into (B, 1, 256, 256) images."""
        images: Tensor = self.ladder(self.projection(latent).unflatten(1, self.shape))
        return images


class Autoencoder(nn.Module):
    """An encoder and a decoder in a row."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, 1, 256, 256) images back as the decoder sees them."""
        reconstructions: Tensor = self.decoder(self.encoder(images))
        return reconstructions


def errors(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the mean squared error of each image, (B,)."""
    return torch.square(images - reconstructions).mean((1, 2, 3))


def _glorot(module: nn.Module) -> None:
    """Start as Keras does: Glorot's uniform weights, no biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        assert module.bias is not None
        nn.init.zeros_(module.bias)
