"""Confusion: counts of the answers to each class, and the figures of labels that they give.

Every figure is a function of counts[..., truth, predicted], so that it is computed for many tables
of counts at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure of labels."""

    of: Callable[[Floats], Floats]  # (..., C, C) counts[truth, predicted] -> (...)
    over: Callable[[Ints, Ints], NDArray[np.bool_]] | None = None  # its images; None: all
    by_class: bool = False  # a perfect value needs every class, so the smallest one limits it
    ends: Callable[[Floats], tuple[float, float]] = lambda _: (0.0, 1.0)


def confusions(truth: Ints, answers: Ints, codes: Ints, classes: int) -> tuple[Floats, Floats]:
    """Count the answers to each class, over all groups and without each one.

    Without a group, each class is scaled back to its full count: how many images of a class are
    asked about is the challenge's choice, and no part of the chance that an interval describes.

    Args:
        truth: (N,) class of each image.
        answers: (N,) class that each image is given.
        codes: (N,) group of each image, 0 to G-1.
        classes: number of classes C.

    Returns:
        (C, C) counts[truth, predicted] and, (G, C, C), the same without each group; NaN where a
        group holds all images of a class.
    """
    groups = int(codes.max()) + 1
    cells = (codes * classes + truth) * classes + answers
    shape = (groups, classes, classes)
    each = np.bincount(cells, minlength=groups * classes**2).reshape(shape).astype(np.float64)
    counts = each.sum(0)
    without = counts - each
    with np.errstate(divide="ignore", invalid="ignore"):
        without *= counts.sum(-1, keepdims=True) / without.sum(-1, keepdims=True)
    return counts, without


def _sum(counts: Floats, *axes: int) -> Floats:
    total: Floats = counts.sum(axis=axes)
    return total


def _right(counts: Floats) -> Floats:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _recall(counts: Floats) -> Floats:
    return _right(counts) / _sum(counts, -1)


def _precision(counts: Floats) -> Floats:
    return _right(counts) / _sum(counts, -2)


def _f1(counts: Floats) -> Floats:
    return 2 * _right(counts) / (_sum(counts, -1) + _sum(counts, -2))


def _specificity(counts: Floats) -> Floats:
    rest = _sum(counts, -1, -2)[..., None] - _sum(counts, -1)
    return 1 - (_sum(counts, -2) - _right(counts)) / rest


def _accuracy(counts: Floats) -> Floats:
    return _sum(_right(counts), -1) / _sum(counts, -1, -2)


def _kappa(counts: Floats) -> Floats:
    chance = _chance(counts)
    return (_accuracy(counts) - chance) / (1 - chance)


def _kappa_ends(counts: Floats) -> tuple[float, float]:
    chance = float(_chance(counts))
    return -chance / (1 - chance), 1.0


def _chance(counts: Floats) -> Floats:
    """Return the accuracy of answers that know no more than how often each class is given."""
    return _sum(_sum(counts, -1) * _sum(counts, -2), -1) / _sum(counts, -1, -2) ** 2


MEMBERSHIP = {
    "kappa": Figure(_kappa, ends=_kappa_ends),
    "accuracy": Figure(_accuracy),
    "balanced_accuracy": Figure(lambda counts: _recall(counts).mean(-1), by_class=True),
    "precision": Figure(lambda counts: _precision(counts)[..., 1], lambda _, label: label == 1),
    "recall": Figure(lambda counts: _recall(counts)[..., 1], lambda truth, _: truth == 1),
    "specificity": Figure(lambda counts: _recall(counts)[..., 0], lambda truth, _: truth == 0),
    "f1": Figure(lambda counts: _f1(counts)[..., 1], by_class=True),
}
ATTRIBUTION = {
    "accuracy": Figure(_accuracy),
    "precision": Figure(lambda counts: _precision(counts).mean(-1), by_class=True),
    "recall": Figure(lambda counts: _recall(counts).mean(-1), by_class=True),
    "f1": Figure(lambda counts: _f1(counts).mean(-1), by_class=True),
    "specificity": Figure(lambda counts: _specificity(counts).mean(-1), by_class=True),
}
