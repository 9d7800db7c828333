"""Turning scores into labels, by rules that look at labelled training images alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.method import Labelled, Prediction, Tools

Points = NDArray[Any]  # (N, D) numbers
Rows = NDArray[np.intp]  # (N,) numbers of images


def best_kappa_threshold(scores: NDArray[Any], used: NDArray[Any]) -> float:
    """Return the threshold above which calling an image used gives the largest Cohen's kappa.

    Args:
        scores: (N,) of labelled images, higher means more likely used.
        used: (N,) 1 for used, 0 for not used.

    Returns:
        The middle between two neighbouring scores; of equally good ones the lowest. Minus infinity
        when calling everything used is best.
    """
    order = np.argsort(scores, kind="stable")
    values, truth = np.asarray(scores, float)[order], np.asarray(used)[order]
    positives, n = truth.sum(), len(truth)
    cut = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)  # images from ``cut`` on are flagged
    flagged = n - cut
    hits = positives - np.concatenate([[0], np.cumsum(truth)])[cut]
    agreement = (2 * hits - flagged - positives + n) / n
    chance = (flagged * positives + (n - flagged) * (n - positives)) / n**2
    kappa = np.divide(agreement - chance, 1 - chance, out=np.zeros(len(cut)), where=chance < 1)
    best = int(cut[np.argmax(kappa)])
    return -np.inf if best == 0 else float((values[best - 1] + values[best]) / 2)


def patient_folds(
    used: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    folds: int,
    seed: int,
    log: Callable[[str], None],
) -> list[tuple[Rows, Rows]]:
    """Return for each fold of patients the images to learn from, and those held out.

    With fewer than two patients of a class nothing can be held out: then all images are both, once,
    and the log says so.

    Args:
        used: (N,) 1 for used, 0 for not used; all alike where there is one class only.
        groups: (N,) the patient of each image; ``None`` counts every image as a patient.
        folds: at most so many; fewer where a class has fewer patients.
        seed: of the division into folds.
        log: told when there were too few patients.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.arange(len(used))
    patients = rows if groups is None else np.asarray(groups)
    classes = np.unique(used)
    smallest = min(len(np.unique(patients[np.asarray(used) == label])) for label in classes)
    divided = []
    if smallest > 1:
        splitter = StratifiedGroupKFold(min(folds, smallest), shuffle=True, random_state=seed)
        divided = list(splitter.split(rows, used, patients))
    if not divided or any(len(np.unique(used[learnt])) < len(classes) for learnt, _ in divided):
        log("too few patients to hold any out: all are judged by what was learnt from themselves")
        return [(rows, rows)]
    return divided


def out_of_fold(
    used: NDArray[Any],
    groups: NDArray[Any] | None,
    score_of: Callable[[Rows, Rows], NDArray[Any]],
    *,
    folds: int,
    seed: int,
    log: Callable[[str], None],
) -> NDArray[np.float64]:
    """Return (N,) scores of labelled images, each by what was learnt from other folds' patients.

    Args:
        used: (N,) 1 for used, 0 for not used.
        groups: (N,) the patient of each image; ``None`` counts every image as a patient.
        score_of: learns from the first rows, returns scores of the second.
        folds: as in :func:`patient_folds`, which also says what too few patients mean.
        seed: of the division into folds.
        log: told when there were too few patients.
    """
    scores = np.empty(len(used))
    for learnt, held in patient_folds(used, groups, folds=folds, seed=seed, log=log):
        scores[held] = score_of(learnt, held)
    return scores


def judged_by_reference(
    reals: Labelled,
    known: Points,
    asked: Points,
    score_of: Callable[[Points, Points], NDArray[Any]],
    *,
    folds: int,
    tools: Tools,
) -> Prediction:
    """Score questions against reference reals; label them at the threshold of best kappa.

    The training reals that were not used stand for the reference. For the threshold each training
    real is scored against those of other folds' patients, so that none is its own reference.

    Args:
        reals: the training reals.
        known: (N, D) what is compared of them.
        asked: (Q, D) the same of the questions.
        score_of: takes (R, D) of reference reals and (M, D) of others, returns the others' scores.
        folds: of patients, as in :func:`out_of_fold`.
        tools: of the cell.
    """

    def scored(learnt: Rows, held: Rows) -> NDArray[Any]:
        return score_of(known[learnt[reals.labels[learnt] == 0]], known[held])

    held_out = out_of_fold(
        reals.labels, reals.groups, scored, folds=folds, seed=tools.seed, log=tools.log
    )
    scores = score_of(known[reals.labels == 0], asked)
    threshold = best_kappa_threshold(held_out, reals.labels)
    return Prediction(scores, (scores > threshold).astype(int))
