"""Controls. A method that does not beat them has detected nothing."""

import hashlib

import numpy as np

from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl


class Constant(Method):
    """Calls every image used."""

    name = "constant"
    task = Task.MEMBERSHIP
    access = frozenset()
    control = True

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Give every image the same score."""
        asked = len(questions.unknown)
        return Prediction(np.zeros(asked), np.ones(asked, int))


class Random(Method):
    """Calls each image used or not by a coin that its own pixels toss."""

    name = "random"
    task = Task.MEMBERSHIP
    access = frozenset()
    control = True

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Draw a uniform number from the seed and the image, whatever the order of the images."""
        scores = np.array([self._draw(image, tools.seed) for image in questions.unknown.pixels])
        return Prediction(scores, (scores > 0.5).astype(int))

    def _draw(self, image, seed: int) -> float:
        digest = hashlib.sha256(f"{seed}:".encode() + image.tobytes()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


class Blind(Method):
    """Tells used from not used by what the reals look like; never sees a generated image.

    Logistic regression on pixel statistics and backbone features. Whatever it finds is a flaw of
    the data set: after Das, Zhang and Tramer, Blind Baselines Beat Membership Inference Attacks.
    """

    name = "blind"
    task = Task.MEMBERSHIP
    access = frozenset({Access.LABELS})
    control = True

    backbone: str = Field("tf_efficientnet_lite0", description="frozen feature extractor")
    inverse_penalty: float = Field(
        0.001, gt=0, description="C of the regression; small, for there are few patients"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn used against not used from the training reals."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        used, not_used = (self._describe(s, tools) for s in (training.used, training.not_used))
        self._model = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.inverse_penalty, max_iter=1000)
        ).fit(np.vstack([used, not_used]), np.repeat([1, 0], [len(used), len(not_used)]))

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the log odds of having been used."""
        scores = self._model.decision_function(self._describe(questions.unknown, tools))
        return Prediction(scores, (scores > 0).astype(int))

    def _describe(self, images: ImageSet, tools: Tools):
        grey = images.pixels.reshape(len(images), -1) / 255
        edges = np.abs(np.diff(images.pixels.astype(float), axis=1)).mean((1, 2)) / 255
        quantiles = np.quantile(grey, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
        statistics = np.column_stack([grey.mean(1), grey.std(1), edges, quantiles])
        return np.hstack([statistics, tools.features(images, self.backbone)])


class PatientLookup(Method):
    """Tells a patient of the training part by sight; never sees a generated image.

    The difference between the largest pixel correlation with a used and with a not-used real.
    Whatever it finds means that patients stand on both sides of the split.
    """

    name = "patient-lookup"
    task = Task.MEMBERSHIP
    access = frozenset({Access.LABELS})
    control = True

    backbone: str = Field("pixels", description="what is compared; the images themselves")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training reals."""
        self._used = tools.features(training.used, self.backbone)
        self._not_used = tools.features(training.not_used, self.backbone)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by which of the two kinds of training real is nearer."""
        asked = tools.features(questions.unknown, self.backbone)
        used, _ = tools.neighbours(asked, self._used, "correlation")
        not_used, _ = tools.neighbours(asked, self._not_used, "correlation")
        scores = used[:, 0] - not_used[:, 0]
        return Prediction(scores, (scores > 0).astype(int))


@hookimpl
def bench_methods():
    """Return the controls of the membership task."""
    return [Constant, Random, Blind, PatientLookup]
