"""Differences between the figures of methods that answered the same questions.

A difference comes from the delete-one-group jackknife of the difference itself, so what two methods
have in common (the same difficult patients) cancels out. Class sizes are held fixed in the same way
as for single figures (:mod:`harness.scoring.uncertainty`) while a group is left out. A difference
has no end of a scale nearby, so no logit.

Degrees of freedom are Satterthwaite's, as for single figures, but no more than the effective number
of groups, (sum of n)^2 / sum of n^2 over groups of n images (Kish 1965), less the number of
classes. Corrections for many pairs look far into the tail, where the jackknife's own degrees of
freedom are too uncertain with few unequal patients: among 20 equally good methods with 10 patients
in each class and a patient effect of half of the variance, 12 % of simulated boards called one
better than another without that limit.

By simulation, 20 equally good methods at chance, 600 boards a cell, 10 to 30 unequal patients in
each class, patient effects of 0 or 0.5 of the variance, methods independent or alike: after Holm's
correction 1.7 to 4.5 % of boards called one better than another. Intervals held a difference of
nought in 93.9 to 97.7 % of 1,000 draws a cell (10, 30 or 100 patients in each class, AUC 0.5 and
0.9).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from harness.scoring.uncertainty import NO_SPREAD, jackknife_variance

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ALPHA = 0.05
POWER = 0.80


@dataclass(frozen=True)
class Estimates:
    """One figure of M methods on the same images."""

    values: Floats  # (M,) on everything
    without: Floats  # (M, G) without each group
    strata: Ints  # (G,) which groups are of a kind
    independent: int  # groups of the class that has the fewest
    freedom: float  # the most degrees of freedom that a difference can have
    end: float  # a difference of two methods lies between -end and end


@dataclass(frozen=True)
class Difference:
    """By how much the first method exceeds the second, and how sure that is."""

    value: float | None  # None: not defined; the note says why
    low: float | None  # ends of the 95 % interval; None: cannot tell, the note says why
    high: float | None
    p: float | None  # two-sided, that there is no difference
    detectable: float | None  # smallest difference shown at 5 % in 80 % of such test sets
    n: int  # images
    groups: int  # independent groups (patients) that these images belong to
    note: str | None = None


def most_freedom(codes: Ints, classes: int) -> float:
    """Return the most degrees of freedom of a difference on images of groups (N,) ``codes``."""
    sizes = np.bincount(codes).astype(np.float64)
    return max(1.0, float(sizes.sum() ** 2 / (sizes**2).sum()) - classes)


def difference(estimates: Estimates, n: int, *, exact: bool) -> Difference:
    """Return the difference between the first and the second of two methods.

    What could have been detected is the standard error of this difference times the sum of the two
    t quantiles. It supposes that the methods disagree as often as they do here.

    Args:
        estimates: of two methods, with M = 2.
        n: images that the figures are computed from.
        exact: whether the difference could not have come out otherwise.
    """
    groups = estimates.strata.size
    value = float(estimates.values[0] - estimates.values[1])
    if exact:
        note = "exact: both give the same answers"
        return Difference(value, value, value, 1.0, None, n, groups, note)
    variance, freedom, p = (float(row[0]) for row in _paired(estimates, 0, slice(1, 2)))
    if variance < NO_SPREAD:
        low, high = _even_interval(value, estimates)
        return Difference(value, low, high, p, None, n, groups, "every group says the same")
    error = math.sqrt(variance)
    reach = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    low, high = max(-estimates.end, value - reach), min(estimates.end, value + reach)
    detectable = reach + float(stdtrit(freedom, POWER)) * error
    return Difference(value, low, high, p, detectable, n, groups)


def pairwise_ps(estimates: Estimates) -> Floats:
    """Return, (M, M), the two-sided p value of every difference, not corrected; 1 on the diagonal.

    Time grows with M squared times G, memory with M times G: 100 methods on 3,000 groups take a
    second.
    """
    methods = estimates.values.size
    ps = np.ones((methods, methods))
    for first in range(methods - 1):
        ps[first, first + 1 :] = _paired(estimates, first, slice(first + 1, None))[2]
    return np.minimum(ps, ps.T)


def _paired(estimates: Estimates, first: int, others: slice) -> tuple[Floats, Floats, Floats]:
    """Return variance, degrees of freedom and p of the differences of one method from others."""
    values = estimates.values[first] - estimates.values[others]
    deviations = estimates.without[first] - estimates.without[others]
    deviations -= deviations.mean(-1, keepdims=True)
    variance, freedom = jackknife_variance(deviations, estimates.strata, _total)
    freedom = np.minimum(freedom, estimates.freedom)
    steady = variance < NO_SPREAD
    error = np.sqrt(np.where(steady, 1.0, variance))
    ps = np.where(steady, _even_p(values, estimates), 2 * stdtr(freedom, -np.abs(values) / error))
    return variance, freedom, ps


def _total(rows: Floats) -> Any:
    return rows.sum(-1)


# Where all groups make the same difference, the jackknife sees no spread. What n of them allow is
# the exact interval (Clopper and Pearson 1934) of the share of groups that are like those seen; the
# others may differ by as much as the scale allows. Where a difference is as large as can be, its p
# value is that of the sign test.


def _even_interval(value: float, estimates: Estimates) -> tuple[float, float]:
    share = (ALPHA / 2) ** (1 / estimates.independent)
    rest = (1 - share) * estimates.end
    return share * value - rest, share * value + rest


def _even_p(values: Floats, estimates: Estimates) -> Floats:
    share = estimates.end / (np.abs(values) + estimates.end)
    return np.minimum(1.0, 2 * share**estimates.independent)
