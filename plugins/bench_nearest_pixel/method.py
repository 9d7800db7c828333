"""The plain baseline: how close is the nearest generated image, pixel by pixel?"""

import numpy as np
from numpy.typing import NDArray

from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Metric,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import best_kappa_threshold


class NearestPixel(Method):
    """Largest pixel correlation with any generated image; threshold of best kappa in training."""

    name = "nearest-pixel"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(
        paper=(
            "Akbar et al., Beware of diffusion models for synthesizing medical images (correlation)"
            "; Chen et al., GAN-Leaks, CCS 2020 (L2 distance, full black-box)"
        ),
        url="https://arxiv.org/abs/2305.07644",
    )
    deviations = (
        "Akbar et al. ask which training image is nearest to each generated one; here every real "
        "image asks for its nearest generated one",
        "images are compared at 64 x 64 at most, as the published code of GAN-Leaks does",
        "neither paper states a threshold for labels; it is the one of best kappa on the "
        "training reals",
    )

    metric: Metric = Field("correlation", description="how two images are compared")
    backbone: str = Field("pixels", description="what is compared; the images themselves")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score each image by its nearest generated image in either pool."""
        training = self._training
        pool = np.concatenate(
            [
                tools.features(training.generated, self.backbone),
                tools.features(questions.generated, self.backbone),
            ]
        )

        def closeness(images: ImageSet) -> NDArray[np.float32]:
            values, _ = tools.neighbours(tools.features(images, self.backbone), pool, self.metric)
            return -values[:, 0] if self.metric == "l2" else values[:, 0]

        reals = training.reals
        threshold = best_kappa_threshold(reals.gather(closeness), reals.labels)
        scores = closeness(questions.unknown)
        return Prediction(scores, (scores > threshold).astype(int))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the baseline with correlation, and its variant with Euclidean distance."""
    return [
        NearestPixel,
        NearestPixel.variant(
            "nearest-pixel-l2",
            "Smallest pixel distance to any generated image; threshold of best kappa in training.",
            metric="l2",
        ),
    ]
