"""How similar two images are: structural similarity, or closeness of pooled features.

A measure describes each set of images once; descriptions are sliced like arrays, so that a matrix
of similarities is made a tile at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.method import ImageSet, Tools

Similarities = NDArray[np.float64]  # (A, B), 1 for a pair of equal images
CACHED = 2**16  # pixels of the images that one operation works on


class Measure(Protocol):
    """A similarity of two images."""

    tile: int  # images on either side that are compared at once

    def described(self, images: ImageSet) -> Any:
        """Return what is compared of N images; it has a length and can be sliced."""

    def similarities(self, some: Any, others: Any) -> Similarities:
        """Return (A, B) similarities of A described images to B others."""


class FeatureSimilarity:
    """One minus the mean squared difference of two images' pooled features."""

    tile = 1024

    def __init__(self, backbone: str, tools: Tools) -> None:
        """Compare features of a frozen ``backbone``."""
        self.backbone, self.tools = backbone, tools

    def described(self, images: ImageSet) -> NDArray[np.float32]:
        """Return the (N, D) features of N images."""
        return self.tools.features(images, self.backbone)

    def similarities(self, some: NDArray[Any], others: NDArray[Any]) -> Similarities:
        """Return (A, B) similarities, at most 1; in double precision, as squares are subtracted."""
        a, b = some.astype(np.float64), others.astype(np.float64)
        squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
        similar: Similarities = 1 - squares.clip(min=0) / a.shape[1]
        return similar


class StructuralSimilarity:
    """Mean structural similarity (Wang et al., 2004) with scikit-image's defaults.

    Means and sample covariances of windows of 7 x 7 pixels that all count the same, constants
    0.01 and 0.03 of the range of greys; windows that leave the image are not counted.
    """

    tile = 64
    window = 7  # pixels
    luminance, contrast = 0.01**2, 0.03**2  # of greys in [0, 1]

    def __init__(self, side: int | None) -> None:
        """Compare images at ``side`` pixels at most, or as they are."""
        self.side = side

    def described(self, images: ImageSet) -> ImageSet:
        """Return the images themselves: maps of all of them might not fit into memory."""
        return images

    def similarities(self, some: ImageSet, others: ImageSet) -> Similarities:
        """Return (A, B) similarities, between -1 and 1."""
        a, b = self._maps(some), self._maps(others)
        # One thread: what is done with maps that stay in the cache is too short to be divided.
        return np.stack([self._row(a.of(row), b) for row in range(len(some))])

    def _maps(self, images: ImageSet) -> _Maps:
        own = images.pixels.shape[1]
        # Greys about 0, not from 0: a covariance is a difference, and large means would drown it.
        greys = images.tensor(min(self.side or own, own), (0.5, 1.0)).squeeze(1).numpy()
        means = self._averaged(greys)
        variances = self._averaged(np.square(greys)) - np.square(means)
        return _Maps(greys, means + np.float32(0.5), means, variances * self._sample(greys))

    def _row(self, one: _Maps, others: _Maps) -> NDArray[np.float64]:
        """Return the (B,) similarities of one image to others, as many at once as stay in cache."""
        step = max(1, CACHED // one.greys.size)
        starts = range(0, len(others.greys), step)
        parts = [self._part(one, others.of(slice(start, start + step))) for start in starts]
        return np.concatenate(parts)

    def _part(self, one: _Maps, others: _Maps) -> NDArray[np.float64]:
        covariance = self._averaged(others.greys * one.greys)
        covariance -= others.centred * one.centred
        covariance *= 2 * self._sample(one.greys)
        covariance += self.contrast
        covariance /= others.variances + (one.variances + self.contrast)
        luminance = others.means * (2 * one.means)
        luminance += self.luminance
        luminance /= np.square(others.means) + (np.square(one.means) + self.luminance)
        covariance *= luminance
        means: NDArray[np.float64] = covariance.mean((1, 2), dtype=np.float64)
        return means

    def _averaged(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of each window, (N, P, P), of (N, S, S)."""
        window = min(self.window, maps.shape[1])
        for axis in (1, 2):
            places = maps.shape[axis] - window + 1
            shifted = [
                maps[:, k : k + places] if axis == 1 else maps[:, :, k : k + places]
                for k in range(window)
            ]
            maps = shifted[0].copy()
            for other in shifted[1:]:
                maps += other
        maps /= window**2
        return maps

    def _sample(self, greys: NDArray[np.float32]) -> float:
        """Return what makes the variance of a window's pixels that of a sample."""
        side: int = min(self.window, greys.shape[-1])
        return side**2 / max(1, side**2 - 1)


@dataclass(frozen=True, eq=False)
class _Maps:
    """Images, and what each of their windows is like."""

    greys: NDArray[np.float32]  # (N, S, S), about 0
    means: NDArray[np.float32]  # (N, P, P), from 0 to 1
    centred: NDArray[np.float32]  # (N, P, P), means of the greys about 0
    variances: NDArray[np.float32]  # (N, P, P)

    def of(self, rows: int | slice) -> _Maps:
        """Return the maps of one image, without the first axis, or of some."""
        return _Maps(self.greys[rows], self.means[rows], self.centred[rows], self.variances[rows])
