"""What a pool of generated images leaves unexplained in an image, band by band.

An image is divided into bands of spatial frequency (Burt and Adelson, The Laplacian pyramid,
1983). In each of them the pool is taken for Gaussian: its covariance, shrunk as Ledoit and Wolf
(2004) find best from the pool alone, whitens the band, and what counts of an image is the direction
that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.method import ImageSet

Rows = NDArray[np.float32]  # (N, D)

CONDITION = 1e6  # of a covariance whose smallest eigenvalues are raised, at most


def bands(images: ImageSet, sides: Sequence[int]) -> list[Rows]:
    """Divide images into bands: what each resolution adds to the next coarser; then the coarsest.

    Args:
        images: N of them, of any size; they are first brought to the finest resolution.
        sides: of the resolutions in pixels, descending.

    Returns:
        For each side one (N, side * side) array.
    """
    from torch.nn.functional import interpolate

    parts, finer = [], images.tensor(sides[0])
    for side in sides[1:]:
        size = (side, side)
        coarser = interpolate(finer, size, mode="bilinear", antialias=True, align_corners=False)
        back = interpolate(coarser, finer.shape[-2:], mode="bilinear", align_corners=False)
        parts.append((finer - back).flatten(1).numpy())
        finer = coarser
    return [*parts, finer.flatten(1).numpy()]


class Whitening:
    """Gaussian models of a pool, one a band; called with images, it gives their directions.

    Attributes:
        widths: numbers of columns of each band in what it gives.
    """

    def __init__(self, pool: Sequence[ImageSet], sides: Sequence[int]) -> None:
        """Learn from all images of ``pool``; ``sides`` as in :func:`bands`."""
        self.sides = tuple(sides)
        parts = zip(*(bands(images, sides) for images in pool), strict=True)
        self._models = [_gaussian(np.concatenate(part)) for part in parts]
        self.widths = [len(mean) for mean, _ in self._models]

    def __call__(self, images: ImageSet) -> Rows:
        """Return, (N, sum of widths), the whitened bands in a row, each of length 1.

        So the product of two rows is the sum of their cosines in all bands.
        """
        parts = zip(bands(images, self.sides), self._models, strict=True)
        return np.hstack([_directions(band, *model) for band, model in parts])

    def weights(self, tilt: float) -> Rows:
        """Return, (sum of widths,), 1 in the finest band and 2**tilt times as much in each next."""
        return np.repeat(2.0 ** (tilt * np.arange(len(self.widths))), self.widths).astype(
            np.float32
        )


def _gaussian(pool: Rows) -> tuple[Rows, Rows]:
    """Return the mean (D,) of a pool and the (D, D) root of its inverse covariance."""
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(pool.astype(np.float64))
    values, axes = np.linalg.eigh(covariance)
    values = values.clip(max(values[-1] / CONDITION, np.finfo(np.float32).eps ** 2))
    whitens: NDArray[Any] = (axes / np.sqrt(values)) @ axes.T
    return pool.mean(0), whitens.astype(np.float32)


def _directions(band: Rows, mean: Rows, whitens: Rows) -> Rows:
    """Return where (N, D) rows point from the mean, whitened; nought for the mean itself."""
    rows = (band - mean) @ whitens
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    pointed: Rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return pointed
