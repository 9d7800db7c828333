"""Which reals a generated image is drawn to, and the views in which images are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from harness.method import ImageSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESIZED = 256 / 224  # side before the centre crop over side after it


def cosines(queries: NDArray[np.float32], others: NDArray[np.float32]) -> torch.Tensor:
    """Return the cosine similarity of each of (N, D) rows with each of (M, D), (N, M) float32."""
    left, right = (functional.normalize(torch.tensor(rows)) for rows in (queries, others))
    return left @ right.T


def positive_pools(similarity: torch.Tensor, threshold: float, least: int) -> torch.Tensor:
    """Return which reals may be drawn as positives of each generated image (section 3).

    Args:
        similarity: (G, U) of each generated image with each used real.
        threshold: reals at least so similar are in.
        least: where they are fewer, the ``least`` most similar ones are taken instead.

    Returns:
        (G, U) bool, at least ``least`` true in every row.
    """
    pools = similarity >= threshold
    nearest = torch.zeros_like(pools).scatter_(1, similarity.topk(least, dim=1).indices, True)
    short = pools.sum(1, keepdim=True) < least
    return torch.where(short, nearest, pools)


def draw(pools: torch.Tensor, count: int) -> torch.Tensor:
    """Draw ``count`` different columns from each row of (B, N) bool; return (B, count) int64."""
    return torch.multinomial(pools.float(), count)


class Views:
    """Images at one side length: augmented for training, centred for testing.

    Args:
        side: in pixels.
        device: where the views are put.
    """

    def __init__(self, side: int, device: str) -> None:
        from torchvision.transforms import v2

        self.side, self.device = side, device
        self._augment = v2.Compose(
            [
                v2.RandomResizedCrop(side, scale=(0.5, 1.0)),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.4, 0.4, 0.2, 0.1),
            ]
        )

    def augmented(self, images: ImageSet) -> torch.Tensor:
        """Return (N, 1, side, side) greys in [0, 1], each augmented by draws of its own."""
        return torch.stack([self._augment(image) for image in images.tensor(device=self.device)])

    def centred(self, images: ImageSet) -> torch.Tensor:
        """Return (N, 1, side, side) greys in [0, 1]: resized, and the border cut off."""
        resized = images.tensor(round(self.side * RESIZED), device=self.device)
        margin = (resized.shape[-1] - self.side) // 2
        return resized[..., margin : margin + self.side, margin : margin + self.side]
