"""Structural similarity of one image with many (Wang et al., 2004)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

WINDOW = 7  # pixels; all of a window count the same
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # of greys in [0, 1]


class Compared:
    """Images of which the means and variances of all windows are known."""

    def __init__(self, greys: Tensor) -> None:
        """Describe (N, 1, S, S) greys in [0, 1]; sample variances, as scikit-image has them."""
        self.window = min(WINDOW, greys.shape[-1])
        self.greys = greys - 0.5  # a covariance is a difference, and large means would drown it
        self.means = self._averaged(self.greys)
        self.variances = self._sample(self._averaged(self.greys.square()) - self.means.square())

    def best(self, one: Tensor) -> Tensor:
        """Return the largest mean structural similarity of (1, S, S) greys with any image."""
        other = Compared(one.unsqueeze(0))
        covariances = self._averaged(self.greys * other.greys) - self.means * other.means
        structure = (2 * self._sample(covariances) + CONTRAST) / (
            self.variances + other.variances + CONTRAST
        )
        a, b = self.means + 0.5, other.means + 0.5
        luminance = (2 * a * b + LUMINANCE) / (a.square() + b.square() + LUMINANCE)
        return (structure * luminance).mean((1, 2, 3)).amax()

    def _averaged(self, maps: Tensor) -> Tensor:
        rows = avg_pool2d(maps, (self.window, 1), stride=1)
        return avg_pool2d(rows, (1, self.window), stride=1)

    def _sample(self, maps: Tensor) -> Tensor:
        return maps * (self.window**2 / max(1, self.window**2 - 1))


@torch.inference_mode()
def best_similarities(images: Tensor, others: Compared) -> Tensor:
    """Return the (N,) largest similarities of (N, 1, S, S) images with any of the others."""
    return torch.stack([others.best(image) for image in images])
