"""The nearest generated images after half a whitening by the pool, relative to unused reals.

An image and its copy differ by an error that is smaller than the spread of images, and falls less
fast towards fine detail. Then the likelihood ratio of copy and stranger grows with x'S^(-1/2)g, S
being the covariance of the pool. The README derives it, and says how each default was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench_whitened_neighbour.calibration import (
    Calibration,
    Scores,
    best_by_auc,
    conformal_threshold,
    divided,
)
from bench_whitened_neighbour.whitening import PoolModel, Rows
from harness.method import (
    Access,
    Field,
    ImageSet,
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
    """What the versions have in common: the model of the pool, and matches."""

    task = Task.MEMBERSHIP
    reference = Reference(paper="fingerprint-bench, a method of its own; see its README")

    side: int = Field(32, ge=2, description="pixels that images are brought to, each way")
    power: float = Field(0.5, ge=0, le=1, description="how far the pool whitens; 1: wholly")
    nearest: int = Field(3, ge=1, description="how many best matches are averaged")
    relative: bool = Field(True, description="matches are relative to those of reals not used")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def _pools(self, questions: Questions) -> tuple[ImageSet, ImageSet]:
        return self._training.generated, questions.generated

    def _closeness(self, pool: Rows, references: Rows, asked: Rows, tools: Tools) -> Scores:
        calibration = Calibration(pool, references if self.relative else None, tools)
        return calibration.closeness(asked, self.nearest)


class WhitenedNeighbour(_Neighbours):
    """Nearest generated images after half a whitening by the pool; threshold by training reals."""

    name = "whitened-neighbour"
    access = frozenset({Access.POOL, Access.LABELS})

    rivals: tuple[float, ...] = Field(
        (1.0,), description="powers that take the place of the first if the training reals say so"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the best matches in either pool; power and threshold by nested folds."""
        reals, labels = self._training.reals, self._training.reals.labels
        pools = self._pools(questions)
        model = PoolModel(pools, self.side)
        powers = self.power, *self.rivals
        seen = [np.concatenate([model(pool, power) for pool in pools]) for power in powers]
        known = [reals.gather(partial(model, power=power)) for power in powers]

        def held_out(score_of: Callable[[Places, Places], Scores]) -> NDArray[np.float64]:
            return out_of_fold(
                labels, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log
            )

        def closeness(which: int, learnt: Places, asked: Rows) -> Scores:
            unused = learnt[labels[learnt] == 0]
            return self._closeness(seen[which], known[which][unused], asked, tools)

        def rival(which: int) -> NDArray[np.float64]:
            return held_out(lambda learnt, held: closeness(which, learnt, known[which][held]))

        scores = [rival(which) for which in range(len(powers))]

        def chosen(rows: Places) -> int:
            return best_by_auc([one[rows] for one in scores], labels[rows])

        threshold = best_kappa_threshold(
            held_out(lambda learnt, held: scores[chosen(learnt)][held]), labels
        )
        everyone = np.arange(len(reals))
        which = chosen(everyone)
        own = closeness(which, everyone, model(questions.unknown, powers[which]))
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
        pools = self._pools(questions)
        model = PoolModel(pools, self.side)
        pool = np.concatenate([model(images, self.power) for images in pools])
        known = model(reference, self.power)
        patients = np.arange(len(known)) if reference.groups is None else reference.groups
        own = self._closeness(pool, known, model(questions.unknown, self.power), tools)
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
