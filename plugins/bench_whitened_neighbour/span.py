"""How much of an image its nearest ones explain together.

Of several that are nearly alike each adds little, and of one that is a copy nothing is taken away,
as a mean over the nearest would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench_whitened_neighbour.whitening import Rows
from harness.method import Tools

CHUNK = 256  # images at a time


def explained(images: Rows, others: Rows, nearest: int, tools: Tools) -> NDArray[np.float64]:
    """Return (N,) shares of ``images`` that their ``nearest`` rows of ``others`` explain.

    That is b'(G + I)^-1 b, where b holds an image's products with those rows and G theirs with each
    other: the part of a ridge regression, or by how much they narrow a Gaussian process (Rasmussen
    and Williams, Gaussian processes for machine learning, 2006, section 2.2).

    Args:
        images: (N, D) of length 1.
        others: (M, D) of length 1; all of them explain where M is less than ``nearest``.
        nearest: how many rows explain an image; 0 explain nothing of it.
        tools: of the cell.
    """
    k = min(nearest, len(others))
    if not k:
        return np.zeros(len(images))
    near, which = tools.neighbours(images, others, "dot", k)
    shares = np.empty(len(images))
    for start in range(0, len(images), CHUNK):
        rows = slice(start, start + CHUNK)
        rivals, b = others[which[rows]], near[rows, :, None].astype(np.float64)
        products = (rivals @ rivals.transpose(0, 2, 1)).astype(np.float64)
        shares[rows] = (b * np.linalg.solve(products + np.eye(k), b)).sum((1, 2))
    return shares
