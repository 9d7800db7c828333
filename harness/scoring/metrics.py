"""Figures of merit with 95 % intervals: what a method's answers are worth.

The figures are those of the published challenges. Each one carries the images and the independent
groups (patients) that it is computed from; where there are too few for a figure or an interval, its
note says so in place of a number. Intervals speak of other patients asked of the same trained
method; they do not cover training it anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.confusion import ATTRIBUTION, MEMBERSHIP, Figure, confusions
from harness.scoring.ranking import auc, bootstrap, rank_folds
from harness.scoring.sample import (
    MEMBERSHIP_CLASSES,
    Groups,
    Sample,
    finite,
    fold_numbers,
    group_strata,
    integers,
    make_sample,
    membership_sample,
    numbered_classes,
    one_class_fold,
)
from harness.scoring.uncertainty import (
    jackknife_interval,
    ordered_by_content,
    percentile_interval,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Name: false-positive rate in percent, and the not-used groups without which it cannot be told.
TPR_AT_FPR = {"tpr_at_fpr_5": (5, 20), "tpr_at_fpr_1": (1, 100), "tpr_at_fpr_0": (0, 10)}

_OTHER_CLASSES = ("of a patient who was not used", "another slice of a patient who was")
_ONE_GROUP = "no interval: not defined without one of the groups"


@dataclass(frozen=True)
class Metric:
    """One figure and how sure it is."""

    value: float | None  # None: not defined or not measurable here; the note says why
    low: float | None  # ends of the 95 % interval; None: no interval, the note says why
    high: float | None
    n: int  # images that the figure is computed from
    groups: int  # independent groups (patients) that these images belong to
    note: str | None = None


def _metric(
    sample: Sample,
    value: float | None,
    interval: tuple[float, float] | None = None,
    note: str | None = None,
    over: NDArray[np.bool_] | None = None,
) -> Metric:
    """Return a figure over all images, or over those that ``over`` marks."""
    codes = sample.codes if over is None else sample.codes[over]
    low, high = interval or (None, None)
    return Metric(value, low, high, codes.size, np.unique(codes).size, note)


def membership_metrics(
    truth: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Groups,
    folds: ArrayLike | None = None,
    *,
    apart: ArrayLike | None = None,
) -> dict[str, Metric]:
    """Return the figures of the question "was this image used in training?".

    Figures of labels follow scikit-learn, with "used" as the positive class; precision without a
    positive label is not defined. With folds, labels are pooled, while AUC and the true-positive
    rates are means over folds, because scores of different folds have no common scale.

    Other slices, images that were not used of patients of whom another was, are scored apart: a
    method that finds the patient is not wrong about them. ``auc_other_slice`` says how often one
    outscores an image of the others that were not used; no other figure counts them.

    ``tpr_at_fpr_X`` is the largest share of used images with a score above some threshold that at
    most X % of the not-used images exceed; a tie with the threshold is not above it. At X = 0 it is
    the share of used images that score higher than every not-used one; its interval speaks of other
    used images against that very threshold. These figures are not smooth: their interval is the
    percentile interval of a seeded bootstrap over groups. In 500 simulated draws a cell (30 to 150
    patients in each class, AUC 0.5 to 0.9) it held the true value in 91 to 98 % of draws at 5 %, 92
    to 99 % at 1 % and 95 to 100 % at 0; least where images of a patient are strongly correlated.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        labels: (N,) integers, the answers, 1 used, 0 not used.
        scores: (N,) finite floats, higher where "used" is more likely.
        groups: (N,) the patient of each image, any hashable; one per image when unknown.
        folds: (N,) integers, the fold that answered each image, or None without cross-validation.
        apart: (N,) booleans, which images are other slices, or None without any.

    Returns:
        A metric by name: kappa, accuracy, balanced_accuracy, precision, recall, specificity, f1,
        auc, tpr_at_fpr_5, tpr_at_fpr_1, tpr_at_fpr_0 and, where there are some, auc_other_slice.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, MEMBERSHIP_CLASSES)
    answers = integers("labels", labels, sample.truth.size, classes=2)
    ranked = finite(scores, sample.truth.size)
    fold = fold_numbers(folds, sample.truth.size)
    other = np.zeros(sample.truth.size, bool) if apart is None else np.asarray(apart, bool)
    if other.any():
        rest = (column[~other] for column in (sample.truth, answers, ranked, sample.codes, fold))
        rows = other | (sample.truth == 0)
        others = make_sample(other[rows].astype(int), sample.codes[rows], _OTHER_CLASSES)
        figure = _auc(others, ranked[rows], fold[rows])
        return {**membership_metrics(*rest), "auc_other_slice": figure}
    return {
        **_label_metrics(sample, answers, MEMBERSHIP),
        "auc": _auc(sample, ranked, fold),
        **_tpr_metrics(sample, ranked, fold),
    }


def auc_metric(
    truth: ArrayLike, scores: ArrayLike, groups: Groups, folds: ArrayLike | None = None
) -> Metric:
    """Return the area under the ROC curve: how often a used image outscores one that is not.

    A tie counts one half. With folds, the mean of the folds' areas.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        scores: (N,) finite floats, higher where "used" is more likely.
        groups: (N,) the patient of each image, any hashable.
        folds: (N,) integers or None, as in :func:`membership_metrics`.

    Returns:
        The metric.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, MEMBERSHIP_CLASSES)
    size = sample.truth.size
    return _auc(sample, finite(scores, size), fold_numbers(folds, size))


def kappa_metric(
    truth: ArrayLike, labels: ArrayLike, groups: Groups, *, apart: ArrayLike | None = None
) -> Metric:
    """Return Cohen's kappa alone, as :func:`membership_metrics` does among others.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample, kept = membership_sample(truth, groups, apart)
    answers = integers("labels", labels, kept.size, classes=2)[kept]
    return _label_metrics(sample, answers, {"kappa": MEMBERSHIP["kappa"]})["kappa"]


def attribution_metrics(
    truth: ArrayLike, predicted: ArrayLike, groups: Groups, classes: int
) -> dict[str, Metric]:
    """Return the figures of the question "from which training subset does this image come?".

    All but accuracy are means over classes of one class against the rest. Precision is not defined
    when a class is never answered.

    Args:
        truth: (N,) integers 0 to classes-1.
        predicted: (N,) integers 0 to classes-1.
        groups: (N,) the group of each image, any hashable; one per image when unknown.
        classes: number of classes, at least 2.

    Returns:
        A metric by name: accuracy, precision, recall, f1, specificity.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, numbered_classes(classes))
    answers = integers("predicted", predicted, sample.truth.size, classes)
    return _label_metrics(sample, answers, ATTRIBUTION)


def _label_metrics(sample: Sample, answers: Ints, figures: dict[str, Figure]) -> dict[str, Metric]:
    lacking = sample.lacking()
    if lacking:
        return {name: _metric(sample, None, note=lacking) for name in figures}
    counts, without = confusions(sample.truth, answers, sample.codes, sample.held.size)
    return {
        name: _label_metric(sample, answers, figure, counts, without)
        for name, figure in figures.items()
    }


def _label_metric(
    sample: Sample, answers: Ints, figure: Figure, counts: Floats, without: Floats
) -> Metric:
    over = figure.over(sample.truth, answers) if figure.over else None
    with np.errstate(invalid="ignore"):
        value, left = float(figure.of(counts)), figure.of(without)
    if np.isnan(value):
        never = np.array(sample.names)[counts.sum(axis=-2) == 0]
        return _metric(
            sample, None, note=f"not defined: no answer is {' or '.join(never)}", over=over
        )
    too_few = sample.too_few()
    if too_few:
        return _metric(sample, value, note=too_few, over=over)
    least, largest = figure.ends(counts)
    if least < value < largest and (answers == answers[0]).all():
        return _metric(sample, value, (value, value), "exact: all answers are the same", over)
    if np.isnan(left).any():
        return _metric(sample, value, note=_ONE_GROUP, over=over)
    codes = sample.codes if over is None else sample.codes[over]
    independent = int(sample.held.min()) if figure.by_class else np.unique(codes).size
    strata = group_strata(sample.truth, sample.codes, np.zeros_like(sample.codes))
    interval = jackknife_interval(value, left, strata, independent, (least, largest))
    return _metric(sample, value, interval, over=over)


def _auc(sample: Sample, scores: Floats, folds: Ints) -> Metric:
    lacking = sample.lacking() or one_class_fold(sample.truth, folds)
    if lacking:
        return _metric(sample, None, note=lacking)
    parts = [auc(sample.truth, sample.codes, scores, folds == fold) for fold in np.unique(folds)]
    value = float(np.mean([whole for whole, _ in parts]))
    without = np.mean([left for _, left in parts], axis=0)
    too_few = sample.too_few()
    if too_few:
        return _metric(sample, value, note=too_few)
    if all(np.unique(scores[folds == fold]).size == 1 for fold in np.unique(folds)):
        return _metric(sample, value, (value, value), "exact: all scores are the same")
    if np.isnan(without).any():
        return _metric(sample, value, note=_ONE_GROUP)
    strata = group_strata(sample.truth, sample.codes, folds)
    interval = jackknife_interval(value, without, strata, int(sample.held.min()))
    return _metric(sample, value, interval)


def _tpr_metrics(sample: Sample, scores: Floats, folds: Ints) -> dict[str, Metric]:
    lacking = sample.lacking() or one_class_fold(sample.truth, folds)
    if lacking:
        return {name: _metric(sample, None, note=lacking) for name in TPR_AT_FPR}
    codes = ordered_by_content(sample.codes, sample.truth, scores, folds)
    rankings = list(rank_folds(sample.truth, codes, scores, folds))
    limits = [percent for percent, _ in TPR_AT_FPR.values()]
    whole = np.ones((1, sample.count), dtype=np.int64)
    values = np.mean([ranking.rates(whole, limits) for ranking in rankings], axis=0)[:, 0]
    fewest = min(np.unique(ranking.codes[ranking.used == 0]).size for ranking in rankings)
    too_few = sample.too_few()
    strata = group_strata(sample.truth, codes, folds)
    drawn = None if too_few else bootstrap(rankings, strata, limits)
    metrics = {}
    for row, (name, (_, needed)) in enumerate(TPR_AT_FPR.items()):
        value = float(values[row])
        if fewest < needed:
            where = " in every fold" if len(rankings) > 1 else ""
            note = f"not measurable: needs {needed} not-used groups{where}, has {fewest}"
            metrics[name] = _metric(sample, None, note=note)
        elif drawn is None:
            metrics[name] = _metric(sample, value, note=too_few)
        else:
            interval = percentile_interval(value, drawn[row], int(sample.held[1]))
            metrics[name] = _metric(sample, value, interval, "interval by bootstrap over groups")
    return metrics
