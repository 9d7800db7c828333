"""Permutation tests in which whole patients change their labels.

A test here deals the labels anew to the patients of a stratum (a fold, and within it a part of the
data set) and works the whole statistic out again, the training of a classifier included. Shuffling
labels against scores that stay fixed would not hold its size: the folds of a cross-validation learn
from each other, and that doubles the variance of their mean AUC (the same pairs of images count
once on either side). Refitting also repeats the small bias below 0.5 that a cross-validation has.

What it cannot do: it supposes patients that are interchangeable within a stratum; where patients
are not known it shuffles images, and slices of one patient then look like a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

DRAWS = 9_999  # so that the smallest p, 1/10,000, survives the correction for 100 tests
ENOUGH = 100
_AT_ONCE = 500  # draws
_CELLS = 2_000_000  # images times draws held in memory at once
_SEED = 2025

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]  # (N, B) labels 0/1 -> (B,), larger: more of a finding


def permutation_p(
    statistic: Statistic, labels: Ints, groups: NDArray[np.str_], strata: Ints, draws: int = DRAWS
) -> float:
    """Return the p value of a statistic under labels dealt anew to groups.

    Args:
        statistic: works on many columns of labels at once.
        labels: (N,) 0 or 1.
        groups: (N,) the patient of each image. One with both labels counts as two.
        strata: (N,) labels are dealt among the patients of one stratum only.
        draws: how many times at most; fewer when ENOUGH of them reach the data's statistic, for
            then the p value is known well enough (Besag and Clifford 1991).

    Returns:
        The share of draws, the data themselves among them, that reach the data's statistic.
    """
    observed = statistic(labels[:, None].astype(np.float64))[0]
    reached = done = 0
    for drawn in _deals(labels, groups, strata, draws):
        reached += int((statistic(drawn) >= observed - 1e-12).sum())
        done += drawn.shape[1]
        if reached >= ENOUGH:
            break
    return (1 + reached) / (1 + done)


def aucs(ranks: Floats, labels: Floats) -> Floats:
    """Return the area under the ROC curve of each column.

    Args:
        ranks: (N, B) or (N, 1) ranks of the scores from 1, ties sharing their mean.
        labels: (N, B) 0 or 1.

    Returns:
        (B,); 0.5 where a column holds one class only.
    """
    used = labels.sum(0)
    pairs = used * (len(labels) - used)
    won = (ranks * labels).sum(0) - used * (used + 1) / 2
    areas = np.full(len(pairs), 0.5)
    np.divide(won, pairs, out=areas, where=pairs > 0)
    return areas


def _deals(labels: Ints, groups: NDArray[np.str_], strata: Ints, draws: int) -> Iterator[Floats]:
    """Yield (N, B) labels, ``draws`` columns in all; the seed is fixed."""
    names = [f"{s}/{y}/{g}" for s, y, g in zip(strata, labels, groups, strict=True)]
    _, first, codes = np.unique(names, return_index=True, return_inverse=True)
    kinds, places = labels[first].astype(np.float64), strata[first]
    rng = np.random.default_rng(_SEED)
    at_once = min(_AT_ONCE, max(1, _CELLS // len(labels)))
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        drawn = np.empty((len(kinds), count))
        for place in np.unique(places):
            members = np.flatnonzero(places == place)
            drawn[members] = rng.permuted(np.tile(kinds[members, None], (1, count)), axis=0)
        yield drawn[codes]
