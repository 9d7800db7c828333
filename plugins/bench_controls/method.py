"""Controls. A method that does not beat them has detected nothing."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.method import (
    Access,
    Field,
    ImageSet,
    Labelled,
    Method,
    Prediction,
    Questions,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl

INVERSE_PENALTY = Field(
    0.001, gt=0, description="C of the regression; small, for there are few patients"
)


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
        digests = _digests(questions.unknown, tools.seed)
        scores = np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests])
        return Prediction(scores, (scores > 0.5).astype(int))


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
    inverse_penalty: float = INVERSE_PENALTY

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn used against not used from the training reals."""
        self._model = _regression(training.reals, self, tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the log odds of having been used."""
        scores = self._model.decision_function(_look(questions.unknown, self.backbone, tools))
        return Prediction(scores, (scores > 0).astype(int))


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


class Majority(Method):
    """Attributes every image to the subset with the most generated images in the training part."""

    name = "majority"
    task = Task.ATTRIBUTION
    access = frozenset({Access.POOL})
    control = True

    def fit(self, training: Training, tools: Tools) -> None:
        """Count the images of each subset."""
        counts = np.bincount(training.generated_by_class.labels, minlength=tools.classes)
        self._shares = counts / counts.sum()

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score the subsets by their shares; of equally large ones the first."""
        scores = np.tile(self._shares, (len(questions.generated), 1))
        return Prediction(scores, scores.argmax(1))


class RandomSubset(Method):
    """Attributes each image to a subset by a die that its own pixels cast."""

    name = "random-subset"
    task = Task.ATTRIBUTION
    access = frozenset()
    control = True

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Draw a uniform number for each subset from the seed and the image."""
        draws = (np.random.default_rng([*d]) for d in _digests(questions.generated, tools.seed))
        scores = np.array([draw.random(tools.classes) for draw in draws])
        return Prediction(scores, scores.argmax(1))


class ContentOnly(Method):
    """Attributes an image to the subset whose real images it looks like; blind to fingerprints.

    Logistic regression on pixels and their statistics, learnt from real images alone, which carry
    no generator's fingerprint. What it reaches is recognition of the subsets' content.
    """

    name = "content-only"
    task = Task.ATTRIBUTION
    access = frozenset({Access.LABELS})
    control = True

    backbone: str = Field("pixels", description="what is looked at; the images themselves")
    inverse_penalty: float = INVERSE_PENALTY

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn the subsets from their real images."""
        self._model = _regression(training.real_by_class, self, tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the log probability of each subset."""
        asked = _look(questions.generated, self.backbone, tools)
        scores = self._model.predict_log_proba(asked)
        return Prediction(scores, scores.argmax(1))


def _digests(images: ImageSet, seed: int) -> list[bytes]:
    """Return 32 bytes for each image that depend on its pixels and the seed alone."""
    salt = f"{seed}:".encode()
    return [hashlib.sha256(salt + image.tobytes()).digest() for image in images.pixels]


def _regression(reals: Labelled, method: Blind | ContentOnly, tools: Tools) -> Any:
    """Return the regression of the labels of real images on what they look like, fitted."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    looks = reals.gather(lambda images: _look(images, method.backbone, tools))
    regression = LogisticRegression(C=method.inverse_penalty, max_iter=1000)
    return make_pipeline(StandardScaler(), regression).fit(looks, reals.labels)


def _look(images: ImageSet, backbone: str, tools: Tools) -> NDArray[np.float64]:
    """Return pixel statistics and backbone features of images, (N, 8 + D)."""
    grey = images.pixels.reshape(len(images), -1) / 255
    edges = np.abs(np.diff(images.pixels.astype(float), axis=1)).mean((1, 2)) / 255
    quantiles = np.quantile(grey, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    statistics = np.column_stack([grey.mean(1), grey.std(1), edges, quantiles])
    return np.hstack([statistics, tools.features(images, backbone)])


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the controls of both tasks."""
    by_features = ContentOnly.variant(
        "content-only-features",
        "Content recognised by features of a network that was trained on photographs.",
        backbone="tf_efficientnet_lite0",
    )
    return [
        Constant, Random, Blind, PatientLookup, Majority, RandomSubset, ContentOnly, by_features,
    ]  # fmt: skip
