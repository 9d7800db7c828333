"""Ranking: how well scores put used images above the others, fold by fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.scoring.uncertainty import resamples

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def auc(
    truth: Ints, codes: Ints, scores: Floats, inside: NDArray[np.bool_]
) -> tuple[float, Floats]:
    """Return the area under the ROC curve of one fold, over all groups and without each one.

    Pairs won are counted by rank, in O(n log n). Leaving a group out takes away its images' pairs
    with everyone; pairs inside the group are then taken twice, and one of them is given back.

    Args:
        truth: (N,) 1 used, 0 not used.
        codes: (N,) group of each image, 0 to G-1.
        scores: (N,) higher where "used" is more likely.
        inside: (N,) whether each image is in the fold.

    Returns:
        The area and, (G,), without each group; NaN where that leaves a class without images.
    """
    groups = int(codes.max()) + 1
    used = inside & (truth == 1)
    other = inside & (truth == 0)
    rank = np.unique(scores, return_inverse=True)[1]
    # Ranks that start anew in every group, above those of the group before.
    nested = rank + codes * scores.size
    before = np.searchsorted(np.sort(codes[other]), codes[used])

    def per_group(images: NDArray[np.bool_], amounts: Floats | None = None) -> Floats:
        return np.bincount(codes[images], amounts, minlength=groups).astype(np.float64)

    wins = _beaten(rank[used], rank[other])
    losses = used.sum() - _beaten(rank[other], rank[used])
    inner = _beaten(nested[used], nested[other]) - before
    won = wins.sum() - per_group(used, wins) - per_group(other, losses) + per_group(used, inner)
    pairs = (used.sum() - per_group(used)) * (other.sum() - per_group(other))
    with np.errstate(invalid="ignore"):
        return float(wins.sum() / (used.sum() * other.sum())), won / pairs


def _beaten(ranks: Ints, rivals: Ints) -> Floats:
    """Return how many rivals lie below each rank, a tie counting one half."""
    ordered = np.sort(rivals)
    return (np.searchsorted(ordered, ranks) + np.searchsorted(ordered, ranks, "right")) / 2


@dataclass(frozen=True)
class Ranking:
    """The images of one fold from the highest score down."""

    used: Ints  # (n,) 1 used, 0 not used
    codes: Ints  # (n,) group
    ends: Ints  # (k,) the last place of each run of equal scores

    def rates(self, drawn: Ints, limits: Sequence[int]) -> Floats:
        """Return the true-positive rates at limits of the false-positive rate.

        Args:
            drawn: (B, G) how often each group counts in each of B draws.
            limits: (L,) the largest false-positive rates allowed, in percent.

        Returns:
            (L, B) rates; NaN where a draw has no used image, as may happen when a group is spread
            over folds.
        """
        weights = drawn[:, self.codes]
        hits = np.cumsum(weights * self.used, axis=1)[:, self.ends]
        alarms = np.cumsum(weights * (1 - self.used), axis=1)[:, self.ends]
        positives, negatives = hits[:, -1], alarms[:, -1]
        from_none = np.pad(hits, ((0, 0), (1, 0)))
        rates = np.full((len(limits), len(drawn)), np.nan)
        for row, percent in zip(rates, limits, strict=True):
            runs = (100 * alarms <= percent * negatives[:, None]).sum(axis=1)
            reached = np.take_along_axis(from_none, runs[:, None], axis=1)[:, 0]
            np.divide(reached, positives, out=row, where=positives > 0)
        return rates


def rank_folds(truth: Ints, codes: Ints, scores: Floats, folds: Ints) -> Iterator[Ranking]:
    """Rank the images of each fold by their scores; all arguments are (N,)."""
    for fold in np.unique(folds):
        images = np.flatnonzero(folds == fold)
        down = images[np.argsort(-scores[images], kind="stable")]
        ends = np.flatnonzero(np.append(scores[down[1:]] != scores[down[:-1]], True))
        yield Ranking(truth[down], codes[down], ends)


def bootstrap(rankings: list[Ranking], strata: Ints, limits: Sequence[int]) -> Floats:
    """Return, (L, B), the mean over folds of the rates at ``limits`` in each of B draws.

    Args:
        rankings: the images of each fold.
        strata: (G,) the stratum in which each group is drawn.
        limits: (L,) as in :meth:`Ranking.rates`.
    """
    images = sum(ranking.codes.size for ranking in rankings)
    return np.concatenate(
        [
            np.mean([ranking.rates(drawn, limits) for ranking in rankings], axis=0)
            for drawn in resamples(strata, images)
        ],
        axis=1,
    )
