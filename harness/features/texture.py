"""Local binary patterns: texture without a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import local_binary_pattern

from harness.features.extractor import POOL, TOKENS
from harness.features.pixels import reduced

NEIGHBOURS = 8
RADIUS = 2  # pixels
BINS = NEIGHBOURS * (NEIGHBOURS - 1) + 3  # the uniform patterns, and one bin for all others
GRID = 7
SIDE = 256
RULE = (
    f"grey, at most {SIDE} x {SIDE} by antialiased bilinear reduction; uniform local binary "
    f"patterns of {NEIGHBOURS} neighbours at radius {RADIUS}, mirrored at the border, {BINS} bins; "
    f"one histogram that sums to 1 for each of {GRID} x {GRID} cells"
)


class PatternExtractor:
    """Histograms of uniform local binary patterns in the cells of a grid.

    Source: Ahonen, Hadid, Pietikäinen, "Face description with local binary patterns", PAMI 2006:
    LBP with 8 neighbours at radius 2, uniform patterns apart, 7 x 7 windows.
    """

    preprocessing = RULE
    precision = "fp32"
    layers: tuple[str, ...] = (POOL, TOKENS)
    independent = True
    footprint = 2**22

    def __call__(self, pixels: torch.Tensor, layers: Sequence[str] = (POOL,)) -> list[torch.Tensor]:
        """Turn (B, H, W) uint8 into the histograms, (B, 49 * 59), or cell by cell (B, 49, 59)."""
        grey = (reduced(pixels.float() / 255, SIDE) * 255).round().byte().cpu().numpy()
        codes = np.stack([_codes(image) for image in grey])
        cells = torch.from_numpy(_histograms(codes))
        return [cells if layer == TOKENS else cells.flatten(1) for layer in layers]


def _codes(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the pattern at each pixel; beyond the border the image is mirrored."""
    wide = np.pad(image, RADIUS, mode="symmetric")
    codes = local_binary_pattern(wide, NEIGHBOURS, RADIUS, "nri_uniform")
    inner: NDArray[np.int64] = codes[RADIUS:-RADIUS, RADIUS:-RADIUS].astype(np.int64)
    return inner


def _histograms(codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return, (B, 49, 59), how often each pattern occurs in each cell, as a share of the cell."""
    count, height, width = codes.shape
    rows, columns = (np.arange(side) * GRID // side for side in (height, width))
    cell = rows[:, None] * GRID + columns
    place = (np.arange(count)[:, None, None] * GRID**2 + cell) * BINS + codes
    found = np.bincount(place.ravel(), minlength=count * GRID**2 * BINS)
    histograms = found.reshape(count, GRID**2, BINS).astype(np.float32)
    shares: NDArray[np.float32] = histograms / np.maximum(histograms.sum(2, keepdims=True), 1)
    return shares
