"""The nearest generated images after whitening by the pool, relative to reals that were not used.

Under a Gaussian model of the pool with covariance S, let an image and its copy be correlated with r
in every whitened direction and an image of another patient with 0. The log-likelihood ratio of the
two grows with r x'S⁻¹g: a match counts by how unlikely it is among generated images. The README
derives it, and says how each default was chosen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench_whitened_neighbour.calibration import (
    Calibration,
    Scores,
    best_by_auc,
    conformal_threshold,
    divided,
)
from bench_whitened_neighbour.whitening import Rows, Whitening
from harness.method import (
    Access,
    Field,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import Rows as Places
from harness.thresholds import best_kappa_threshold, out_of_fold


class _Neighbours(Method):
    """What the versions have in common: bands, weights, matches."""

    task = Task.MEMBERSHIP
    reference = Reference(paper="fingerprint-bench, a method of its own; see its README")

    sides: tuple[int, ...] = Field(
        (32, 16, 8, 4), min_length=1, description="resolutions in pixels, descending; a band each"
    )
    nearest: int = Field(3, ge=1, description="how many best matches are averaged")
    relative: bool = Field(True, description="matches are relative to those of reals not used")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def _whitening(self, questions: Questions) -> tuple[Whitening, Rows]:
        """Return the models of both pools together, and the pools seen by them."""
        pools = self._training.generated, questions.generated
        whitening = Whitening(pools, self.sides)
        return whitening, np.concatenate([whitening(images) for images in pools])

    def _closeness(self, pool: Rows, references: Rows, asked: Rows, tools: Tools) -> Scores:
        calibration = Calibration(pool, references if self.relative else None, tools)
        return calibration.closeness(asked, self.nearest)


class WhitenedNeighbour(_Neighbours):
    """Nearest generated images after whitening by the pool; weights from the training reals."""

    name = "whitened-neighbour"
    access = frozenset({Access.POOL, Access.LABELS})

    tilts: tuple[float, ...] = Field(
        (0.0, 1.0, -1.0),
        min_length=1,
        description="a band weighs 2**tilt times as much as the next finer one; the first tilt, "
        "unless the training reals speak for another",
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the best matches in either pool; tilt and threshold by nested folds."""
        reals, labels = self._training.reals, self._training.reals.labels
        whitening, pool = self._whitening(questions)
        known = reals.gather(whitening)
        pools = [pool * whitening.weights(tilt) for tilt in self.tilts]

        def held_out(score_of: Callable[[Places, Places], Scores]) -> NDArray[np.float64]:
            return out_of_fold(
                labels, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log
            )

        def closeness(pool: Rows, learnt: Places, asked: Rows) -> Scores:
            return self._closeness(pool, known[learnt[labels[learnt] == 0]], asked, tools)

        def rival(pool: Rows) -> NDArray[np.float64]:
            return held_out(lambda learnt, held: closeness(pool, learnt, known[held]))

        scores = [rival(weighted) for weighted in pools]

        def chosen(rows: Places) -> int:
            return best_by_auc([one[rows] for one in scores], labels[rows])

        threshold = best_kappa_threshold(
            held_out(lambda learnt, held: scores[chosen(learnt)][held]), labels
        )
        everyone = np.arange(len(reals))
        own = closeness(pools[chosen(everyone)], everyone, whitening(questions.unknown))
        return Prediction(own, (own > threshold).astype(int))


class LabelFree(_Neighbours):
    """Nearest generated images after whitening by the pool, by reals known not to be used alone."""

    name = "whitened-neighbour-label-free"
    access = frozenset({Access.POOL, Access.REFERENCE})
    headline = False

    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="share of patients who were not used but may be called used"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the best matches in either pool; threshold by conformal prediction."""
        reference = self._training.reference
        whitening, pool = self._whitening(questions)
        known = whitening(reference)
        patients = np.arange(len(known)) if reference.groups is None else reference.groups
        own = self._closeness(pool, known, whitening(questions.unknown), tools)
        threshold = np.inf
        if len(np.unique(patients)) > 1:
            held_out = np.empty(len(known))
            for learnt, held in divided(patients, self.folds, tools.seed):
                held_out[held] = self._closeness(pool, known[learnt], known[held], tools)
            threshold = conformal_threshold(held_out, patients, self.false_alarms)
        else:
            tools.log("one patient alone tells no rate of false alarms: no image is called used")
        return Prediction(own, (own > threshold).astype(int))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the versions with and without labels."""
    return [WhitenedNeighbour, LabelFree]
