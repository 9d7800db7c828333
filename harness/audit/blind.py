"""The blind gate and patient lookup: what can be told without seeing a generated image.

A classifier that tells used from not used by the reals alone has found a difference between the
two sets of patients, and any method may do the same and look as if it detected a leak (after Das,
Zhang and Tramer, *Blind Baselines Beat Membership Inference Attacks*, 2024).

The classifier is a ridge regression on the labels, on whitened principal components. It ranks
images as logistic regression with a penalty of C = 0.01 does (rank correlation above 0.99 on
phantoms and on CT), and being linear in the labels it can be trained anew on each of thousands of
permutations, without which its p value would be wrong
(:mod:`harness.audit.permutations`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.audit.cohort import Cohort
from harness.audit.permutations import DRAWS, aucs, permutation_p
from harness.audit.verdict import Test
from harness.features.neighbours import nearest
from harness.scoring.metrics import auc_metric

FOLDS = 5
COMPONENTS = 32  # principal components; fewer where there are fewer than four images for each
NEIGHBOURS = 32  # in which patient lookup within the train part looks for both classes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scores = Callable[[Floats], Floats]  # (N, B) labels -> (N, B) scores


def make_folds(labels: Ints, groups: NDArray[np.str_]) -> Ints | None:
    """Return, (N,), the fold of each image, whole patients, classes in proportion.

    Returns:
        ``None`` where a class has too few patients for each fold to hold both classes.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if min(len(np.unique(groups[labels == label])) for label in (0, 1)) < FOLDS:
        return None
    folds = np.empty(len(labels), np.int64)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for number, (_, asked) in enumerate(splitter.split(labels, labels, groups)):
        folds[asked] = number
    if any(len(np.unique(labels[folds == fold])) < 2 for fold in range(FOLDS)):
        return None
    return folds


def blind_gate(
    check: str, features: Floats, cohort: Cohort, folds: Ints, draws: int = DRAWS
) -> Test:
    """Test whether a cross-validated classifier tells used from not used by ``features``.

    Args:
        check: what the test is called.
        features: (N, D) of the images of ``cohort``.
        cohort: N labelled reals.
        folds: (N,) from :func:`make_folds`.
        draws: permutations.
    """
    scores = _ridge(_components(features), folds)
    labels = cohort.labels
    figure = auc_metric(
        labels, scores(labels[:, None].astype(np.float64))[:, 0], cohort.groups, folds
    )
    strata = 2 * folds + (cohort.parts == "test")

    def statistic(dealt: Floats) -> Floats:
        return _mean_auc(scores(dealt), dealt, folds)

    p = permutation_p(statistic, labels, cohort.groups, strata, draws)
    return Test(check, figure, p, _meaning(cohort), gate=True)


def patient_lookup(
    check: str, pixels: NDArray[np.float32], cohort: Cohort, draws: int = DRAWS
) -> Test:
    """Test whether the questions lie nearer to training reals of their own class.

    Each question is scored by its largest pixel correlation with a used training real less that
    with a not-used one. Without labelled questions, the training reals are asked about each other,
    images of the same patient left out.

    Args:
        check: what the test is called.
        pixels: (N, D) of the images of ``cohort``.
        cohort: N labelled reals.
        draws: permutations.
    """
    test = cohort.parts == "test"
    asked = cohort.take(test) if test.any() else cohort
    scores = _lookup(pixels, cohort, test) if test.any() else _lookup_within(pixels, cohort)

    def statistic(dealt: Floats) -> Floats:
        return aucs(_ranks(scores(dealt)), dealt)

    once = np.zeros(len(asked), np.int64)
    p = permutation_p(statistic, asked.labels, asked.groups, once, draws)
    found = scores(asked.labels[:, None].astype(np.float64))[:, 0]
    figure = auc_metric(asked.labels, found, asked.groups)
    return Test(check, figure, p, "patients, or their like, stand on both sides of the split")


def describe(pixels: NDArray[np.uint8]) -> Floats:
    """Return, (N, 8), statistics of (N, H, W) grey images: mean, spread, edges, quantiles."""
    grey = pixels.reshape(len(pixels), -1) / 255
    edges = np.abs(np.diff(pixels.astype(np.float64), axis=1)).mean((1, 2)) / 255
    quantiles = np.quantile(grey, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    return np.column_stack([grey.mean(1), grey.std(1), edges, quantiles])


def _components(features: Floats) -> Floats:
    """Reduce (N, D) features to whitened principal components; labels play no part."""
    from sklearn.decomposition import PCA

    spread = features.std(0)
    varied = np.asarray(features[:, spread > 1e-9] / spread[spread > 1e-9], np.float64)
    most = min(COMPONENTS, len(varied) // 4, varied.shape[1])
    parts = PCA(most, random_state=0).fit_transform(varied)
    sizes = parts.std(0)
    real = sizes > 1e-6 * sizes.max(initial=0)  # the others are rounding
    whitened: Floats = parts[:, real] / sizes[real]
    return whitened


def _ridge(parts: Floats, folds: Ints) -> Scores:
    """Return out-of-fold scores of a ridge regression as a function of the labels."""
    maps = []
    for fold in range(FOLDS):
        learnt, asked = parts[folds != fold], parts[folds == fold]
        centre = learnt.mean(0)
        learnt, asked = learnt - centre, asked - centre
        penalty = len(learnt) * np.eye(parts.shape[1])
        maps.append((asked, np.linalg.solve(learnt.T @ learnt + penalty, learnt.T)))

    def scores(labels: Floats) -> Floats:
        found = np.empty(labels.shape)
        for fold, (asked, solve) in enumerate(maps):
            found[folds == fold] = asked @ (solve @ labels[folds != fold])
        return found

    return scores


def _lookup(pixels: NDArray[np.float32], cohort: Cohort, test: NDArray[np.bool_]) -> Scores:
    used, not_used = (
        nearest(pixels[test], pixels[~test & (cohort.labels == label)], "correlation")[0][:, :1]
        for label in (1, 0)
    )
    fixed = (used - not_used).astype(np.float64)
    return lambda labels: fixed  # the labels of the training reals are not in doubt


def _lookup_within(pixels: NDArray[np.float32], cohort: Cohort) -> Scores:
    """Return leave-one-patient-out scores as a function of the labels.

    A class that is not among the nearest images counts as being as far as the last of them.
    """
    _, sizes = np.unique(cohort.groups, return_counts=True)
    most = min(len(cohort), NEIGHBOURS + int(sizes.max()))
    alike, near = nearest(pixels, pixels, "correlation", most)
    others = cohort.groups[near] != cohort.groups[:, None]
    order = np.argsort(~others, axis=1, kind="stable")[:, : min(NEIGHBOURS, most)]
    alike, near, others = (np.take_along_axis(a, order, 1) for a in (alike, near, others))
    last = np.where(others, alike, 1).min(1, keepdims=True)

    def scores(labels: Floats) -> Floats:
        found = []
        for column in labels.T:
            theirs = column[near]
            used, not_used = (
                np.where(others & (theirs == label), alike, last).max(1) for label in (1, 0)
            )
            found.append(used - not_used)
        return np.stack(found, 1).astype(np.float64)

    return scores


def _mean_auc(scores: Floats, labels: Floats, folds: Ints) -> Floats:
    each = [aucs(_ranks(scores[folds == f]), labels[folds == f]) for f in range(FOLDS)]
    mean: Floats = np.mean(each, axis=0)
    return mean


def _ranks(scores: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks: Floats = rankdata(scores, axis=0)
    return ranks


def _meaning(cohort: Cohort) -> str:
    differ = "used and not used can be told apart without any generated image"
    if cohort.grouped:
        return differ
    return f"{differ}, or slices of one patient recognise each other: give groups to know which"
