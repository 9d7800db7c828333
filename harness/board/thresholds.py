"""Thresholds of a board: kappa of the same scores at rules that are the same for every method.

The rule that is learnt on the labelled training reals needs their scores out of fold, by methods
that did not learn from them. Those are the answers of the same method in cross-validation (``bench
run --protocol cv``), against the very pool that the questions meet; without them there is no such
figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.board.answers import Answers, read_predictions
from harness.datasets.cases import Protocol, make_cases
from harness.datasets.dataset import Dataset
from harness.running.records import Figure, Record
from harness.scoring.cuts import kappas
from harness.thresholds import best_kappa_threshold


def rehearsals(records: Sequence[Record], others: Sequence[Record]) -> dict[str, Record]:
    """Return the cross-validation of each official run, by the run's file of answers.

    Args:
        records: of the official protocol.
        others: of the same data set, among them those in cross-validation.
    """
    known = {
        _likeness(other): other
        for other in others
        if other.protocol == Protocol.CV and other.predictions is not None
    }
    return {
        record.predictions.path: known[_likeness(record)]
        for record in records
        if record.predictions is not None and _likeness(record) in known
    }


def _likeness(record: Record) -> str:
    """Return all that two runs of a method have in common, if they differ in protocol alone."""
    return repr((record.method, record.dataset.fingerprint, record.auxiliary, record.seed))


def other_thresholds(
    answers: Answers, folder: Path, rehearsed: dict[str, Record], dataset: Dataset
) -> dict[str, dict[str, Figure]]:
    """Return kappa at other thresholds, by file of answers and name of the figure.

    Args:
        answers: of a membership board of the official protocol.
        folder: the results of the data set.
        rehearsed: as :func:`rehearsals` gives them.
        dataset: opened.
    """
    sets = dataset.sets
    used, unused = (len(sets[name]) for name in ("train/used", "train/not_used"))
    common: dict[str, Any] = {
        "share": used / (used + unused),
        "groups": answers.groups,
        "apart": answers.apart,
    }
    found = {}
    for name, scores in zip(answers.names, answers.scores, strict=True):
        record = rehearsed.get(name)
        threshold = None if record is None else _learnt(folder, record, dataset)
        figures = kappas(answers.truth, scores, threshold=threshold, **common)
        found[name] = {key: Figure(**asdict(metric)) for key, metric in figures.items()}
    return found


def _learnt(folder: Path, record: Record, dataset: Dataset) -> float | None:
    """Return the threshold that is best for the training reals, each scored by other folds."""
    cases = make_cases(dataset, Protocol.CV, record.seed)
    answered = read_predictions(folder, record, cases)
    if answered is None:
        return None
    return best_kappa_threshold(answered[:, 1], np.concatenate([case.truth for case in cases]))
