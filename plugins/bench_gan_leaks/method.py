"""GAN-Leaks, full black-box: how near the nearest generated images are, and nearer than others."""

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

POOLS = "all generated images are searched, those of both parts, since one generator made them"
THRESHOLD = (
    "the paper states no threshold; it is that of best kappa on the training reals, each scored "
    "without its own fold of patients among the reference"
)
REFERENCE = (
    "reference: the training reals that were not used take the place of the samples of a reference "
    "generator"
)
FEATURES = (
    "the distance of pooled features of an ImageNet network stands in for LPIPS, whose weights are "
    "not at hand"
)


class GanLeaks(Method):
    """Pixel distance to the nearest reference real less that to the nearest generated image."""

    name = "gan-leaks"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(
        paper=(
            "Chen, Yu, Zhang, Fritz, GAN-Leaks: A Taxonomy of Membership Inference Attacks against "
            "Generative Models, CCS 2020"
        ),
        url="https://arxiv.org/abs/1909.03935",
    )
    deviations = (REFERENCE, POOLS, THRESHOLD)

    k: int = Field(1, ge=1, description="nearest images whose mean distance counts")
    calibrated: bool = Field(
        True, description="whether the distance to the nearest reference reals is set against it"
    )
    backbone: str = Field("pixels", description="what is compared; the images themselves")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the distance to the generated images, set against that to the reference."""
        reals = self._training.reals
        pools = (self._training.generated, questions.generated)
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])

        def distance(images: Rows, others: Rows) -> NDArray[np.float64]:
            near, _ = tools.neighbours(images, others, "l2", min(self.k, len(others)))
            mean: NDArray[np.float64] = near.mean(1, dtype=np.float64)
            return mean

        def score_of(outsiders: Rows, images: Rows) -> NDArray[np.float64]:
            near = distance(images, pool)
            return distance(images, outsiders) - near if self.calibrated else -near

        return judged_by_reference(
            reals,
            reals.gather(lambda images: tools.features(images, self.backbone)),
            tools.features(questions.unknown, self.backbone),
            score_of,
            folds=self.folds,
            tools=tools,
        )


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the calibrated attack in pixels, and those without calibration and on features."""
    return [
        GanLeaks,
        GanLeaks.variant(
            "gan-leaks-knn",
            "Mean pixel distance to the five nearest generated images, without a reference.",
            deviations=(POOLS, THRESHOLD),
            k=5,
            calibrated=False,
        ),
        GanLeaks.variant(
            "gan-leaks-features",
            "Distance to the nearest generated image in ImageNet features, without a reference.",
            deviations=(FEATURES, POOLS, THRESHOLD),
            calibrated=False,
            backbone="tf_efficientnet_lite0",
        ),
        GanLeaks.variant(
            "gan-leaks-features-calibrated",
            "The calibrated distance in ImageNet features.",
            deviations=(FEATURES, REFERENCE, POOLS, THRESHOLD),
            backbone="tf_efficientnet_lite0",
        ),
    ]
