"""DOMIAS: members lie where generated images are denser than the population is."""

from collections.abc import Callable
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench_domias.densities import LogDensity, Points, kernels, mixture
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
from harness.thresholds import judged_by_reference

COMMON = (
    "reference: the training reals that were not used",
    "densities are estimated on principal components of the pool, scaled to its variances, where "
    "the paper has tables and latent vectors",
    "the threshold is that of best kappa on the training reals, each scored by densities learnt "
    "without its own fold of patients; the published code calls the half with the higher scores "
    "members",
)


class Domias(Method):
    """Logarithm of pool density over reference density, by kernels on principal components."""

    name = "domias"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    reference = Reference(
        paper=(
            "van Breugel, Sun, Qian, van der Schaar, Membership Inference Attacks against "
            "Synthetic Data through Overfitting Detection, AISTATS 2023"
        ),
        url="https://arxiv.org/abs/2302.12580",
    )
    deviations = COMMON

    density: Literal["kernels", "mixture", "flow"] = Field(
        "kernels", description="Gaussian kernels, a mixture of Gaussians, or a normalising flow"
    )
    components: int = Field(
        8, ge=1, description="principal components of the pool in which densities are estimated"
    )
    epochs: int = Field(200, ge=1, description="of a flow")
    backbone: str = Field("pixels", description="what is compared; the images themselves")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the ratio of the densities of either pool and of the reference."""
        pools, reals = (self._training.generated, questions.generated), self._training.reals
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])
        project = projection(pool, self.components, tools.seed)

        def described(images: ImageSet) -> Points:
            return project(tools.features(images, self.backbone))

        of_pool, references = self._learn(project(pool), "density of the pool", tools), count(1)

        def score_of(outsiders: Points, points: Points) -> NDArray[np.float64]:
            what = f"density of reference {next(references)}"
            return of_pool(points) - self._learn(outsiders, what, tools)(points)

        return judged_by_reference(
            reals,
            reals.gather(described),
            described(questions.unknown),
            score_of,
            folds=self.folds,
            tools=tools,
        )

    def _learn(self, points: Points, what: str, tools: Tools) -> LogDensity:
        """Estimate the density that points come from."""
        if self.density == "kernels":
            return kernels(points)
        if self.density == "mixture":
            return mixture(points, tools.seed)
        from bench_domias.flow import flow

        return flow(points, self.epochs, what, tools)


def projection(
    pool: NDArray[np.float32], components: int, seed: int
) -> Callable[[NDArray[Any]], Points]:
    """Return what turns rows into their first principal components of the pool, variance one.

    Args:
        pool: (M, D).
        components: at most so many; fewer where the pool has fewer of any variance.
        seed: of the decomposition.
    """
    from sklearn.decomposition import PCA

    pca = PCA(min(components, *pool.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # shares of no variance, in a pool of equal images
        pca.fit(pool.astype(np.float64))
    variances = pca.explained_variance_
    varied = variances > 1e-9 * max(variances[0], 1e-9)
    varied[0] = True
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))[varied]
    return lambda rows: pca.transform(rows.astype(np.float64))[:, varied] / scale


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the attack by kernels, by a mixture of Gaussians, and by a normalising flow."""
    made = Domias.variant(
        "domias-flow",
        "The same by a normalising flow of affine couplings.",
        deviations=(
            *COMMON,
            "RealNVP in place of block neural autoregressive flows; a flow is kept from single "
            "points by noise on them and not by a part of the data held out",
        ),
        demo={"epochs": 50},
        density="flow",
    )
    made.trains = True
    return [
        Domias,
        Domias.variant(
            "domias-mixture",
            "The same by mixtures of Gaussians, their number of components chosen by BIC.",
            density="mixture",
        ),
        made,
    ]
