"""Turning scores into labels, by rules that look at labelled training images alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_kappa_threshold(scores: NDArray[Any], used: NDArray[Any]) -> float:
    """Return the threshold above which calling an image used gives the largest Cohen's kappa.

    Args:
        scores: (N,) of labelled images, higher means more likely used.
        used: (N,) 1 for used, 0 for not used.

    Returns:
        The middle between two neighbouring scores; of equally good ones the lowest. Minus infinity
        when calling everything used is best.
    """
    order = np.argsort(scores, kind="stable")
    values, truth = np.asarray(scores, float)[order], np.asarray(used)[order]
    positives, n = truth.sum(), len(truth)
    cut = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)  # images from ``cut`` on are flagged
    flagged = n - cut
    hits = positives - np.concatenate([[0], np.cumsum(truth)])[cut]
    agreement = (2 * hits - flagged - positives + n) / n
    chance = (flagged * positives + (n - flagged) * (n - positives)) / n**2
    kappa = np.divide(agreement - chance, 1 - chance, out=np.zeros(len(cut)), where=chance < 1)
    best = int(cut[np.argmax(kappa)])
    return -np.inf if best == 0 else float((values[best - 1] + values[best]) / 2)
