"""The nearest generated image after whitening by the pool's own principal components.

What most generated images share (the body's outline, the height of the slice) says nothing about
which real image one of them repeats, but makes up most of a pixel correlation. Whitening by the
pool gives every direction in which generated images vary the same weight, so that a match counts
by how unlikely it is among generated images: under a Gaussian model of the pool, the cosine of two
whitened images grows with the likelihood ratio of "one is a noisy copy of the other" to "both are
drawn from the pool".
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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
from harness.thresholds import Rows, best_kappa_threshold, out_of_fold


class WhitenedNeighbour(Method):
    """Largest cosine with any generated image after whitening by the pool; rank by training AUC."""

    name = "whitened-neighbour"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(paper="fingerprint-bench, a method of its own; see its README")

    ranks: tuple[int, ...] = Field(
        (5, 10, 20, 40, 80, 160, 320),
        min_length=1,
        description="numbers of principal components, of which the training reals choose one",
    )
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")
    backbone: str = Field("pixels", description="what is whitened; the images themselves")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the nearest image of either pool, at the rank that serves training best."""
        from sklearn.metrics import roc_auc_score

        training = self._training
        reals = training.reals
        pools = [
            tools.features(s, self.backbone) for s in (training.generated, questions.generated)
        ]
        closeness = self._closeness(np.concatenate(pools), tools)
        known = np.hstack([closeness(images) for images in reals.sets])
        scores = closeness(questions.unknown)

        def chosen(rows: Rows) -> int:
            return int(np.argmax([roc_auc_score(reals.labels[rows], one[rows]) for one in known]))

        held_out = out_of_fold(
            reals.labels,
            reals.groups,
            lambda learnt, held: known[chosen(learnt)][held],
            folds=self.folds,
            seed=tools.seed,
            log=tools.log,
        )
        own = scores[chosen(np.arange(len(reals)))]
        return Prediction(own, (own > best_kappa_threshold(held_out, reals.labels)).astype(int))

    def _closeness(
        self, pool: NDArray[np.float32], tools: Tools
    ) -> Callable[[ImageSet], NDArray[np.float32]]:
        """Return what turns images into their closeness to the pool at every rank, (R, N)."""
        from sklearn.decomposition import PCA

        most = min(*pool.shape, 1 + max(self.ranks)) - 1
        ranks = sorted({min(rank, most) for rank in self.ranks if rank > 0})
        whitening = PCA(most, whiten=True, random_state=tools.seed).fit(pool)
        white = whitening.transform(pool)

        def closeness(images: ImageSet) -> NDArray[np.float32]:
            asked = whitening.transform(tools.features(images, self.backbone))
            found = [tools.neighbours(asked[:, :k], white[:, :k], "cosine")[0] for k in ranks]
            return np.hstack(found).T

        return closeness


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the method."""
    return [WhitenedNeighbour]
