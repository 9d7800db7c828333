"""Images as they are, made smaller: features without a network or what it imports."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import interpolate

from harness.features.extractor import POOL


class PixelExtractor:
    """Grey values in [0, 1], reduced with antialiasing so that no side exceeds ``side``."""

    precision = "fp32"
    layers: tuple[str, ...] = (POOL,)
    independent = True
    footprint = 2**20

    def __init__(self, side: int) -> None:
        self.side = side
        self.preprocessing = f"grey/255, at most {side} x {side} by antialiased bilinear reduction"

    def __call__(self, pixels: torch.Tensor, layers: Sequence[str] = (POOL,)) -> list[torch.Tensor]:
        """Turn (B, H, W) uint8 into (B, h * w) float32."""
        return [reduced(pixels.float() / 255, self.side).flatten(1)]


def reduced(grey: torch.Tensor, side: int) -> torch.Tensor:
    """Return (B, H, W) images with no side above ``side``, by antialiased reduction."""
    height, width = (min(length, side) for length in grey.shape[-2:])
    if grey.shape[-2:] == (height, width):
        return grey
    size = (height, width)
    return interpolate(grey.unsqueeze(1), size, mode="bilinear", antialias=True).squeeze(1)
