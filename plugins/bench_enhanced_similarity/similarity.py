"""How alike the features of two images are: cosine, Jaccard index, structural similarity.

Features of N images are (N, V, ...), those of the V views of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from harness.method import Tools

Features = NDArray[np.float32]

NUMBERS_AT_ONCE = 2**24  # of the maps that are compared in one go

# Wang et al., 2004, for maps that range from 0 to 1.
LUMINANCE, CONTRAST = 0.01**2, 0.03**2


def unit(features: Features) -> Features:
    """Return (N, V·D) vectors in which each view has length 1.

    The cosine of two of them is the mean of their views' cosines.
    """
    flat = features.reshape(*features.shape[:2], -1)
    lengths = np.linalg.norm(flat, axis=2, keepdims=True).clip(np.finfo(np.float32).tiny)
    rows: Features = (flat / lengths).reshape(len(flat), -1)
    return rows


def on_per_view(features: Features, share: float) -> int:
    """Return how many features of a view are on in :func:`binarised`, at least one."""
    return max(1, round(share * int(np.prod(features.shape[2:]))))


def binarised(features: Features, share: float) -> Features:
    """Return (N, V·D) zeros and ones: on are the largest features of each view.

    Args:
        features: (N, V, ...), D of a view; of equal ones the first are taken.
        share: of them that is on.
    """
    flat = features.reshape(*features.shape[:2], -1)
    order = np.argsort(-flat, axis=2, kind="stable")[..., : on_per_view(features, share)]
    bits = np.zeros_like(flat)
    np.put_along_axis(bits, order, 1, axis=2)
    return bits.reshape(len(bits), -1)


def jaccard(common: Features, on: int) -> Features:
    """Return the Jaccard index of two vectors with ``on`` ones each, given the common ones."""
    index: Features = common / (2 * on - common)
    return index


def structural_similarities(
    asked: Features, pool: Features, near: NDArray[np.intp], window: int, tools: Tools
) -> Features:
    """Return the mean SSIM of each image's maps with those of its K candidates, (N, K).

    Args:
        asked: (N, V, C, s, s) maps in [0, 1].
        pool: (M, V, C, s, s) of the pool.
        near: (N, K) rows of the pool.
        window: side of the local windows, in positions of the maps.
        tools: of the cell.
    """
    offered = LocalMaps.of(pool, window, tools.device)
    step = max(1, NUMBERS_AT_ONCE // (near.shape[1] * int(np.prod(pool.shape[1:]))))
    parts = []
    for start in tools.progress(range(0, len(asked), step), "structural similarity"):
        candidates = torch.from_numpy(near[start : start + step])
        mine = LocalMaps.of(asked[start : start + step], window, tools.device)
        one = mine.at(torch.arange(len(candidates)).repeat_interleave(near.shape[1]))
        parts.append(ssim(one, offered.at(candidates.flatten())).view(candidates.shape).cpu())
    return torch.cat(parts).numpy()


@dataclass(frozen=True, eq=False)
class LocalMaps:
    """Maps, and what is in each window of them.

    Attributes:
        maps: (N, C, s, s).
        mean: (N, C, t, t) of each window that lies inside.
        variance: of each window, in the same shape.
        window: side of a window.
    """

    maps: Tensor
    mean: Tensor
    variance: Tensor
    window: int

    @classmethod
    def of(cls, features: Features, window: int, device: str) -> LocalMaps:
        """Take (N, V, C, s, s) features."""
        maps = torch.from_numpy(features).to(device).flatten(1, 2)
        mean = local_mean(maps, window)
        return cls(maps, mean, local_mean(maps.square(), window) - mean.square(), window)

    def at(self, rows: Tensor) -> LocalMaps:
        """Return the maps at some rows."""
        rows = rows.to(self.maps.device)
        return LocalMaps(self.maps[rows], self.mean[rows], self.variance[rows], self.window)


def ssim(one: LocalMaps, other: LocalMaps) -> Tensor:
    """Return the mean structural similarity index of N pairs of maps, (N,)."""
    mean = one.mean * other.mean
    covariance = local_mean(one.maps * other.maps, one.window) - mean
    luminance = (2 * mean + LUMINANCE) / (one.mean.square() + other.mean.square() + LUMINANCE)
    structure = (2 * covariance + CONTRAST) / (one.variance + other.variance + CONTRAST)
    return (luminance * structure).mean((1, 2, 3))


def local_mean(maps: Tensor, window: int) -> Tensor:
    """Return the mean of each window that lies inside, one side after the other."""
    return avg_pool2d(avg_pool2d(maps, (window, 1), 1), (1, window), 1)
