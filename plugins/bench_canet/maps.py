"""Token maps of images at several depths of a frozen backbone, brought to one grid."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from harness.method import Tools

AT_ONCE = 256  # images whose maps are averaged at a time; the spreads are those of the first ones


class TokenMaps:
    """Maps of N images at L depths, all on a grid of ``side`` x ``side`` positions.

    Attributes:
        side: of the coarsest depth; finer maps are averaged over neighbouring positions.
        channels: of each depth.
        spreads: standard deviation of each channel, (D,) for each depth, on the device.
    """

    def __init__(self, depths: Sequence[NDArray[Any]], tools: Tools) -> None:
        """Take (N, T, D) float32 maps of each depth, square ones; D and T may differ.

        Maps that have the grid already stay memory-mapped.
        """
        sides = [isqrt(maps.shape[1]) for maps in depths]
        self.side = min(sides)
        self.channels = [maps.shape[2] for maps in depths]
        if max(sides) > self.side:
            finer = ", ".join(f"{side} x {side}" for side in sides if side > self.side)
            tools.log(f"maps of {finer} positions are averaged to {self.side} x {self.side}")
        self._depths = [_averaged(maps, self.side) for maps in depths]
        self._device = tools.device
        self.spreads = [
            torch.from_numpy(maps[:AT_ONCE].std((0, 1))).to(self._device) for maps in self._depths
        ]

    def __call__(self, rows: Tensor) -> list[Tensor]:
        """Return the maps of some images, (B, side * side, D) for each depth, on the device."""
        chosen = rows.cpu().numpy()
        return [torch.from_numpy(maps[chosen]).to(self._device) for maps in self._depths]


def _averaged(maps: NDArray[Any], side: int) -> NDArray[Any]:
    """Return (N, T, D) maps on a grid of side x side, as means of neighbouring positions."""
    own = isqrt(maps.shape[1])
    if own == side:
        return maps
    averaged = np.empty((len(maps), side * side, maps.shape[2]), np.float32)
    for start in range(0, len(maps), AT_ONCE):
        part = torch.from_numpy(np.array(maps[start : start + AT_ONCE]))
        planes = part.mT.reshape(len(part), -1, own, own)
        averaged[start : start + AT_ONCE] = adaptive_avg_pool2d(planes, side).flatten(2).mT.numpy()
    return averaged
