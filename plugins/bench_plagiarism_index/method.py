"""The Data Plagiarism Index: are a real image's neighbours generated ones or reference reals?"""

import numpy as np
from numpy.typing import NDArray

from harness.method import (
    Access,
    Field,
    Method,
    Prediction,
    Questions,
    Reference,
    Rows,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import judged_by_reference


class PlagiarismIndex(Method):
    """Share of generated images among the nearest of generated images and reference reals."""

    name = "data-plagiarism-index"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(
        paper=(
            "Ward, Wang, Cheng, Data Plagiarism Index: Characterizing the Privacy Risk of "
            "Data-Copying in Tabular Generative Models, 2024"
        ),
        url="https://arxiv.org/abs/2406.13012",
    )
    deviations = (
        "reference: the training reals that were not used",
        "the share of generated images among the neighbours stands for their ratio to reference "
        "reals, which ranks alike and needs no division by nought",
        "images, where the paper has tables: they are compared as pixels at 64 x 64 at most",
        "the threshold is that of best kappa on the training reals, each scored without its own "
        "fold of patients among the reference",
    )

    k: int = Field(20, ge=1, description="nearest neighbours that are counted")
    backbone: str = Field("pixels", description="what is compared; the images themselves")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the kind of the nearest neighbours."""
        reals = self._training.reals
        pools = (self._training.generated, questions.generated)
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])

        def nearest(images: Rows, others: Rows) -> NDArray[np.float32]:
            return tools.neighbours(images, others, "l2", min(self.k, len(others)))[0]

        def score_of(outsiders: Rows, images: Rows) -> NDArray[np.float64]:
            return generated_share(nearest(images, pool), nearest(images, outsiders), self.k)

        return judged_by_reference(
            reals,
            reals.gather(lambda images: tools.features(images, self.backbone)),
            tools.features(questions.unknown, self.backbone),
            score_of,
            folds=self.folds,
            tools=tools,
        )


def generated_share(
    generated: NDArray[np.float32], outsiders: NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    """Return the share of generated images among the k nearest of two kinds.

    Args:
        generated: (N, A) distances to the nearest generated images, ascending; the k nearest of
            them are among these.
        outsiders: (N, B) the same of reference reals.
        k: neighbours that count; of equally near ones generated images come first.

    Returns:
        (N,) from 0 to 1.
    """
    order = np.argsort(np.hstack([generated, outsiders]), axis=1, kind="stable")[:, :k]
    shares: NDArray[np.float64] = (order < generated.shape[1]).mean(1)
    return shares


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the index in pixels, and that of ImageNet features."""
    return [
        PlagiarismIndex,
        PlagiarismIndex.variant(
            "data-plagiarism-index-features",
            "The share of generated images among the nearest neighbours in ImageNet features.",
            backbone="tf_efficientnet_lite0",
        ),
    ]
