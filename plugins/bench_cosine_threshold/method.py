"""Medhastra's system: cosine similarity of frozen ImageNet features, by threshold or regression.

The paper scores generated images against the reals. The official question is asked of each real
image, so the similarity is transposed: a real image's score is its largest cosine similarity to
any generated image of the questions' pool.
"""

from typing import Literal

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
from harness.thresholds import Rows, out_of_fold

PAPER = "Chandrasekar et al., Detecting Training Data Fingerprints, CEUR-WS Vol-4038 paper 184"
TRANSPOSED = (
    "the paper labels generated images; the official task asks about real ones, so the score is "
    "the largest similarity of a real image to any generated one"
)
PREPROCESSING = (
    "preprocessing follows the configuration of the weights (resize and centre crop); the paper "
    "resizes to 224 x 224 without a crop"
)
MOMENTS = (
    "mean and deviation are those of the training reals' largest similarities; the paper leaves "
    "open whether it pools all pairs or the maxima, and takes them from the questions"
)
NO_COMPARISON = (
    "the condition S_u > S_n is left out: the questions are not divided into used and not used"
)


class _Cosine(Method):
    """What all variants share: similarities of reals to the generated images of the questions."""

    name = "cosine"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    demo = {"backbone": "tf_efficientnet_lite0"}

    backbone: str = Field(
        "resnet50.tv_in1k", description="frozen feature extractor; the paper's is ResNet-50"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part: its reals are compared with the pool that the questions meet."""
        self._training = training

    def _nearest(
        self, images: ImageSet, pool: ImageSet, tools: Tools, k: int = 1
    ) -> NDArray[np.float32]:
        """Return (N, k) similarities of each image to its k nearest ones of ``pool``."""
        values, _ = tools.neighbours(
            tools.features(images, self.backbone),
            tools.features(pool, self.backbone),
            "cosine",
            min(k, len(pool)),
        )
        return values

    def _reals(self, pool: ImageSet, tools: Tools) -> NDArray[np.float32]:
        """Return (N,) largest similarities of the training reals, used ones first."""
        return self._training.reals.gather(lambda s: self._nearest(s, pool, tools)[:, 0])


class CosineThreshold(_Cosine):
    """Largest cosine similarity to a generated image above mean + alpha x deviation."""

    name = "cosine-threshold"
    reference = Reference(paper=PAPER, runs=("1288",))
    deviations = (TRANSPOSED, PREPROCESSING, MOMENTS, NO_COMPARISON)

    alpha: float = Field(0.5, ge=0, description="deviations above the mean (equation 3)")
    moments: Literal["training", "questions"] = Field(
        "training", description="whose similarities give mean and deviation"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the nearest generated image; label by the threshold rule."""
        scores = self._nearest(questions.unknown, questions.generated, tools)[:, 0]
        if self.moments == "questions":
            population = scores
        else:
            population = self._reals(questions.generated, tools)
        return Prediction(scores, (scores > _threshold(population, self.alpha)).astype(int))


class CosineThresholdGrid(_Cosine):
    """The threshold rule with alpha chosen from the paper's grid on the training reals."""

    name = "cosine-threshold-grid"
    headline = False
    reference = Reference(paper=PAPER)
    deviations = (
        *CosineThreshold.deviations,
        "alpha is the one of best kappa on training reals that mean and deviation have not seen; "
        "the paper weighs precision, recall, F1 and AUC on its training set, and settles on 0.5",
    )

    grid: tuple[float, ...] = Field(
        (0.1, 0.3, 0.5, 0.7, 1.0), min_length=1, description="what alpha is chosen from (4.4)"
    )
    folds: int = Field(5, ge=2, description="of the training reals, by patient")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Choose alpha, then score and label as the threshold rule does."""
        reals = self._reals(questions.generated, tools)
        scores = self._nearest(questions.unknown, questions.generated, tools)[:, 0]
        threshold = _threshold(reals, self._choose(reals, tools))
        return Prediction(scores, (scores > threshold).astype(int))

    def _choose(self, reals: NDArray[np.float32], tools: Tools) -> float:
        """Return the alpha of best out-of-fold kappa; of equally good ones the first."""
        from sklearn.metrics import cohen_kappa_score

        def above_mean(learnt: Rows, held: Rows) -> NDArray[np.float32]:
            deviation = max(float(reals[learnt].std()), np.finfo(np.float32).tiny)
            above: NDArray[np.float32] = (reals[held] - reals[learnt].mean()) / deviation
            return above

        labels, groups = self._training.reals.labels, self._training.reals.groups
        deviations = out_of_fold(
            labels, groups, above_mean, folds=self.folds, seed=tools.seed, log=tools.log
        )
        alpha = max(self.grid, key=lambda alpha: cohen_kappa_score(labels, deviations > alpha))
        tools.log(f"alpha {alpha} has the best kappa on held-out training reals")
        return alpha


class CosineThresholdBoth(_Cosine):
    """Both conditions of the paper, a question standing in for the used set (equation 4)."""

    name = "cosine-threshold-both"
    headline = False
    reference = Reference(paper=PAPER)
    deviations = (
        "the paper compares a generated image with all used and all not-used reals; a question is "
        "tried in the place of the used ones: it is used if it is nearer to some generated image "
        "than the threshold and than every not-used training real",
        PREPROCESSING,
        MOMENTS,
    )

    alpha: float = Field(0.5, ge=0, description="deviations above the mean (equation 3)")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the largest margin that any generated image gives; label by its sign."""
        pool, asked, not_used = (
            _unit(tools.features(images, self.backbone))
            for images in (questions.generated, questions.unknown, self._training.not_used)
        )
        threshold = _threshold(self._reals(questions.generated, tools), self.alpha)
        bars = np.maximum(tools.neighbours(pool, not_used, "dot")[0], threshold)
        # A further column turns max over G of cos(G, R) - bar(G) into a largest dot product.
        raised = np.hstack([asked, np.ones((len(asked), 1), np.float32)])
        margins, _ = tools.neighbours(raised, np.hstack([pool, -bars]), "dot")
        return Prediction(margins[:, 0], (margins[:, 0] > 0).astype(int))


class CosineLogistic(_Cosine):
    """Logistic regression on largest and mean top-k cosine similarity (section 4.5, adapted)."""

    name = "cosine-logistic"
    headline = False
    reference = Reference(paper=PAPER)
    deviations = (
        TRANSPOSED,
        PREPROCESSING,
        "adapted: the paper regresses on the largest similarity to used and to not-used reals, "
        "which a question does not have; here on its largest and its mean top-k similarity to "
        "generated images, learnt from the labelled training reals",
        "all training reals are learnt from; the paper keeps a fifth of its images to evaluate",
    )

    k: int = Field(10, ge=1, description="how many nearest generated images the mean takes in")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Learn from the training reals, then score the questions; label by even odds."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        def describe(images: ImageSet) -> NDArray[np.float32]:
            values = self._nearest(images, questions.generated, tools, self.k)
            return np.column_stack([values[:, 0], values.mean(1)])

        reals = self._training.reals
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(reals.gather(describe), reals.labels)
        scores = model.decision_function(describe(questions.unknown))
        return Prediction(scores, (scores > 0).astype(int))


def _threshold(population: NDArray[np.float32], alpha: float) -> float:
    """Return mean + alpha x population deviation of (N,) similarities (equation 3)."""
    return float(population.mean() + alpha * population.std())


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, D) rows at length 1."""
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    return unit


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the threshold rule and its variants, and the regression."""
    return [
        CosineThreshold,
        CosineThreshold.variant(
            "cosine-threshold-transductive",
            "The threshold rule with mean and deviation of the questions themselves, as the paper.",
            access={Access.POOL, Access.TRANSDUCTIVE},
            deviations=(TRANSPOSED, PREPROCESSING, NO_COMPARISON),
            moments="questions",
        ),
        CosineThresholdGrid,
        CosineThresholdBoth,
        CosineLogistic,
    ]
