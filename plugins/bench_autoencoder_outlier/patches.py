"""Patches of images: where they lie, cutting them out and putting others in their place."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """A rectangle in an image, in pixels.

    Attributes:
        rows: from the first row to the one after the last.
        columns: likewise.
    """

    rows: slice
    columns: slice

    @classmethod
    def lower_middle(cls, side: int) -> Self:
        """Return the lower half of the middle columns: rows 128: and columns 64:192 of 256."""
        return cls(slice(side // 2, side), slice(side // 4, side // 4 + side // 2))

    @classmethod
    def drawn(cls, side: int, size: int) -> Self:
        """Return a square of ``size`` pixels somewhere in an image, by torch's generator."""
        top, left = torch.randint(side - size + 1, (2,)).tolist()
        return cls(slice(top, top + size), slice(left, left + size))

    def cut(self, images: Tensor) -> Tensor:
        """Return the patches of (B, 1, S, S) images."""
        return images[..., self.rows, self.columns]

    def replaced(self, images: Tensor, patches: Tensor) -> Tensor:
        """Return a copy of (B, 1, S, S) images with B patches, or one for all, in the window."""
        changed = images.clone()
        changed[..., self.rows, self.columns] = patches
        return changed
