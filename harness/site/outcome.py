"""The answers behind a record, beside the truth, where both are at hand."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    if record.predictions is None or Path(record.predictions.path).name != record.predictions.path:
        return None
    try:
        content = (folder / record.predictions.path).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != record.predictions.sha256:
        return None
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    asked = [(name, case.name) for case in cases for name in case.asked.ids]
    if [(row["image"], row["case"]) for row in rows] != asked:
        return None
    kept = np.flatnonzero(~np.concatenate([case.apart for case in cases]))
    sizes = [len(case.asked) for case in cases]
    return Outcome(
        truth=np.concatenate([case.truth for case in cases])[kept],
        scores=np.array([float(row["score"]) for row in rows])[kept],
        folds=np.repeat(np.arange(len(cases)), sizes)[kept],
        places=kept,
    )
