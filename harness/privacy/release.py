"""The audit before a release: how many of the patients who were used could be told?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.privacy.finding import Finding

RATE = 0.01  # of false alarms
CONFIDENCE = 0.95  # of every bound


@dataclass(frozen=True)
class Release:
    """Members told at a small rate of false alarms.

    Attributes:
        rate: of false alarms that the threshold promises: 1 %, or 1 / (m + 1) where the m held-out
            patients are too few for that.
        members: how many members were asked about.
        identified: how many of them have a p value of at most ``rate``.
        upper: bound on the share of members that are identified, with 95 % confidence.
    """

    rate: float
    members: int
    identified: int
    upper: float


def count_identified(members: Finding) -> Release:
    """Count the members identified at 1 % false alarms, with Clopper and Pearson's upper bound.

    Args:
        members: the finding on patients who were used, against held-out ones.
    """
    from scipy.stats import binomtest

    rate = max(RATE, members.smallest_p)
    n = len(members.patients)
    k = sum(judged.p <= rate + 1e-12 for judged in members.patients)
    exact = binomtest(k, n, alternative="less").proportion_ci(CONFIDENCE, method="exact")
    return Release(rate, n, k, float(exact.high))


def holdout_needed() -> int:
    """Return how many held-out patients a rate of 1 % takes."""
    return math.ceil(1 / RATE) - 1
