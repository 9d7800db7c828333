"""The networks of Neural Nexus: a ViT and a convolutional encoder, and a decoder for each.

Images are (B, 1, S, S) float in [-1, 1]. Shapes in comments and docstrings are those of the paper,
S = 256.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import VisionTransformer


def vit_side(side: int) -> int:
    """Return the side that the transformer sees of images of ``side`` pixels: 224 of 256."""
    return side * 224 // 256


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 with batch norm, beside a skip of 1 x 1 where channels change."""

    def __init__(self, inputs: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1),
            nn.Dropout2d(dropout),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, outputs, H, W)."""
        activated: Tensor = self.activation(self.body(maps) + self.skip(maps))
        return activated


class Encoder(nn.Module):
    """What turns images into latent vectors.

    Attributes:
        width: length D of a latent vector.
    """

    width: int

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Turn (B, 1, S, S) images into (B, D) latent vectors."""


class Classifier(nn.Module):
    """An encoder and a linear layer to classes, for pre-training."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, S, S) images into (B, classes) logits."""
        logits: Tensor = self.head(self.encoder.features(images))
        return logits


class ViTEncoder(Encoder):
    """ViT-B/16 with random weights, its head a projection of the class token (section 3.1)."""

    def __init__(
        self, *, side: int, patch: int, depth: int, heads: int, width: int, latent: int
    ) -> None:
        super().__init__()
        self.side, self.width = vit_side(side), latent
        self.adapter = nn.Conv2d(1, 3, 1)
        self.vit = VisionTransformer(self.side, patch, depth, heads, width, 4 * width)
        self.vit.heads = nn.Identity()
        self.projection = nn.Linear(width, latent)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, 256, 256) images into (B, 512) latent vectors."""
        small = interpolate(images, (self.side, self.side), mode="bilinear", align_corners=False)
        latent: Tensor = self.projection(self.vit(self.adapter(small)))
        return latent

    def features(self, images: Tensor) -> Tensor:
        """Return the latent vectors, (B, 512)."""
        latent: Tensor = self(images)
        return latent


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)


class ViTDecoder(nn.Module):
    """Residual blocks and transposed convolutions from a latent vector up to the image."""

    def __init__(self, *, side: int, latent: int) -> None:
        super().__init__()
        self.start = side // 32
        self.projection = nn.Sequential(nn.Linear(latent, 256 * self.start**2), nn.ReLU())
        self.ladder = nn.Sequential(
            _doubling(256, 256),  # 16 x 16
            ResidualBlock(256, 128),
            ResidualBlock(128, 64),
            _doubling(64, 64),  # 32 x 32
            ResidualBlock(64, 32),
            _doubling(32, 16),  # 64 x 64
            ResidualBlock(16, 16),
            _doubling(16, 8),  # 128 x 128
            _doubling(8, 1),  # 256 x 256
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Turn (B, 512) latent vectors into (B, 1, 256, 256) images."""
        maps = self.projection(latent).unflatten(1, (256, self.start, self.start))
        images: Tensor = self.ladder(maps)
        return images


class ConvolutionalEncoder(Encoder):
    """Four residual blocks with batch norm and dropout, each followed by pooling (section 3.2)."""

    def __init__(self, *, filters: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.width = filters[-1]
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((1, *filters), filters, strict=False):
            blocks += [ResidualBlock(inputs, outputs, dropout), nn.MaxPool2d(2)]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 1, 256, 256) images into (B, 256, 16, 16) maps."""
        maps: Tensor = self.blocks(images)
        return maps

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the maps, (B, 256)."""
        latent: Tensor = self(images).mean((2, 3))
        return latent


class ConvolutionalDecoder(nn.Module):
    """The mirror of :class:`ConvolutionalEncoder`: doubling, then a residual block, four times."""

    def __init__(self, *, filters: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        mirrored = filters[::-1]
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((mirrored[0], *mirrored), mirrored, strict=False):
            blocks += [nn.Upsample(scale_factor=2), ResidualBlock(inputs, outputs, dropout)]
        self.blocks = nn.Sequential(*blocks, nn.Conv2d(mirrored[-1], 1, 3, padding=1), nn.Tanh())

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, 256, 16, 16) maps into (B, 1, 256, 256) images."""
        images: Tensor = self.blocks(maps)
        return images


class Autoencoder(nn.Module):
    """An encoder and a decoder in a row."""

    def __init__(self, encoder: Encoder, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, 1, S, S) images back as the decoder sees them."""
        reconstruction: Tensor = self.decoder(self.encoder(images))
        return reconstruction


def errors(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the mean squared error of each image, (B,)."""
    return torch.square(images - reconstructions).mean((1, 2, 3))
