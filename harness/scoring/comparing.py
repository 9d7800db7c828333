"""Comparing methods that answered the same questions: pair by pair, and all of a board at once."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.confusion import MEMBERSHIP, confusions
from harness.scoring.correction import holm
from harness.scoring.differences import (
    ALPHA,
    Difference,
    Estimates,
    difference,
    most_freedom,
    pairwise_ps,
)
from harness.scoring.ranking import auc
from harness.scoring.sample import (
    Groups,
    Sample,
    answer_rows,
    finite,
    fold_numbers,
    group_strata,
    make_sample,
    mean_by_method,
    membership_sample,
    method_numbers,
    numbered_classes,
    one_class_fold,
)
from harness.scoring.uncertainty import ordered_by_content

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = TypeVar("Rows", Ints, Floats)


@dataclass(frozen=True)
class Overlap:
    """How right and wrong answers of two methods fall together, as shares of the images."""

    both_right: float
    only_first: float
    only_second: float
    both_wrong: float


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same questions."""

    differences: dict[str, Difference]  # first less second, by the name of the figure
    overlap: Overlap | None  # None without images
    mcnemar_p: float  # exact and two-sided; takes images as independent


@dataclass(frozen=True)
class Ranks:
    """Methods ranked with ties."""

    ranks: tuple[int, ...] | None  # 1 + how many are significantly better; None: cannot tell
    better: NDArray[np.bool_]  # (M, M) whether the row is significantly better than the column
    ps: Floats  # (M, M) two-sided, corrected for the number of pairs (Holm); 1 on the diagonal
    note: str | None = None  # why there are no ranks


def membership_comparison(
    truth: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike | None,
    groups: Groups,
    folds: ArrayLike | None = None,
    *,
    apart: ArrayLike | None = None,
) -> Comparison:
    """Compare two methods that say which images were used in training.

    Differences have a 95 % interval and a two-sided p value from the jackknife over groups, see
    :mod:`harness.scoring.differences`. With folds, labels are pooled and AUC is the mean over
    folds. Other slices are left out.

    McNemar's test (1947) asks whether two methods are right equally often, from the images that
    only one of them is right about. It takes images as independent: where patients have several,
    its p value is too small, and the one to believe is that of the difference of accuracy, which
    goes by group.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        labels: (2, N) integers, the answers of either method, 1 used, 0 not used.
        scores: (2, N) finite floats, higher where "used" is more likely, or None.
        groups: (N,) the patient of each image, any hashable; one per image when unknown.
        folds: (N,) integers, the fold that answered each image, or None without cross-validation.
        apart: (N,) booleans, which images are other slices, or None without any.

    Returns:
        The comparison, with differences of kappa, accuracy and, if there are scores, auc.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample, kept = membership_sample(truth, groups, apart)
    answers = _two(answer_rows("labels", labels, kept.size, 2))[:, kept]
    differences = {name: _label_difference(sample, answers, name) for name in ("kappa", "accuracy")}
    if scores is not None:
        ranked = _two(np.stack([finite(row, kept.size) for row in np.asarray(scores)]))[:, kept]
        differences["auc"] = _auc_difference(sample, ranked, fold_numbers(folds, kept.size)[kept])
    return _comparison(differences, answers == sample.truth)


def attribution_comparison(
    truth: ArrayLike, predicted: ArrayLike, groups: Groups, classes: int
) -> Comparison:
    """Compare two methods that say from which training subset images come.

    Args:
        truth: (N,) integers 0 to classes-1.
        predicted: (2, N) integers 0 to classes-1, the answers of either method.
        groups: (N,) the group of each image, any hashable; one per image when unknown.
        classes: number of classes, at least 2.

    Returns:
        The comparison, as of :func:`membership_comparison`, with the difference of accuracy.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, numbered_classes(classes))
    answers = _two(answer_rows("predicted", predicted, sample.truth.size, classes))
    differences = {"accuracy": _label_difference(sample, answers, "accuracy")}
    return _comparison(differences, answers == sample.truth)


def membership_ranks(
    truth: ArrayLike,
    labels: ArrayLike,
    groups: Groups,
    *,
    apart: ArrayLike | None = None,
    methods: ArrayLike | None = None,
) -> Ranks:
    """Rank methods by kappa, with ties.

    A rank is 1 + the number of methods that are significantly better: by the paired jackknife over
    groups, two-sided at 5 %, all pairs corrected together (Holm 1979). So among methods that are
    equally good, one in twenty boards at most calls any of them better than another.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        labels: (R, N) integers, the answers of each run, 1 used, 0 not used.
        groups: (N,) the patient of each image, any hashable; one per image when unknown.
        apart: (N,) booleans, which images are other slices, or None without any.
        methods: (R,) integers 0 to M-1, the method of each run where a method has several, which
            differ in their seed: its figure is their mean. None: every run is a method.

    Returns:
        The ranks, in the order of the methods.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample, kept = membership_sample(truth, groups, apart)
    answers = answer_rows("labels", labels, kept.size, 2)[:, kept]
    return _ranks(sample, answers, "kappa", method_numbers(methods, len(answers)))


def attribution_ranks(
    truth: ArrayLike,
    predicted: ArrayLike,
    groups: Groups,
    classes: int,
    *,
    methods: ArrayLike | None = None,
) -> Ranks:
    """Rank methods by accuracy, with ties, as :func:`membership_ranks` does by kappa.

    Args:
        truth: (N,) integers 0 to classes-1.
        predicted: (R, N) integers 0 to classes-1, the answers of each run.
        groups: (N,) the group of each image, any hashable; one per image when unknown.
        classes: number of classes, at least 2.
        methods: as of :func:`membership_ranks`.

    Returns:
        The ranks, in the order of the methods.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, numbered_classes(classes))
    answers = answer_rows("predicted", predicted, sample.truth.size, classes)
    return _ranks(sample, answers, "accuracy", method_numbers(methods, len(answers)))


def _two(rows: Rows) -> Rows:
    if len(rows) != 2:
        raise ValueError(f"a comparison is of 2 methods, not {len(rows)}")
    return rows


def _label_estimates(sample: Sample, answers: Ints, name: str) -> Estimates:
    codes = ordered_by_content(sample.codes, sample.truth, *answers)
    counts = [confusions(sample.truth, row, codes, sample.held.size) for row in answers]
    values = MEMBERSHIP[name].of(np.array([whole for whole, _ in counts]))
    without = MEMBERSHIP[name].of(np.array([left for _, left in counts]))
    strata = group_strata(sample.truth, codes, np.zeros_like(codes))
    end = 2.0 if name == "kappa" else 1.0
    return _estimates(sample, values, without, strata, end)


def _label_difference(sample: Sample, answers: Ints, name: str) -> Difference:
    untold = sample.lacking()
    if untold:
        return _untold(sample, None, untold)
    if sample.too_few():
        of, classes = MEMBERSHIP[name].of, sample.held.size
        first, second = (confusions(sample.truth, row, sample.codes, classes)[0] for row in answers)
        return _untold(sample, float(of(first) - of(second)), f"cannot tell: {sample.too_few()}")
    estimates = _label_estimates(sample, answers, name)
    constant = (
        bool((answers == answers[:, :1]).all()) and estimates.values[0] == estimates.values[1]
    )
    exact = constant or bool((answers[0] == answers[1]).all())
    return difference(estimates, sample.truth.size, exact=exact)


def _auc_difference(sample: Sample, scores: Floats, folds: Ints) -> Difference:
    untold = sample.lacking() or one_class_fold(sample.truth, folds)
    if untold:
        return _untold(sample, None, untold)
    codes = ordered_by_content(sample.codes, sample.truth, *scores, folds)
    insides = [folds == fold for fold in np.unique(folds)]
    areas = [[auc(sample.truth, codes, row, inside) for inside in insides] for row in scores]
    values = np.array([[whole for whole, _ in row] for row in areas]).mean(-1)
    without = np.array([[left for _, left in row] for row in areas]).mean(1)
    if sample.too_few():
        return _untold(sample, float(values[0] - values[1]), f"cannot tell: {sample.too_few()}")
    if np.isnan(without).any():
        note = "cannot tell: not defined without one of the groups"
        return _untold(sample, float(values[0] - values[1]), note)
    strata = group_strata(sample.truth, codes, folds)
    estimates = _estimates(sample, values, without, strata, 1.0)
    ranks = [
        [np.unique(row[inside], return_inverse=True)[1] for inside in insides] for row in scores
    ]
    exact = all(bool((a == b).all()) for a, b in zip(*ranks, strict=True))
    return difference(estimates, sample.truth.size, exact=exact)


def _estimates(
    sample: Sample, values: Floats, without: Floats, strata: Ints, end: float
) -> Estimates:
    freedom = most_freedom(sample.codes, sample.held.size)
    return Estimates(values, without, strata, int(sample.held.min()), freedom, end)


def _untold(sample: Sample, value: float | None, note: str) -> Difference:
    return Difference(value, None, None, None, None, sample.truth.size, sample.count, note)


def _comparison(differences: dict[str, Difference], right: NDArray[np.bool_]) -> Comparison:
    from scipy.stats import binomtest  # slow to import, and ranks do without

    if not right.size:
        return Comparison(differences, None, 1.0)
    first, second = right
    kinds = (first & second, first & ~second, ~first & second, ~first & ~second)
    only, other = int(kinds[1].sum()), int(kinds[2].sum())
    p = float(binomtest(only, only + other).pvalue) if only + other else 1.0
    return Comparison(differences, Overlap(*(float(kind.mean()) for kind in kinds)), p)


def _ranks(sample: Sample, answers: Ints, name: str, of: Ints) -> Ranks:
    methods = int(of.max(initial=-1)) + 1
    untold = sample.lacking() or sample.too_few()
    if untold or methods < 2:
        ties, alike = np.zeros((methods, methods), bool), np.ones((methods, methods))
        ranks = None if untold else (1,) * methods
        return Ranks(ranks, ties, alike, untold and f"cannot tell: {untold}")
    runs = _label_estimates(sample, answers, name)
    estimates = replace(
        runs,
        values=mean_by_method(runs.values, of),
        without=mean_by_method(runs.without, of),
    )
    ps = pairwise_ps(estimates)
    pairs = np.triu_indices(methods, 1)
    corrected = np.ones_like(ps)
    corrected[pairs] = holm(ps[pairs].tolist())
    corrected = np.minimum(corrected, corrected.T)
    higher = estimates.values[:, None] > estimates.values
    better = higher & (corrected < ALPHA)
    return Ranks(tuple(int(1 + count) for count in better.sum(0)), better, corrected)
