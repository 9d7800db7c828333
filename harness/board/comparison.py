"""How the methods of a board compare with each other, and with methods that know nothing.

This needs the truth and every answer. It is computed where a run has both and lies beside the
records, in a file that holds neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.board.answers import Answers, read_answers
from harness.datasets.dataset import Dataset
from harness.files import read_json, write_json, write_text
from harness.method import Budget, Task
from harness.running.records import Record, RecordStore
from harness.scoring.comparing import Ranks, attribution_ranks, membership_ranks
from harness.scoring.permuting import Permuted, attribution_permutations, membership_permutations


class Standing(BaseModel):
    """Where one method stands among those of its board."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: str  # digest of what it answered
    rank: int | None  # 1 + the number of methods that are significantly better
    p: float | None  # of its official metric, against blind methods that answer as it does
    adjusted: float | None  # the same, corrected for all methods of the board


class Comparison(BaseModel):
    """The methods of one board, controls left out, compared by their answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    standings: dict[str, Standing]  # by the name of the file of answers
    blind: float | None  # official metric that the best of as many blind methods exceeds in 5 %
    best_p: float | None  # that the best method is no better than the best of blind ones
    draws: int  # permutations of the truth behind the p values; none in cross-validation
    note: str | None = None  # why ranks or p values cannot be told

    def covers(self, records: Iterable[Record]) -> bool:
        """Tell whether it compares the very answers of these records, and no others."""
        known = {name: standing.answers for name, standing in self.standings.items()}
        return known == {
            record.predictions.path: record.predictions.sha256
            for record in records
            if record.predictions is not None and not record.method.control
        }

    def standing(self, record: Record) -> Standing | None:
        """Return where the method of a record stands; ``None`` for a control."""
        return self.standings.get(record.predictions.path) if record.predictions else None


def compare(folder: Path, records: Sequence[Record], dataset: Dataset) -> Comparison | None:
    """Compare the methods of a board.

    Args:
        folder: the results of the data set.
        records: of one protocol and budget; controls are left out.
        dataset: opened, with truth.

    Returns:
        The comparison; ``None`` where no answers are at hand.
    """
    answers = read_answers(folder, [r for r in records if not r.method.control], dataset)
    return None if answers is None else compare_answers(answers)


def compare_answers(answers: Answers) -> Comparison:
    """Compare methods that answered the same questions."""
    ranks, permuted = _ranks(answers), _permuted(answers)
    untold = (None,) * len(answers.names)
    columns = (answers.names, answers.digests, ranks.ranks or untold, permuted.methods or untold)
    return Comparison(
        standings={
            name: Standing(
                answers=digest,
                rank=rank,
                p=blind.p if blind else None,
                adjusted=blind.adjusted if blind else None,
            )
            for name, digest, rank, blind in zip(*columns, strict=True)
        },
        blind=permuted.best_point,
        best_p=permuted.best_p,
        draws=permuted.draws,
        note=ranks.note or permuted.note,
    )


def comparison_file(folder: Path, protocol: str, budget: str) -> Path:
    """Return where the comparison of a board lies."""
    return folder / f"comparison-{protocol}-{budget}.json"


def refresh(store: RecordStore, dataset: Dataset, protocol: str, budget: Budget) -> None:
    """Compare the methods of a board and keep that, unless the very same answers were compared."""
    name, kind = dataset.entry.name, (dataset.fingerprint, protocol, budget)
    records = [
        record
        for record in store.of(name)
        if (record.dataset.fingerprint, record.protocol, record.method.budget) == kind
    ]
    path = comparison_file(store.root / name, protocol, budget)
    known = read_comparison(path)
    if known is None or not known.covers(records):
        comparison = compare(store.root / name, records, dataset)
        if comparison is not None:
            write_json(path, comparison.model_dump(mode="json"))


def bring_comparisons(folder: Path, target: Path) -> None:
    """Publish the comparisons in ``folder``, which name no image."""
    for path in sorted(folder.glob(comparison_file(folder, "*", "*").name)):
        if read_comparison(path) is not None:
            write_text(target / path.name, path.read_text())


def read_comparison(path: Path) -> Comparison | None:
    """Return a comparison; one that is absent, damaged or of another form is ``None``."""
    content: Any = read_json(path)
    try:
        return Comparison.model_validate(content)
    except ValidationError:
        return None


def _ranks(answers: Answers) -> Ranks:
    a = answers
    if a.task is Task.ATTRIBUTION:
        return attribution_ranks(a.truth, a.labels, a.groups, a.classes)
    return membership_ranks(a.truth, a.labels, a.groups, apart=a.apart)


def _permuted(answers: Answers) -> Permuted:
    a = answers
    if a.folds.any():  # what is learnt of the labels of other folds is not dealt anew with them
        return Permuted((), None, None, 0)
    if a.task is Task.ATTRIBUTION:
        return attribution_permutations(a.truth, a.labels, a.groups, a.classes)
    return membership_permutations(a.truth, a.labels, a.groups, apart=a.apart)
