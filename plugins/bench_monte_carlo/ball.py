"""Distances to generated images, and what those inside a ball come to."""

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.method import Tools

Form = Literal["count", "log", "ratio"]
NEAREST = 1e-6  # of the radius: no image counts as nearer, so that what a copy weighs is finite
PAIRS = 2**22  # distances that are held at once


def distances(
    points: NDArray[np.float64], samples: NDArray[np.float64], tools: Tools
) -> Iterator[NDArray[np.float64]]:
    """Yield the (n, M) Euclidean distances of some points at a time to all samples."""
    from scipy.spatial.distance import cdist

    step = max(1, PAIRS // len(samples))
    for start in tools.progress(range(0, len(points), step), "distances"):
        yield cdist(points[start : start + step], samples)


def lowest(blocks: Iterable[NDArray[np.float64]], rank: int) -> float:
    """Return the distance at a rank from 1 among all of some blocks, in bounded memory."""
    kept = np.empty(0)
    for block in blocks:
        kept = np.concatenate([kept, block.ravel()])
        if len(kept) > rank:
            kept = np.partition(kept, rank - 1)[:rank]
    return float(kept.max())


def weight(block: NDArray[np.float64], radius: float, form: Form) -> NDArray[np.float64]:
    """Return the mean weight of the samples around each point.

    Args:
        block: (n, M) distances.
        radius: of the ball; what lies outside weighs nothing.
        form: what lies inside weighs 1 (``count``), minus the logarithm of its distance in radii
            (``log``), or the radius over its distance (``ratio``).

    Returns:
        (n,) means over all M samples.
    """
    inside = block <= radius
    relative = np.clip(block / (radius or 1.0), NEAREST, None)
    weights = {"count": inside, "log": -np.log(relative), "ratio": 1 / relative}
    means: NDArray[np.float64] = np.where(inside, weights[form], 0.0).mean(1)
    return means
