"""What is measured of an image: its latent vector, its reconstruction, its handcrafted features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import mse_loss

from bench_handcrafted_forest.autoencoder import LATENT, Autoencoder, rgb
from bench_handcrafted_forest.features import FEATURES, handcrafted
from harness.method import Tools

NAMES = (*(f"latent_{number}" for number in range(LATENT)), *FEATURES)  # of the 560 features
CHUNK = 64  # images at a time, for memory


@dataclass(frozen=True, eq=False)
class Description:
    """What is measured of N images.

    Attributes:
        features: (N, 560) float64, the latent vector and then the handcrafted features.
        error: (N,) float64, mean squared error of the reconstruction on the scale of [0, 1].
    """

    features: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def latent(self) -> NDArray[np.float64]:
        """The (N, 512) latent vectors."""
        return self.features[:, :LATENT]

    def __getitem__(self, rows: NDArray[Any]) -> Description:
        """Return the description of the images at ``rows``."""
        return Description(self.features[rows], self.error[rows])

    @classmethod
    def joined(cls, parts: Iterable[Description]) -> Description:
        """Return the description of several sets of images as one."""
        features, errors = zip(*((part.features, part.error) for part in parts), strict=True)
        return cls(np.concatenate(features), np.concatenate(errors))


@torch.inference_mode()
def describe(pixels: NDArray[np.uint8], network: Autoencoder, tools: Tools) -> Description:
    """Describe (N, side, side) images by a trained network and by the handcrafted features."""
    parts = []
    for start in tools.progress(range(0, len(pixels), CHUNK), "features"):
        chunk = pixels[start : start + CHUNK]
        images = rgb(torch.from_numpy(chunk), tools.device)
        latent = network.encoder(images)
        error = mse_loss(network.decoder(latent), images, reduction="none").mean((1, 2, 3))
        features = np.hstack([latent.cpu().numpy(), handcrafted(chunk)])
        parts.append(Description(features, error.cpu().numpy().astype(float)))
    return Description.joined(parts)
