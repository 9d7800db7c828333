"""What a pool of generated images makes of an image: its direction under a model of the pool.

The pool is taken for Gaussian, with a covariance shrunk as Ledoit and Wolf (A well-conditioned
estimator for large-dimensional covariance matrices, 2004) find best from the pool alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.method import ImageSet

Rows = NDArray[np.float32]  # (N, D)

CONDITION = 1e6  # of a covariance whose smallest eigenvalues are raised, at most


class PoolModel:
    """A Gaussian model of a pool; called with images, it gives their directions."""

    def __init__(self, pool: Sequence[ImageSet], side: int) -> None:
        """Learn from all images of ``pool``, brought to ``side`` x ``side`` pixels."""
        from sklearn.covariance import ledoit_wolf

        self._side = side
        self._pool = np.concatenate([self._rows(images) for images in pool])
        covariance, _ = ledoit_wolf(self._pool.astype(np.float64))
        values, self._axes = np.linalg.eigh(covariance)
        self._values = values.clip(max(values[-1] / CONDITION, np.finfo(np.float32).eps ** 2))
        self._mean = self._pool.mean(0)

    def __call__(self, images: ImageSet, power: float) -> Rows:
        """Return, (N, side * side), where images point from the pool's mean; nought for itself.

        Args:
            images: N of them, of any size.
            power: of the inverse of the covariance that scales a product of two images: 0 compares
                them as they are, 1 whitens.
        """
        return self._directions(self._rows(images), power)

    def of_pool(self, power: float) -> Rows:
        """Return the same of the images that it was learnt from, in their order."""
        return self._directions(self._pool, power)

    def _directions(self, rows: Rows, power: float) -> Rows:
        scaled = (rows - self._mean) @ (self._axes * self._values ** (-power / 2))
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        pointed = np.divide(scaled, lengths, out=np.zeros_like(scaled), where=lengths > 0)
        return np.asarray(pointed, np.float32)

    def _rows(self, images: ImageSet) -> Rows:
        rows: Rows = images.tensor(self._side).flatten(1).numpy()
        return rows
