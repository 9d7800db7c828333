"""How alike two images are to a discriminator: the overlap of what it attends to in them."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from harness.method import ImageSet, Tools

TINY = 1e-6  # a deviation of overlaps below this is rounding


class Overlap:
    """Overlap of images' attention with that of a pool, by the measure of the pool itself.

    Two discriminators differ in how much everything overlaps. So an overlap is given in standard
    deviations above the mean of those that the generated images have among themselves; what is
    learnt with one discriminator then holds for another.
    """

    def __init__(
        self,
        attend: Callable[[ImageSet], NDArray[np.float32]],
        pool: ImageSet,
        nearest: int | None,
        tools: Tools,
    ) -> None:
        """Look at the pool.

        Args:
            attend: turns images into rows as :func:`attention` makes them.
            pool: generated images.
            nearest: how many of them count, those of largest overlap; ``None``: all.
            tools: of the cell.
        """
        self.attend, self.nearest, self.tools = attend, nearest, tools
        self.offered = attend(pool)
        among = self._plain(self.offered, spared=min(1, len(pool) - 1))
        self.mean, self.deviation = among.mean(), max(among.std(), TINY)

    def __call__(self, images: ImageSet) -> NDArray[np.float64]:
        """Return the (N,) overlaps of images that are not of the pool."""
        above = self._plain(self.attend(images)) - self.mean
        overlaps: NDArray[np.float64] = above / self.deviation
        return overlaps

    def _plain(self, rows: NDArray[np.float32], spared: int = 0) -> NDArray[np.float64]:
        """Return (N,) mean overlaps; of the nearest, the first ``spared`` do not count."""
        if self.nearest is None:
            return self.tools.row_statistics(rows, self.offered, "dot").mean
        k = min(self.nearest + spared, len(self.offered))
        values, _ = self.tools.neighbours(rows, self.offered, "dot", k)
        mean: NDArray[np.float64] = values[:, spared:].mean(1, dtype=np.float64)
        return mean


def attention(activations: list[Tensor]) -> Tensor:
    """Turn activation maps into rows whose dot product is the overlap of two images' attention.

    The attention of a layer is the energy at each position, the sum of squares over its channels
    (Zagoruyko and Komodakis, 2017), as a share of all energy. The overlap of two such
    distributions p and q is Bhattacharyya's coefficient, the sum of sqrt(p q): 1 where they are
    the same and 0 where they never meet. That of several layers is the mean.

    Args:
        activations: one or more of (B, C, H, W).

    Returns:
        (B, D) float32, D the positions of all layers.
    """
    norms = [maps.float().square().sum(1).flatten(1).sqrt() for maps in activations]
    unit = torch.cat([normalize(norm) for norm in norms], 1)
    return unit / math.sqrt(len(norms))
