"""What a match is worth: how far it exceeds those of reals that were not used.

Some generated images are near to whatever is asked. So each is first compared with reals known not
to have been used, and a match counts by how many standard deviations it lies above theirs (as in
the calibrated attacks of GAN-Leaks, Chen et al., CCS 2020, but image by image).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench_whitened_neighbour.whitening import Rows
from harness.method import Tools

Scores = NDArray[np.floating[Any]]  # (N,)

PRIOR = 10  # reals that the common variance of all matches counts for
ROUNDING = 1e-9  # of (n + 1) * (1 - rate), which should be whole where it nearly is


class Calibration:
    """A pool whose images know how near reals come that were not used."""

    def __init__(self, pool: Rows, references: Rows | None, tools: Tools) -> None:
        """Learn what matches are common.

        Args:
            pool: (M, D) generated images.
            references: (N, D) reals that were not used, N > 0; ``None`` leaves matches as they are.
            tools: of the cell.
        """
        self._tools = tools
        self._pool = pool
        if references is None:
            return
        common = tools.row_statistics(pool, references, "dot")
        n, variance = len(references), np.square(common.sd)
        spread = np.sqrt((n * variance + PRIOR * variance.mean()) / (n + PRIOR))[:, None]
        spread = spread if spread.all() else np.ones_like(spread)
        affine = np.hstack([pool / spread, -common.mean[:, None] / spread])
        self._pool = affine.astype(np.float32)

    def closeness(self, asked: Rows, nearest: int) -> Scores:
        """Return for each of (N, D) images the mean of its ``nearest`` best matches, (N,)."""
        if self._pool.shape[1] > asked.shape[1]:
            asked = np.pad(asked, ((0, 0), (0, 1)), constant_values=1)
        best, _ = self._tools.neighbours(asked, self._pool, "dot", min(nearest, len(self._pool)))
        closeness: Scores = best.mean(1)
        return closeness


def conformal_threshold(scores: Scores, patients: NDArray[Any], false_alarms: float) -> float:
    """Return the score that a further patient exceeds with at most the given probability.

    A patient's score is the largest of their images. Infinite where there are too few patients to
    promise that: n of them can keep no promise below 1 / (n + 1) (Vovk et al., Algorithmic learning
    in a random world, 2005).

    Args:
        scores: (N,) of reals that were not used.
        patients: (N,) of each.
        false_alarms: between 0 and 1.
    """
    highest = np.sort([scores[patients == patient].max() for patient in np.unique(patients)])
    rank = math.ceil((len(highest) + 1) * (1 - false_alarms) - ROUNDING)
    return math.inf if rank > len(highest) else float(highest[rank - 1])


def best_by_auc(scores: Sequence[Scores], labels: NDArray[Any]) -> int:
    """Return which scores tell the labels best: the first, unless others are better by far.

    By far means by a standard error of an AUC at chance (Breiman et al., Classification and
    regression trees, 1984, section 3.4.3): noise alone should not overturn a default.

    Args:
        scores: rivals, each (N,).
        labels: (N,) 0 or 1, both of them there.
    """
    from sklearn.metrics import roc_auc_score

    used, unused = labels.sum(), len(labels) - labels.sum()
    error = math.sqrt((used + unused + 1) / (12 * used * unused))
    values = np.array([roc_auc_score(labels, one) for one in scores])
    best = int(values.argmax())
    return best if values[best] > values[0] + error else 0
