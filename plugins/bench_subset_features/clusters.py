"""AI Multimedia Lab's clusterings of reals and questions together; the reals name the clusters."""

from typing import Literal

import numpy as np

from bench_subset_features.svm import CODE, FROZEN, OWN_PREPROCESSING, PAPER, WEIGHTS
from harness.clustering import cluster, matched
from harness.method import (
    Access,
    Field,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)

MATCHED = (
    "clusters get their subsets by the best one-to-one assignment of the real images in them; the "
    "code compares the clusters' numbers with those of the subsets as they come, and does not "
    "answer by clusters"
)


class SubsetClusters(Method):
    """K-means on frozen ResNet-50 features of reals and questions; reals name the clusters."""

    name = "subset-kmeans-resnet50"
    task = Task.ATTRIBUTION
    access = frozenset({Access.LABELS, Access.TRANSDUCTIVE})
    headline = False
    reference = Reference(paper=PAPER, url=CODE)
    deviations = (FROZEN, OWN_PREPROCESSING, WEIGHTS, MATCHED)
    demo = {"backbone": "tf_efficientnet_lite0"}

    backbone: str = Field("resnet50.tv_in1k", description="frozen feature extractor")
    clustering: Literal["kmeans", "agglomerative"] = Field(
        "kmeans", description="how the features are divided, into as many clusters as subsets"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the features of the reals."""
        reals = training.real_by_class
        self._labels = reals.labels
        self._reals = reals.gather(lambda images: tools.features(images, self.backbone))

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Give a question the subset of its cluster; other subsets by how near their cluster is."""
        asked = tools.features(questions.generated, self.backbone)
        points = np.concatenate([self._reals, asked])
        found = cluster(points, self.clustering, tools.classes, tools.seed)
        own = found[len(self._reals) :]
        subsets = matched(found[: len(self._labels)], self._labels, found.max() + 1)
        centres = [points[found == number].mean(0) for number in range(len(subsets))]
        away = np.stack([np.linalg.norm(asked - centre, axis=1) for centre in centres], axis=1)
        scores = np.full((len(asked), tools.classes), -1.0)
        scores[:, subsets] = -away / max(away.max(), np.finfo(np.float32).tiny)
        scores[np.arange(len(asked)), subsets[own]] += 2
        return Prediction(scores, subsets[own])
