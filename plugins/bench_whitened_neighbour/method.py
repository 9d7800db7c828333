"""The nearest generated images after half a whitening by the pool, relative to unused reals.

An image and its copy differ by an error that is smaller than the spread of images, and falls less
fast towards fine detail. Then the likelihood ratio of copy and stranger grows with x'S^(-1/2)g, S
being the covariance of the pool. Beside such matches it counts how much more of an image the pool
explains than unused reals do. The README derives it, and says how each default was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench_whitened_neighbour.calibration import (
    Calibration,
    Scores,
    best_by_auc,
    conformal_threshold,
)
from bench_whitened_neighbour.span import explained
from bench_whitened_neighbour.whitening import PoolModel, Rows
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
from harness.thresholds import best_kappa_threshold, patient_folds

Folds = Sequence[tuple[Places, Places]]  # rows to learn from, rows held out


class Seen(NamedTuple):
    """Images as a model of the pool sees them."""

    pool: Rows
    known: Rows  # reals of the training part
    asked: Rows


class _Neighbours(Method):
    """What the versions have in common: matches and spans, relative to unused reals."""

    task = Task.MEMBERSHIP
    reference = Reference(paper="fingerprint-bench, a method of its own; see its README")

    side: int = Field(32, ge=2, description="pixels that images are brought to, each way")
    power: float = Field(0.5, ge=0, le=1, description="how far the pool whitens; 1: wholly")
    nearest: int = Field(3, ge=1, description="how many best matches are averaged")
    span: int = Field(
        10, ge=0, description="how many images explain one together; 0: matches alone count"
    )
    relative: bool = Field(True, description="both are relative to those of reals not used")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def _model(self, questions: Questions) -> PoolModel:
        return PoolModel((self._training.generated, questions.generated), self.side)

    def _seen(self, model: PoolModel, power: float, known: Rows, questions: Questions) -> Seen:
        return Seen(model.of_pool(power), known, model(questions.unknown, power))

    def _scores(
        self, seen: Seen, used: NDArray[Any], folds: Folds, tools: Tools
    ) -> tuple[Scores, Scores]:
        """Return the scores of known reals, each out of its fold, and of those asked about.

        An image that is asked about is judged in every fold, so that it meets as many unused reals
        as the known ones do, and its mean counts. Matches and spans weigh alike: each is divided by
        how far it spreads among the unused reals.
        """
        images = np.concatenate([seen.known, seen.asked])
        by_pool = explained(images, seen.pool, self.span, tools)
        outside = np.arange(len(seen.known), len(images))
        held_out, others = np.empty((len(seen.known), 2)), np.zeros((len(seen.asked), 2))
        for learnt, held in folds:
            unused = seen.known[learnt[used[learnt] == 0]]
            rows = np.concatenate([held, outside])
            calibration = Calibration(seen.pool, unused if self.relative else None, tools)
            matches, spans = calibration.closeness(images[rows], self.nearest), by_pool[rows]
            if self.relative:
                spans -= explained(images[rows], unused, self.span, tools)
            found = np.column_stack([matches, spans])
            held_out[held] = found[: len(held)]
            others += found[len(held) :] / len(folds)
        spread = held_out[used == 0].std(0)
        weights = 1 / np.where(spread > 0, spread, 1)
        return held_out @ weights, others @ weights


class WhitenedNeighbour(_Neighbours):
    """Matches and spans after half a whitening by the pool; threshold by training reals."""

    name = "whitened-neighbour"
    access = frozenset({Access.POOL, Access.LABELS})

    rivals: tuple[float, ...] = Field(
        (1.0,), description="powers that take the place of the first if the training reals say so"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the images of either pool; power and threshold by nested folds."""
        reals, labels = self._training.reals, self._training.reals.labels
        model = self._model(questions)
        folds = patient_folds(
            labels, reals.groups, folds=self.folds, seed=tools.seed, log=tools.log
        )

        def scored(power: float) -> tuple[Scores, Scores]:
            known = reals.gather(partial(model, power=power))
            seen = self._seen(model, power, known, questions)
            return self._scores(seen, labels, folds, tools)

        rivals = [scored(power) for power in (self.power, *self.rivals)]

        def chosen(rows: Places) -> int:
            return best_by_auc([known[rows] for known, _ in rivals], labels[rows])

        held_out = np.empty(len(labels))
        for learnt, held in folds:
            held_out[held] = rivals[chosen(learnt)][0][held]
        _, asked = rivals[chosen(np.arange(len(labels)))]
        return Prediction(asked, (asked > best_kappa_threshold(held_out, labels)).astype(int))


class LabelFree(_Neighbours):
    """Matches and spans after half a whitening by the pool, by reals known not to be used alone."""

    name = "whitened-neighbour-label-free"
    access = frozenset({Access.POOL, Access.REFERENCE})
    headline = False

    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="share of patients who were not used but may be called used"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the images of either pool; threshold by conformal prediction."""
        reference = self._training.reference
        model = self._model(questions)
        seen = self._seen(model, self.power, model(reference, self.power), questions)
        unused = np.zeros(len(reference), int)
        patients = np.arange(len(reference)) if reference.groups is None else reference.groups
        folds = patient_folds(unused, patients, folds=self.folds, seed=tools.seed, log=tools.log)
        held_out, own = self._scores(seen, unused, folds, tools)
        threshold = conformal_threshold(held_out, patients, self.false_alarms)
        if len(np.unique(patients)) < 2:
            tools.log("one patient alone tells no rate of false alarms: no image is called used")
            threshold = np.inf
        return Prediction(own, (own > threshold).astype(int))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the versions with and without labels."""
    return [WhitenedNeighbour, LabelFree]
