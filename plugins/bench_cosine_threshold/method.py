"""Medhastra's system: cosine similarity of frozen ImageNet features, by threshold or regression.

The paper scores generated images against the reals. The official question is asked of each real
image, so the similarity is transposed: a real image's score is its largest cosine similarity to
any generated image of the questions' pool.
"""

from typing import Literal

import numpy as np

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

PAPER = "Chandrasekar et al., Detecting Training Data Fingerprints, CEUR-WS Vol-4038 paper 184"
SHARED_DEVIATIONS = (
    "the paper labels generated images; the official task asks about real ones, so the score is "
    "the largest similarity of a real image to any generated one",
    "preprocessing follows the configuration of the weights (resize and centre crop); the paper "
    "resizes to 224 x 224 without a crop",
)


class _Cosine(Method):
    """What the threshold and the regression share: similarities of reals to the generated pool."""

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

    def _similarities(self, images: ImageSet, pool: ImageSet, tools: Tools, k: int = 1):
        values, _ = tools.neighbours(
            tools.features(images, self.backbone),
            tools.features(pool, self.backbone),
            "cosine",
            min(k, len(pool)),
        )
        return values


class CosineThreshold(_Cosine):
    """Largest cosine similarity to a generated image above mean + alpha x deviation."""

    name = "cosine-threshold"
    reference = Reference(paper=PAPER, runs=("1288",))
    deviations = (
        *SHARED_DEVIATIONS,
        "mean and deviation are those of the training reals' largest similarities; the paper "
        "leaves open whether it pools all pairs or the maxima, and takes them from the questions",
        "the condition S_u > S_n is left out: the questions are not divided into used and not used",
    )

    alpha: float = Field(0.5, ge=0, description="deviations above the mean (equation 3)")
    moments: Literal["training", "questions"] = Field(
        "training", description="whose similarities give mean and deviation"
    )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the nearest generated image; label by the threshold rule."""
        pool = questions.generated
        scores = self._similarities(questions.unknown, pool, tools)[:, 0]
        if self.moments == "questions":
            population = scores
        else:
            reals = (self._training.used, self._training.not_used)
            population = np.concatenate(
                [self._similarities(images, pool, tools)[:, 0] for images in reals]
            )
        threshold = population.mean() + self.alpha * population.std()
        return Prediction(scores, (scores > threshold).astype(int))


class CosineLogistic(_Cosine):
    """Logistic regression on largest and mean top-k cosine similarity (section 4.5, adapted)."""

    name = "cosine-logistic"
    headline = False
    reference = Reference(paper=PAPER)
    deviations = (
        *SHARED_DEVIATIONS,
        "adapted: the paper regresses on the largest similarity to used and to not-used reals, "
        "which a question does not have; here on its largest and its mean top-k similarity to "
        "generated images, learnt from the labelled training reals",
    )

    k: int = Field(10, ge=1, description="how many nearest generated images the mean takes in")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Learn from the training reals against the questions' pool, then score the questions."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        pool = questions.generated

        def describe(images: ImageSet):
            values = self._similarities(images, pool, tools, self.k)
            return np.column_stack([values[:, 0], values.mean(1)])

        used, not_used = describe(self._training.used), describe(self._training.not_used)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(np.vstack([used, not_used]), np.repeat([1, 0], [len(used), len(not_used)]))
        scores = model.decision_function(describe(questions.unknown))
        return Prediction(scores, (scores > 0).astype(int))


@hookimpl
def bench_methods():
    """Return the threshold rule, its transductive variant as in the paper, and the regression."""
    return [
        CosineThreshold,
        CosineThreshold.variant(
            "cosine-threshold-transductive",
            "The threshold rule with mean and deviation of the questions themselves, as the paper.",
            access={Access.POOL, Access.TRANSDUCTIVE},
            deviations=(
                *SHARED_DEVIATIONS,
                "the condition S_u > S_n is left out: the questions are not divided into used and "
                "not used",
            ),
            moments="questions",
        ),
        CosineLogistic,
    ]
