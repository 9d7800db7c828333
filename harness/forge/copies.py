"""Planted copies: training images as a generator that leaks would give them back."""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

WAVES = 8  # a warp bends over about this part of the side


@dataclass(frozen=True)
class Fidelity:
    """How much a copy differs from its original; all zeros makes it equal.

    Raises:
        ValueError: A value is negative or not finite.
    """

    blur: float = 0.0  # sd of a Gaussian, in pixels
    noise: float = 0.0  # sd of white noise, in grey levels
    gain: float = 0.0  # relative sd of one factor per image on the contrast round its mean
    warp: float = 0.0  # sd of a smooth displacement, in pixels
    crop: float = 0.0  # largest share of the side that is cut away before stretching the rest

    def __post_init__(self) -> None:
        if not all(np.isfinite(value) and value >= 0 for value in astuple(self)):
            raise ValueError(f"all values must be finite and at least 0, not {self}")
        if self.crop >= 1:
            raise ValueError(f"crop must be less than 1, not {self.crop}")


def degrade(
    images: NDArray[np.uint8], fidelity: Fidelity, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return one degraded copy of every image.

    Args:
        images: (N, H, W) uint8 greys.
        fidelity: How far the copies may be from the originals.
        rng: Source of all that is random. It is drawn from alike at every fidelity, so that two
            fidelities give copies that differ in strength only.

    Returns:
        (N, H, W) uint8 greys, rounded and clipped to 0..255.
    """
    from scipy import ndimage

    copies = images.astype(np.float64)
    gains = 1 + fidelity.gain * rng.standard_normal((len(images), 1, 1))
    noise = fidelity.noise * rng.standard_normal(images.shape)
    if fidelity.warp > 0 or fidelity.crop > 0:
        copies = _moved(copies, fidelity, rng)
    if fidelity.blur > 0:
        copies = ndimage.gaussian_filter(copies, (0, fidelity.blur, fidelity.blur), mode="nearest")
    means = copies.mean(axis=(1, 2), keepdims=True)
    copies = means + gains * (copies - means) + noise
    return np.asarray(np.rint(copies.clip(0, 255)), np.uint8)


def _moved(
    images: NDArray[np.float64], fidelity: Fidelity, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cut a random square out of every image, stretch it to full size and warp it smoothly."""
    from scipy import ndimage

    shape = images.shape[1:]
    sides, grid = np.array(shape), np.indices(shape).astype(np.float64)
    moved = np.empty_like(images)
    for copy, image in zip(moved, images, strict=True):
        cut = fidelity.crop * rng.uniform()
        corner = cut * rng.uniform(size=2) * (sides - 1)
        field = rng.standard_normal((2, *shape))
        smooth = ndimage.gaussian_filter(field, (0, *sides / WAVES), mode="nearest")
        places = corner[:, None, None] + (1 - cut) * grid + fidelity.warp * smooth / smooth.std()
        ndimage.map_coordinates(image, places, copy, order=1, mode="nearest")
    return moved
