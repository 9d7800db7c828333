"""The small CNN: the encoder of an autoencoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import mse_loss


class Autoencoder(nn.Module):
    """Convolutions of 3 x 3 with pooling, and their mirror; the maps between lie in (0, 1).

    Attributes:
        encoder: turns (B, 1, S, S) greys into (B, C, S / 2^L, S / 2^L) maps, L layers.
        decoder: turns the maps into greys.
    """

    def __init__(self, filters: tuple[int, ...]) -> None:
        """Build both halves with fresh weights.

        Args:
            filters: channels of each of the L layers; the last are the maps'.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((1, *filters), filters, strict=False):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        layers[-2] = nn.Sigmoid()
        self.encoder = nn.Sequential(*layers)
        layers = []
        for inputs, outputs in zip(filters[::-1], (*filters[-2::-1], 1), strict=True):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)]
            layers += [nn.ReLU()]
        layers[-1] = nn.Sigmoid()
        self.decoder = nn.Sequential(*layers)

    def loss(self, views: Tensor) -> Tensor:
        """Return the mean squared error with which (B, V, S, S) views come back."""
        greys = views.flatten(0, 1).unsqueeze(1)
        return mse_loss(self.decoder(self.encoder(greys)), greys)

    def maps(self, views: Tensor) -> Tensor:
        """Turn (B, V, S, S) views into the maps of each, (B, V, C, s, s)."""
        maps: Tensor = self.encoder(views.flatten(0, 1).unsqueeze(1))
        return maps.view(*views.shape[:2], *maps.shape[1:])
