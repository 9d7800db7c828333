"""The board of a challenge: run files that teams handed in, scored and ranked like methods."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations

import numpy as np

from harness.board.answers import Answers
from harness.board.board import Board, Row, arranged
from harness.board.comparison import Comparison, compare_answers
from harness.datasets.cases import Case
from harness.datasets.dataset import Dataset
from harness.method import Task
from harness.running.records import Figure, Status
from harness.scoring.runfile import RunFile
from harness.scoring.submissions import score_run


def board_of_runs(dataset: Dataset, case: Case, runs: Mapping[str, RunFile]) -> Board:
    """Return the board of run files, with a flag for answers that stand in two of them.

    Args:
        dataset: what they answer, opened.
        case: its questions, with truth.
        runs: by the name that the board gives them; at least one.
    """
    task = dataset.entry.task
    answers = _answers(dataset, case, runs)
    comparison = compare_answers(answers)
    classes = dataset.classes if task is Task.ATTRIBUTION else None
    board = Board(
        dataset=dataset.entry.name,
        task=task,
        protocol=case.name,
        budget=None,
        fingerprint=dataset.fingerprint,
        flags=tuple(_alike(answers)),
        rows=tuple(_row(name, case, run, classes, comparison) for name, run in runs.items()),
        comparison=comparison,
    )
    return arranged(board)


def _row(
    name: str, case: Case, run: RunFile, classes: tuple[str, ...] | None, comparison: Comparison
) -> Row:
    metrics = score_run(case, run, classes)
    standing = comparison.standings[name]
    return Row(
        method=name,
        family="run file",
        control=False,
        status=Status.OK,
        reason=None,
        rank=standing.rank,
        access=(),
        backbones=(),
        metrics={key: Figure(**asdict(metric)) for key, metric in metrics.items()},
        seconds=0.0,
        standing=standing,
    )


def _answers(dataset: Dataset, case: Case, runs: Mapping[str, RunFile]) -> Answers:
    asked = case.asked.ids
    labels = np.array([[run.labels[image] for image in asked] for run in runs.values()], np.int64)
    return Answers(
        names=tuple(runs),
        rows=tuple(runs),
        accesses=("",) * len(runs),
        digests=tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in labels),
        task=dataset.entry.task,
        classes=len(dataset.classes),
        truth=case.truth,
        groups=case.question_groups,
        apart=case.apart,
        folds=np.zeros_like(labels),
        labels=labels,
        scores=labels.astype(np.float64),
    )


def _alike(answers: Answers) -> Iterator[str]:
    """Say which runs give the same labels, and which the opposite ones."""
    for (first, some), (second, others) in combinations(
        zip(answers.names, answers.labels, strict=True), 2
    ):
        if (some == others).all():
            yield f"{first} and {second} give the same label to every image"
        elif answers.task is Task.MEMBERSHIP and (some == 1 - others).all():
            yield f"{first} and {second} give opposite labels to every image"
