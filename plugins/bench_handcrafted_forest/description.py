"""What is measured of an image: the latent vector and the handcrafted features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench_handcrafted_forest.autoencoder import LATENT, Autoencoder, rgb
from bench_handcrafted_forest.features import FEATURES, handcrafted
from harness.method import Tools

NAMES = (*(f"latent_{number}" for number in range(LATENT)), *FEATURES)  # of the 560 features
CHUNK = 32  # images at a time, for memory

Pixels = NDArray[np.uint8]  # (N, side, side)


@dataclass(frozen=True, eq=False)
class Description:
    """N images and what is measured of them.

    Attributes:
        pixels: (N, side, side) uint8.
        features: (N, 560) float64, the latent vector and then the handcrafted features.
    """

    pixels: Pixels
    features: NDArray[np.float64]

    @property
    def latent(self) -> NDArray[np.float64]:
        """The (N, 512) latent vectors."""
        return self.features[:, :LATENT]

    def __getitem__(self, rows: NDArray[Any]) -> Description:
        """Return the description of the images at ``rows``."""
        return Description(self.pixels[rows], self.features[rows])


def describe(pixels: Pixels, network: Autoencoder, tools: Tools) -> Description:
    """Describe images by a trained network and by the handcrafted features."""
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        waiting = [threads.submit(handcrafted, chunk) for chunk in _chunks(pixels)]
        crafted = [done.result() for done in tools.progress(waiting, "handcrafted features")]
    latent = _per_image(network.encoder, pixels, tools)
    return Description(pixels, np.hstack([latent, np.concatenate(crafted)]))


def reconstruction_errors(
    pixels: Pixels, network: Autoencoder, tools: Tools
) -> NDArray[np.float64]:
    """Return the mean squared error with which each image is reconstructed, (N,), of [0, 1]."""
    return _per_image(lambda rgb: (network(rgb) - rgb).square().mean((1, 2, 3)), pixels, tools)


@torch.inference_mode()
def _per_image(
    measure: Callable[[torch.Tensor], torch.Tensor], pixels: Pixels, tools: Tools
) -> NDArray[np.float64]:
    parts = (measure(rgb(torch.from_numpy(part), tools.device)) for part in _chunks(pixels))
    return torch.cat([part.cpu() for part in parts]).double().numpy()


def _chunks(pixels: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(pixels), CHUNK):
        yield pixels[start : start + CHUNK]
