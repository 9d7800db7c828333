"""Monte Carlo attacks: how many generated images lie near a real one, and how near."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench_monte_carlo.ball import Form, distances, lowest, weight
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
from harness.thresholds import best_kappa_threshold


class MonteCarlo(Method):
    """Share of generated images within the median smallest distance, after PCA of the pool."""

    name = "monte-carlo"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(
        paper=(
            "Hilprecht, Härterich, Bernau, Monte Carlo and Reconstruction Membership Inference "
            "Attacks against Generative Models, PoPETs 2019"
        ),
        url="https://doi.org/10.2478/popets-2019-0067",
    )
    deviations = (
        "the radius comes from the labelled training reals, not from the candidates, so that a "
        "question asked alone gets the same answer",
        "the threshold is that of best kappa on the training reals; the paper calls the half of "
        "the candidates with the higher scores members",
        "distances are divided by the radius in the logarithmic form as in the ratio",
    )

    form: Form = Field("count", description="what a generated image inside the ball counts")
    radius: Literal["median", "percentile"] = Field(
        "median",
        description="the ball's radius: the median over training reals of the smallest distance to "
        "a generated image, or a percentile of all distances to generated images",
    )
    percentile: float = Field(0.1, gt=0, le=100, description="of all distances, where it is used")
    components: int | None = Field(
        40, ge=1, description="principal components of the pool that are compared; none: no PCA"
    )
    backbone: str = Field("pixels", description="what is compared; the images themselves")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the generated images of either pool inside the ball."""
        pools = (self._training.generated, questions.generated)
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])
        project = self._projection(pool, tools)
        samples, reals = project(pool), self._training.reals

        def described(images: ImageSet) -> NDArray[np.float64]:
            return project(tools.features(images, self.backbone))

        known = reals.gather(described)
        epsilon = self._epsilon(distances(known, samples, tools), len(known), len(samples))
        tools.log(f"radius {epsilon:.6g}")

        def near(points: NDArray[np.float64]) -> NDArray[np.float64]:
            blocks = distances(points, samples, tools)
            return np.concatenate([weight(block, epsilon, self.form) for block in blocks])

        scores = near(described(questions.unknown))
        threshold = best_kappa_threshold(near(known), reals.labels)
        return Prediction(scores, (scores > threshold).astype(int))

    def _projection(
        self, pool: NDArray[np.float32], tools: Tools
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
        """Return what turns rows into what is compared of them."""
        if self.components is None:
            return lambda rows: rows.astype(np.float64)
        from sklearn.decomposition import PCA

        most = min(self.components, *pool.shape)
        pca = PCA(most, random_state=tools.seed).fit(pool.astype(np.float64))
        return lambda rows: pca.transform(rows.astype(np.float64))

    def _epsilon(self, blocks: Iterator[NDArray[np.float64]], reals: int, samples: int) -> float:
        """Return the radius from blocks of (n, M) distances of training reals to the pool."""
        if self.radius == "median":
            return float(np.median(np.concatenate([block.min(1) for block in blocks])))
        return lowest(blocks, max(1, round(self.percentile / 100 * reals * samples)))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the attack with the median radius, and its other forms and radius."""
    return [
        MonteCarlo,
        MonteCarlo.variant(
            "monte-carlo-log",
            "The same, each image inside weighing minus the logarithm of its distance.",
            form="log",
        ),
        MonteCarlo.variant(
            "monte-carlo-ratio",
            "The same, each image inside weighing the radius over its distance.",
            form="ratio",
        ),
        MonteCarlo.variant(
            "monte-carlo-percentile",
            "Share of generated images within the lowest 0.1 % of all distances.",
            radius="percentile",
        ),
        MonteCarlo.variant(
            "monte-carlo-percentile-log",
            "The same, each image inside weighing minus the logarithm of its distance.",
            radius="percentile",
            form="log",
        ),
    ]
