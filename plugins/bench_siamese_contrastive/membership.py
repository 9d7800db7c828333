"""The system for subtask 1: is a real image as near to the generated ones as used images are?"""

from collections.abc import Sequence
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench_siamese_contrastive.network import Branch
from bench_siamese_contrastive.pairs import Pairs
from bench_siamese_contrastive.twins import CODE, PAPER, TwinMethod
from harness.method import (
    Field,
    ImageSet,
    Labelled,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.thresholds import Rows, best_kappa_threshold, out_of_fold

NETWORK = (
    "the published code is that of subtask 2; network, loss and training are taken over from it, "
    "as the overview says the team did"
)
THRESHOLD = (
    "the overview speaks of learned thresholds: here the one of best kappa on the training reals' "
    "out-of-fold distances to the pool that the questions meet"
)
SMALLEST = (
    "the overview compares pairs and leaves open how they add up: here a real image's smallest "
    "distance to a generated one counts"
)
MEAN = (
    "the overview compares pairs and leaves open how they add up: here a real image's mean "
    "distance to the generated ones counts, as for subtask 2"
)


class SiameseContrastive(TwinMethod):
    """Distance to the nearest generated image, by twins that learnt which reals were used."""

    name = "siamese-contrastive"
    task = Task.MEMBERSHIP
    reference = Reference(paper=PAPER, url=CODE, runs=("1696", "1492"))
    deviations = (NETWORK, THRESHOLD, SMALLEST)
    demo = {**TwinMethod.demo, "folds": 2}

    distance: Literal["smallest", "mean"] = Field(
        "smallest", description="which distance to the generated images counts"
    )
    folds: int = Field(5, ge=2, description="of the training reals, by patient, for the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the twins on pairs of training reals and generated images of the training part."""
        self._reals, self._generated = training.reals, training.generated
        self._branch = self._taught_by(self._reals, tools, "all training reals")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative distance to the questions' pool; label by the learnt threshold."""
        pool = questions.generated
        scores = self._nearness(self._branch, [questions.unknown], pool, tools)
        threshold = best_kappa_threshold(self._held_out(pool, tools), self._reals.labels)
        return Prediction(scores, (scores > threshold).astype(int))

    def _held_out(self, pool: ImageSet, tools: Tools) -> NDArray[np.float64]:
        """Return the scores of the training reals, each by twins that have not seen its patient."""
        reals, fold = self._reals, count(1)

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float64]:
            branch = self._branch
            if len(learnt) < len(reals):
                what = f"fold {next(fold)}"
                branch = tools.cached(what, lambda: self._taught_by(reals.at(learnt), tools, what))
            return self._nearness(branch, reals.at(held).sets, pool, tools)

        return out_of_fold(
            reals.labels,
            reals.groups,
            score_of,
            folds=self.folds,
            seed=tools.seed,
            log=tools.log,
        )

    def _taught_by(self, reals: Labelled, tools: Tools, what: str) -> Branch:
        used, not_used = reals.sets
        return self._learn(Pairs.of_usage(used, not_used, self._generated), tools, what=what)

    def _nearness(
        self, branch: Branch, reals: Sequence[ImageSet], pool: ImageSet, tools: Tools
    ) -> NDArray[np.float64]:
        """Return (N,) negative distances to the pool of the real images of all sets."""
        embedded = [self._embed(branch, images, tools) for images in reals if len(images)]
        asked, offered = np.concatenate(embedded), self._embed(branch, pool, tools)
        if self.distance == "mean":
            return -tools.row_statistics(asked, offered, "l2").mean
        nearest, _ = tools.neighbours(asked, offered, "l2")
        return -nearest[:, 0].astype(np.float64)
