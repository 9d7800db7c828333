"""Pairs of a real and a generated image, half of them of one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from harness.method import ImageSet

Sources = tuple[tuple[int, int], ...]  # which set of reals goes with which set of generated images


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs: their real images, their generated ones, and (B,) float, 1 where of one source."""

    reals: ImageSet
    generated: ImageSet
    same: Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """What pairs are drawn from.

    Attributes:
        reals: sets of real images.
        generated: sets of generated images.
        positive: which two sets, by their places, make pairs of one source.
        negative: which make pairs of two.
    """

    reals: tuple[ImageSet, ...]
    generated: tuple[ImageSet, ...]
    positive: Sources
    negative: Sources

    @classmethod
    def of_usage(cls, used: ImageSet, not_used: ImageSet, generated: ImageSet) -> Pairs:
        """Pair used reals with generated images as positives, not-used ones as negatives."""
        return cls((used, not_used), (generated,), positive=((0, 0),), negative=((1, 0),))

    @classmethod
    def of_subsets(cls, reals: Sequence[ImageSet], generated: Sequence[ImageSet]) -> Pairs:
        """Pair reals with generated images of the same subset as positives, of others as negatives.

        Args:
            reals: one set for each subset.
            generated: one for each, in the same order.
        """
        places = range(len(reals))
        return cls(
            tuple(reals),
            tuple(generated),
            positive=tuple((place, place) for place in places),
            negative=tuple((one, other) for one, other in product(places, places) if one != other),
        )

    def draw(self, count: int) -> Batch:
        """Draw pairs by torch's generator, the first half of them, rounded down, positive.

        First it is drawn which sets make a pair, so that small sets come as often as large ones,
        then an image of each.
        """
        positives = count // 2
        sources = [
            kind[_any(len(kind))]
            for kind in [self.positive] * positives + [self.negative] * (count - positives)
        ]
        return Batch(
            _one_of_each([self.reals[real] for real, _ in sources]),
            _one_of_each([self.generated[made] for _, made in sources]),
            (torch.arange(count) < positives).float(),
        )


def _one_of_each(sets: Sequence[ImageSet]) -> ImageSet:
    """Draw an image of each set."""
    return ImageSet(np.stack([images.pixels[_any(len(images))] for images in sets]), "pairs")


def _any(count: int) -> int:
    """Draw a number from 0 to ``count - 1``."""
    return int(torch.randint(count, ()))
