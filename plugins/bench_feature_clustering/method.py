"""The clusterings of team Challengers: real and generated images together, or generated ones alone.

In the first system images are divided by their deep features, and what a real image's cluster is
made of answers for it. In the second the generated images have centres, and a real image is used
if it is near to one of them.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.clustering import cluster, share_used
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

PAPER = (
    "Saravanan et al., Detecting Training Data Usage in Synthetic Images Using Machine Learning "
    "Techniques, CEUR-WS Vol-4038 paper 205; as the overview describes it, CEUR-WS Vol-4038 "
    "paper 169"
)
OPEN = "only the overview of the task was at hand; what it leaves open is chosen here"
TOGETHER = (
    "the questions and their generated images are clustered together, for two of the four "
    "algorithms have no rule for an image that comes later; the overview does not say what is "
    "clustered"
)
REDUCED = (
    "50 components of features that are centred and not scaled, two clusters; the overview states "
    "neither number"
)
MADE_OF = (
    "a cluster is called used if generated images have a larger share in it than in all of the "
    "images; the overview calls the system unsupervised and does not say how clusters are mapped"
)

Dividing = Literal["kmeans", "gmm", "agglomerative", "dbscan"]


class _Clustering(Method):
    """What the variants share that cluster real and generated images together."""

    task = Task.MEMBERSHIP
    demo = {"backbone": "tf_efficientnet_lite0"}

    backbone: str = Field("resnet50.tv_in1k", description="frozen feature extractor")
    components: int = Field(50, ge=1, description="principal components that are clustered")
    clustering: Dividing = Field("kmeans", description="how the images are divided")
    count: int = Field(2, ge=2, description="clusters; DBSCAN finds its own")

    def _clusters(self, sets: list[ImageSet], tools: Tools) -> list[NDArray[np.int64]]:
        """Cluster the images of all sets together; return the clusters set by set, noise as -1."""
        features = [tools.features(images, self.backbone) for images in sets]
        points = _principal(np.concatenate(features), self.components, tools.seed)
        clusters = cluster(points, self.clustering, self.count, tools.seed)
        ends = np.cumsum([len(images) for images in sets])
        parts = np.split(clusters, ends[:-1])
        for index in np.unique(clusters):
            held = (f"{(p == index).sum()} of {s.name}" for p, s in zip(parts, sets, strict=True))
            tools.log(f"{'noise' if index < 0 else f'cluster {index}'}: {', '.join(held)}")
        return parts


class FeatureClustering(_Clustering):
    """Two clusters of real and generated images; used is the one with more generated images."""

    name = "feature-clustering"
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})
    reference = Reference(paper=PAPER, runs=("1778", "1779"))
    deviations = (
        OPEN,
        "runs 1778 and 1779 are described alike and their figures differ; k-means, the first of "
        "four algorithms named, stands for both",
        TOGETHER,
        REDUCED,
        MADE_OF,
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing: the system is unsupervised."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the share of generated images in the cluster; noise has none."""
        asked, made = self._clusters([questions.unknown, questions.generated], tools)
        generated = np.repeat([0, 1], [len(asked), len(made)])
        found = np.concatenate([asked, made])
        shares = share_used(found, generated, found.max() + 1)
        return _answer(shares, asked, float(generated.mean()))


class FeatureClusteringByLabel(_Clustering):
    """Two clusters of real and generated images; used is the one with more used training reals."""

    name = "feature-clustering-by-label"
    headline = False
    access = frozenset({Access.POOL, Access.LABELS, Access.TRANSDUCTIVE})
    reference = Reference(paper=PAPER)
    deviations = (
        OPEN,
        "a cluster is called used if used images have a larger share among its labelled members "
        "than among all training reals; the overview names no use of labels",
        "the training reals are clustered with the questions and their generated images",
        REDUCED,
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training reals: they are clustered with the questions."""
        self._reals = training.reals

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the share of used images among the cluster's labelled members."""
        used = self._reals.labels
        sets = [questions.unknown, questions.generated, *self._reals.sets]
        asked, made, *labelled = self._clusters(sets, tools)
        count = np.concatenate([asked, made, *labelled]).max() + 1
        shares = share_used(np.concatenate(labelled), used, count)
        return _answer(shares, asked, float(used.mean()))


class FeatureCentroids(Method):
    """Distance to the nearest centre of the generated images' clusters: used are the near ones."""

    name = "feature-centroids"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    headline = False
    demo = {"backbone": "tf_efficientnet_lite0"}
    reference = Reference(paper=PAPER, runs=("1776",))
    deviations = (
        OPEN,
        "ten clusters, by k-means on features as they are, and Euclidean distance; the overview "
        "states none of them",
        "the threshold is the one of best kappa on the training reals; the overview does not say "
        "how it was set",
        "the centres are those of the questions' generated images, for training reals and "
        "questions alike",
    )

    backbone: str = Field("resnet50.tv_in1k", description="frozen feature extractor")
    clustering: Literal["kmeans", "gmm", "agglomerative"] = Field(
        "kmeans", description="how the generated images are divided"
    )
    count: int = Field(10, ge=1, description="clusters of generated images")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training reals: their distances give the threshold."""
        self._reals = training.reals

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative distance; label by the threshold of the training reals."""
        pool = tools.features(questions.generated, self.backbone)
        clusters = cluster(pool, self.clustering, self.count, tools.seed)
        centres = np.stack([pool[clusters == index].mean(0) for index in np.unique(clusters)])

        def closeness(images: ImageSet) -> NDArray[np.float32]:
            features = tools.features(images, self.backbone)
            distances, _ = tools.neighbours(features, centres, "l2")
            return -distances[:, 0]

        threshold = best_kappa_threshold(self._reals.gather(closeness), self._reals.labels)
        scores = closeness(questions.unknown)
        return Prediction(scores, (scores > threshold).astype(int))


def _principal(features: NDArray[np.float32], components: int, seed: int) -> NDArray[np.float64]:
    """Return the leading principal components of (N, D) features, (N, at most ``components``)."""
    from sklearn.decomposition import PCA

    if not np.ptp(features, axis=0).any():  # all images are the same
        return np.zeros((len(features), 1))
    kept = min(components, *features.shape)
    reduction = PCA(kept, random_state=seed)
    with threadpool_limits(1):
        points: NDArray[np.float64] = reduction.fit_transform(features.astype(np.float64))
    return points


def _answer(shares: NDArray[np.float64], asked: NDArray[np.int64], overall: float) -> Prediction:
    """Answer each question by its cluster's share, used if it is above that of all images.

    Args:
        shares: (clusters,).
        asked: (N,) cluster of each question; -1 is noise, whose score is 0.
        overall: share in all images.
    """
    scores = np.append(shares, 0.0)[asked]
    return Prediction(scores, (scores > overall).astype(int))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the clusterings, one for each algorithm, and the distances to centres."""
    others: dict[str, tuple[Dividing, str]] = {
        "feature-clustering-gmm": ("gmm", "a mixture of Gaussians"),
        "feature-clustering-agglomerative": ("agglomerative", "agglomerative clustering"),
        "feature-clustering-dbscan": ("dbscan", "DBSCAN, whose noise is not used"),
    }
    variants = [
        FeatureClustering.variant(
            name,
            f"Real and generated images divided by {words}.",
            reference=Reference(paper=PAPER),
            deviations=(OPEN, TOGETHER, REDUCED, MADE_OF),
            clustering=clustering,
        )
        for name, (clustering, words) in others.items()
    ]
    patterns = FeatureCentroids.variant(
        "feature-centroids-lbp",
        "Distance to the centres of the generated images in local binary patterns.",
        reference=Reference(paper=PAPER),  # run 1776 is listed with deep features
        backbone="lbp",
    )
    return [
        FeatureClustering,
        *variants,
        FeatureClusteringByLabel,
        FeatureCentroids,
        patterns,
    ]
