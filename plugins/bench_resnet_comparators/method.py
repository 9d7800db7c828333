"""Team 603110 of SSN at ImageCLEF 2023: three comparators behind a ResNet.

A relation network, Ward clustering, and a support vector machine on pairs of images.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bench_resnet_comparators.common import PREPROCESSING, Pooling, drawn, pooled, reference
from bench_resnet_comparators.relation import UNKNOWN, RelationNetworkMethod
from bench_resnet_comparators.svm import PairMachine
from harness.clustering import cluster, share_used
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

SOFTMAX = (
    "the published code applies the softmax to one pair at a time when it answers, which gives 1 "
    "whatever the pair; here the score before the softmax is averaged"
)
SNAPSHOT = "the paper was not at hand; what is not said here follows the published notebook"


class FeatureSVM(Method):
    """Support vector machine on the features of a real and a generated image in a row."""

    name = "feature-svm"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    headline = False
    reference = reference("603110-3")
    deviations = (
        SNAPSHOT,
        PREPROCESSING,
        "a question is scored by its mean decision over all generated images; the notebook ends "
        "before its pairs are put together",
    )
    demo = {"backbone": "tf_efficientnet_lite0", "pooling": "average", "partners": 50}

    backbone: str = Field("resnet101.tv_in1k", description="frozen feature extractor")
    pooling: Pooling = Field("max", description="of each channel over all positions")
    partners: int = Field(500, ge=1, description="generated images each real is learnt with")
    penalty: float = Field(1.0, gt=0, description="C, of margins that are not kept")

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn from every training real with each of the same generated images."""
        rows = drawn(self.partners, len(training.generated), tools.seed)
        reals = training.reals
        self._machine = PairMachine.learnt(
            reals.gather(lambda images: pooled(images, self.backbone, self.pooling, tools)),
            reals.labels,
            pooled(training.generated[rows], self.backbone, self.pooling, tools),
            self.penalty,
        )
        if not self._machine.settled:
            tools.log("the support vector machine did not settle: its weights are not exact")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the mean decision over all pairs of a question; label by its sign."""
        asked, pool = (
            pooled(images, self.backbone, self.pooling, tools)
            for images in (questions.unknown, questions.generated)
        )
        scores = self._machine.decisions(asked, pool).mean(1)
        return Prediction(scores, (scores > 0).astype(int))


class WardClustering(Method):
    """Ward's clustering of the real images; used is the cluster with the larger used share."""

    name = "ward-clustering"
    task = Task.MEMBERSHIP
    access = frozenset({Access.LABELS, Access.TRANSDUCTIVE})
    headline = False
    reference = reference("603110-2")
    deviations: ClassVar[tuple[str, ...]] = (
        SNAPSHOT,
        PREPROCESSING,
        "training reals are clustered with the questions, so that labels tell which cluster is "
        "which; the notebook clusters the questions alone and submits the numbers of the clusters",
    )
    demo = {"backbone": "tf_efficientnet_lite0", "pooling": "average"}

    backbone: str = Field("resnet50.tv_in1k", description="frozen feature extractor")
    pooling: Pooling = Field("max", description="of each channel over all positions")
    clusters: int = Field(2, ge=2, description="how many")

    def fit(self, training: Training, tools: Tools) -> None:
        """Describe the labelled reals."""
        self._used = training.reals.labels
        self._reals = training.reals.gather(lambda images: self._points(images, tools))

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the share of used among the training reals of the same cluster."""
        points = np.concatenate([self._reals, self._points(questions.unknown, tools)])
        found = cluster(points, "agglomerative", self.clusters, tools.seed)
        known, asked = np.split(found, [len(self._reals)])
        scores = share_used(known, self._used, found.max() + 1)[asked]
        return Prediction(scores, (scores > self._used.mean()).astype(int))

    def _points(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        return pooled(images, self.backbone, self.pooling, tools)


class WardAsCoded(WardClustering):
    """Ward's clustering of the questions alone; the number of a cluster is the answer."""

    name = "ward-clustering-as-coded"
    access = frozenset({Access.TRANSDUCTIVE})
    reference = reference()
    deviations = (SNAPSHOT, PREPROCESSING)

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing: no labelled image is looked at."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score and label by the cluster's number, which means nothing."""
        points = self._points(questions.unknown, tools)
        found = cluster(points, "agglomerative", 2, tools.seed)
        return Prediction(found.astype(float), found)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the relation network, the support vector machine and the clustering, with variants."""
    return [
        RelationNetworkMethod,
        RelationNetworkMethod.variant(
            "relation-network-as-coded",
            "The relation network with the random encoders and the softmax of the published code.",
            reference=reference(),
            deviations=(UNKNOWN, SOFTMAX),
            demo={**RelationNetworkMethod.demo, "backbone": "tf_efficientnet_lite0@random:0"},
            backbone="resnet101@random:0",
            loss="softmax",
        ),
        FeatureSVM,
        WardClustering,
        WardAsCoded,
    ]
