"""What the methods of a board answered, side by side with the truth."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cases import Case, Protocol, make_cases
from harness.datasets.dataset import Dataset
from harness.method import Task
from harness.running.records import Record, method_name


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of R runs to the same N questions, ordered by the images' pixels.

    Attributes:
        names: of the R files of answers.
        rows: the row of the board that each run belongs to; seeds of a method share one.
        accesses: what each run's method uses, in words.
        digests: SHA-256 of each file, in hex.
        task: of the data set.
        classes: number of classes C.
        truth: (N,) int64 class of each image.
        groups: (N,) the patient of each image.
        apart: (N,) bool, other slices of patients of whom another was used; scored apart.
        folds: (R, N) int64, the case of each image; in cross-validation the seed decides it.
        labels: (R, N) int64.
        scores: (R, N) float64, or (R, N, C) of an attribution.
    """

    names: tuple[str, ...]
    rows: tuple[str, ...]
    accesses: tuple[str, ...]
    digests: tuple[str, ...]
    task: Task
    classes: int
    truth: NDArray[np.int64]
    groups: NDArray[np.str_]
    apart: NDArray[np.bool_]
    folds: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def methods(self) -> NDArray[np.intp]:
        """The number of the row that each run belongs to, (R,)."""
        return np.unique(self.rows, return_inverse=True)[1]

    def of_access(self, access: str) -> NDArray[np.intp]:
        """Return which runs are of methods that use just that."""
        return np.flatnonzero(np.array(self.accesses) == access)


def read_answers(folder: Path, records: Iterable[Record], dataset: Dataset) -> Answers | None:
    """Return the answers of those records whose file of answers is at hand and unchanged.

    Args:
        folder: the results of the data set.
        records: of one protocol and budget.
        dataset: opened, with truth; records of another version of it are left out.

    Returns:
        The answers, in the order of the records; ``None`` if there are none.
    """
    asked = cache(lambda protocol, seed: _Asked.of(make_cases(dataset, protocol, seed)))
    found = []
    for record in records:
        if record.predictions is None or record.dataset.fingerprint != dataset.fingerprint:
            continue
        questions = asked(Protocol(record.protocol), record.seed)
        answered = read_predictions(folder, record, questions.cases)
        if answered is not None:
            found.append((record, record.predictions, questions, answered[questions.order]))
    if not found:
        return None
    first = found[0][2]
    values = np.stack([answered for *_, answered in found])
    task = dataset.entry.task
    return Answers(
        names=tuple(facts.path for _, facts, *_ in found),
        rows=tuple(method_name(record) for record, *_ in found),
        accesses=tuple(", ".join(sorted(record.method.access)) for record, *_ in found),
        digests=tuple(facts.sha256 for _, facts, *_ in found),
        task=task,
        classes=len(dataset.classes),
        truth=first.gather(lambda case: case.truth),
        groups=first.gather(lambda case: case.question_groups),
        apart=first.gather(lambda case: case.apart),
        folds=np.stack([questions.folds for *_, questions, _ in found]),
        labels=values[..., 0].astype(np.int64),
        scores=values[..., 1] if task is Task.MEMBERSHIP else values[..., 1:],
    )


def read_predictions(
    folder: Path, record: Record, cases: Sequence[Case]
) -> NDArray[np.float64] | None:
    """Return label and scores of each question, (N, 1 + S), as the cases ask them.

    Args:
        folder: the results of the record's data set.
        record: of the data set, protocol and seed of the cases.
        cases: what was asked.

    Returns:
        ``None`` where the file is absent, is not the one of the record, or answers other questions.
    """
    facts = record.predictions
    if facts is None or Path(facts.path).name != facts.path or not (folder / facts.path).is_file():
        return None
    content = (folder / facts.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != facts.sha256:
        return None
    rows = list(csv.reader(content.decode().splitlines()))[1:]
    asked = [(image, case.name) for case in cases for image in case.asked.ids]
    if [(row[0], row[-1]) for row in rows] != asked:
        return None
    return np.array([row[1:-1] for row in rows], np.float64)


@dataclass(frozen=True, eq=False)
class _Asked:
    """The questions of all cases of one seed, and the order that every seed's have in common."""

    cases: Sequence[Case]
    order: NDArray[np.intp]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> _Asked:
        keys = [
            key for case in cases for key in zip(case.asked.digests, case.asked.ids, strict=True)
        ]
        return cls(cases, np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp))

    @property
    def folds(self) -> NDArray[np.int64]:
        """The case of each image, (N,)."""
        number = {case.name: position for position, case in enumerate(self.cases)}
        return self.gather(lambda case: np.full(len(case.asked), number[case.name]))

    def gather(self, column: Callable[[Case], NDArray[Any]]) -> NDArray[Any]:
        """Return a column over all cases, in the common order."""
        return np.concatenate([column(case) for case in self.cases])[self.order]
