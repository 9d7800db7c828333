"""The answers behind a record, beside the truth, where both are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.board.answers import read_predictions
from harness.datasets.cases import Case
from harness.running.records import Record


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scores of a membership record; images that are scored apart are left out."""

    truth: NDArray[np.int64]  # (N,) 1 used, 0 not used
    scores: NDArray[np.float64]  # (N,) higher where "used" is more likely
    folds: NDArray[np.intp]  # (N,) the case that asked
    places: NDArray[np.intp]  # (N,) of each image among all that the cases asked, one after another


def read_outcome(record: Record, folder: Path, cases: Sequence[Case]) -> Outcome | None:
    """Return the answers of a record.

    Args:
        record: of a membership method.
        folder: where the file lies that the record names.
        cases: the questions of its data set, protocol and seed.

    Returns:
        ``None`` where the file is not there, or is not the one that the record was made with.
    """
    answered = read_predictions(folder, record, cases)
    if answered is None:
        return None
    kept = np.flatnonzero(~np.concatenate([case.apart for case in cases]))
    sizes = [len(case.asked) for case in cases]
    return Outcome(
        truth=np.concatenate([case.truth for case in cases])[kept],
        scores=answered[kept, 1],
        folds=np.repeat(np.arange(len(cases)), sizes)[kept],
        places=kept,
    )
