"""The decision: similar enough and sure enough, in one and the same pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.thresholds import best_kappa_threshold

NO_SIMILARITY, NO_CONFIDENCE = -1.0, 0.0  # of a pair that there is not: the least there can be


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What the network says of the K pairs of each of N real images.

    Attributes:
        similarity: (N, K) float64, attention-weighted cosine; -1 where there is no pair.
        confidence: (N, K) float64, 0 to 1; 0 where there is no pair.
    """

    similarity: NDArray[np.float64]
    confidence: NDArray[np.float64]

    @classmethod
    def none(cls, reals: int, pairs: int) -> Verdicts:
        """Return those of images without a pair, to be filled in."""
        shape = (reals, pairs)
        return cls(np.full(shape, NO_SIMILARITY), np.full(shape, NO_CONFIDENCE))

    def put(self, rows: NDArray[np.intp], others: Verdicts) -> None:
        """Take over the verdicts on the images at some rows."""
        self.similarity[rows], self.confidence[rows] = others.similarity, others.confidence

    def best(self, confidence: float) -> NDArray[np.float64]:
        """Return (N,): the largest similarity in a pair of more than ``confidence``, or else -1."""
        sure = np.where(self.confidence > confidence, self.similarity, NO_SIMILARITY)
        best: NDArray[np.float64] = sure.max(1)
        return best


@dataclass(frozen=True)
class Rule:
    """A real image is used if one of its pairs is above both bars.

    Attributes:
        similarity: the bar of the similarity; minus infinity if there is none.
        confidence: the bar of the confidence.
        spreads: deviations of both, in which margins are measured.
    """

    similarity: float
    confidence: float
    spreads: tuple[float, float]

    @classmethod
    def learnt(cls, verdicts: Verdicts, used: NDArray[Any], confidence: float) -> Rule:
        """Return the rule of best kappa on labelled images, given the bar of the confidence.

        Args:
            verdicts: on N labelled images, by networks that have not seen their patients.
            used: (N,) 1 for used, 0 for not used.
            confidence: the bar of the confidence.
        """
        there = verdicts.similarity > NO_SIMILARITY
        spreads = [
            float(values[there].std()) if there.any() else 0.0
            for values in (verdicts.similarity, verdicts.confidence)
        ]
        bar = best_kappa_threshold(verdicts.best(confidence), used)
        return cls(bar, confidence, (spreads[0] or 1.0, spreads[1] or 1.0))

    def margins(self, verdicts: Verdicts) -> NDArray[np.float64]:
        """Return (N,): the smaller margin over the two bars in the best pair of each image.

        It is positive exactly where the rule holds.
        """
        similar = (verdicts.similarity - self.similarity) / self.spreads[0]
        sure = (verdicts.confidence - self.confidence) / self.spreads[1]
        margins: NDArray[np.float64] = np.minimum(similar, sure).max(1)
        return margins
