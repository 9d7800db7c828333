"""Dividing points into clusters, and telling what the clusters stand for.

For authors of methods, beside :mod:`harness.method`. What comes out depends neither on the order of
the points nor on the number of threads: points are sorted first, for k-means starts from points by
their place, and one thread does the work, which is too short to be shared.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Clustering = Literal["kmeans", "gmm", "spectral", "agglomerative", "dbscan"]
Halving = Literal["kmeans", "gmm", "spectral"]  # those that tell how far a point leans
Points = NDArray[np.floating[Any]]  # (N, D)


def standardised(points: Points) -> NDArray[np.float64]:
    """Return points with each coordinate scaled to mean 0 and deviation 1."""
    from sklearn.preprocessing import StandardScaler

    scaled: NDArray[np.float64] = StandardScaler().fit_transform(points.astype(np.float64))
    return scaled


def cluster(points: Points, how: Clustering, count: int, seed: int) -> NDArray[np.int64]:
    """Divide points into clusters.

    Args:
        points: (N, D), in the scale in which distances count.
        how: ``kmeans``; ``gmm``, Gaussians with diagonal covariances; ``spectral``, k-means on
            :func:`embedded` points; ``agglomerative``, Ward's; ``dbscan``, density, its radius the
            median distance to the fifth neighbour.
        count: of clusters; ``dbscan`` finds its own.
        seed: of the division.

    Returns:
        (N,) cluster of each point, from 0; -1 for what ``dbscan`` calls noise.
    """
    found = np.empty(len(points), np.int64)
    order = _order(points)
    with threadpool_limits(1):
        found[order] = _divided(points[order], how, count, seed)
    return found


def _divided(points: Points, how: Clustering, count: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
    from sklearn.mixture import GaussianMixture

    count = min(count, len(np.unique(points, axis=0)))
    if count < 2 and how != "dbscan":
        return np.zeros(len(points), np.int64)
    model: Any
    if how == "gmm":
        model = GaussianMixture(count, covariance_type="diag", n_init=10, random_state=seed)
    elif how == "agglomerative":
        model = AgglomerativeClustering(count)
    elif how == "dbscan":
        model = DBSCAN(_radius(points))
    else:
        points = embedded(points, count, seed) if how == "spectral" else points
        model = KMeans(count, n_init=10, random_state=seed)
    found: NDArray[np.int64] = np.asarray(model.fit_predict(points), np.int64)
    return found


def lean(points: Points, how: Halving, seed: int) -> NDArray[np.float64]:
    """Divide points into two clusters and tell how much each leans to which.

    Args:
        points: (N, D).
        how: as in :func:`cluster`.
        seed: of the division.

    Returns:
        (N,) positive in one cluster and negative in the other: by how much the centre of the first
        is nearer than that of the second; with ``gmm``, the log odds of the first.
    """
    leaning = np.empty(len(points))
    order = _order(points)
    with threadpool_limits(1):
        leaning[order] = _leaning(points[order], how, seed)
    return leaning


def _leaning(points: Points, how: Halving, seed: int) -> NDArray[np.float64]:
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    leaning: NDArray[np.float64]
    if how == "gmm":
        mixture = GaussianMixture(2, covariance_type="diag", n_init=10, random_state=seed)
        odds = np.log(mixture.fit(points).predict_proba(points) + np.finfo(float).tiny)
        leaning = odds[:, 0] - odds[:, 1]
        return leaning
    if how == "spectral":
        points = embedded(points, 2, seed)
    distances = KMeans(2, n_init=10, random_state=seed).fit(points).transform(points)
    leaning = distances[:, 1] - distances[:, 0]
    return leaning


def embedded(points: Points, count: int, seed: int) -> NDArray[np.float64]:
    """Return the spectral embedding of N points, (N, count) (Ng, Jordan and Weiss, 2001).

    The affinity is a Gaussian whose width is the median distance; the embedding are the smallest
    eigenvectors of the normalised Laplacian, at most N - 1 of them.
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import spectral_embedding

    distances = pdist(points)
    width = np.median(distances) or 1.0
    affinity = np.exp(-squareform(np.square(distances / width)) / 2)
    count = max(1, min(count, len(points) - 1))
    embedding: NDArray[np.float64] = spectral_embedding(
        affinity, n_components=count, drop_first=False, random_state=seed
    )
    return embedding


def share_used(clusters: NDArray[np.int64], used: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return for each cluster the share of its labelled members that was used.

    Args:
        clusters: (N,) of labelled images, from 0; negative ones belong to no cluster.
        used: (N,) 1 for used, 0 for not used.
        count: of clusters, those without labelled members among them.

    Returns:
        (count,) float; that of all labelled images for a cluster without labelled members.
    """
    shares = np.full(count, np.mean(used))
    for index in np.unique(clusters[clusters >= 0]):
        shares[index] = np.mean(used[clusters == index])
    return shares


def matched(
    clusters: NDArray[np.int64], labels: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return the class that each cluster stands for, one to one, so that most labels agree.

    The best assignment (Kuhn, 1955); clusters beyond the number of classes get the class that most
    of their labelled members have.

    Args:
        clusters: (N,) of labelled images, from 0.
        labels: (N,) class of each, from 0.
        count: of clusters, those without labelled members among them.

    Returns:
        (count,) int64.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((count, labels.max() + 1), np.int64)
    np.add.at(counts, (clusters, labels), 1)
    classes: NDArray[np.int64] = counts.argmax(1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    classes[rows] = columns
    return classes


def _order(points: Points) -> NDArray[np.int64]:
    """Return an order of points that depends on their coordinates alone, the first ones first."""
    return np.lexsort(np.asarray(points).T[::-1])


def _radius(points: Points) -> float:
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(6, len(points))).fit(points)  # itself among them
    distances, _ = nearest.kneighbors(points)
    return float(max(np.median(distances[:, -1]), np.finfo(np.float64).eps))
