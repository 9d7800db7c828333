"""Densities of points in few dimensions: kernels and mixtures; the flow has a module of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (N, D)
LogDensity = Callable[[Points], NDArray[np.float64]]  # (M, D) -> (M,) logarithms

RIDGE = 1e-3  # added to variances, where the points' space is scaled to the pool's
PARTS = (1, 2, 4, 8, 16)  # components of a mixture, of which BIC chooses


def kernels(points: Points) -> LogDensity:
    """Return the kernel density with Gaussian kernels of the points' covariance, by Scott's rule.

    As SciPy's ``gaussian_kde``, but for a ridge on the covariance: fewer points than dimensions,
    or equal ones, have a density too.
    """
    from scipy.linalg import cholesky, solve_triangular
    from sklearn.neighbors import KernelDensity

    count, width = points.shape
    covariance = np.cov(points, rowvar=False, ddof=1) if count > 1 else np.zeros((width, width))
    root = cholesky(np.atleast_2d(covariance) + RIDGE * np.eye(width), lower=True)

    def white(rows: Points) -> Points:
        solved: Points = solve_triangular(root, rows.T, lower=True).T
        return solved

    bandwidth = count ** (-1 / (width + 4))
    density = KernelDensity(bandwidth=bandwidth).fit(white(points))
    volume = np.log(np.diag(root)).sum()
    return lambda rows: density.score_samples(white(rows)) - volume


def mixture(points: Points, seed: int) -> LogDensity:
    """Return a mixture of Gaussians with full covariances; BIC chooses the number of components."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    count, width = points.shape
    if count < 2:  # a single point: the Gaussian that its ridge leaves
        points = np.repeat(points, 2, 0)
    fitted = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal points have fewer clusters
        for parts in PARTS:
            if parts == 1 or parts * (width + 1) <= count:
                model = GaussianMixture(parts, reg_covar=RIDGE, random_state=seed)
                fitted.append(model.fit(points))
    best = min(fitted, key=lambda model: model.bic(points))
    return lambda rows: np.asarray(best.score_samples(rows), np.float64)
