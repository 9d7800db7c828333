"""How the methods of a board compare with each other, and with methods that know nothing.

This needs the truth and every answer. It is computed where a run has both and lies beside the
records, in a file that holds neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.board.answers import Answers, read_answers
from harness.board.seeds import mean_figure
from harness.board.thresholds import other_thresholds, rehearsals
from harness.datasets.cases import Protocol
from harness.datasets.dataset import Dataset
from harness.files import read_json, write_json, write_text
from harness.method import Budget, Task
from harness.running.records import Figure, Record, RecordStore
from harness.scoring.comparing import Ranks, attribution_ranks, membership_ranks
from harness.scoring.permuting import Permuted, attribution_permutations, membership_permutations

FORM = 2


class Standing(BaseModel):
    """Where one method stands among those of its board."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: str  # digest of what it answered
    rank: int | None  # 1 + the number of methods that are significantly better
    rank_in_access: int | None = None  # the same among methods that use the same
    p: float | None  # of its official metric, against blind methods that answer as it does
    adjusted: float | None  # the same, corrected for all methods of the board
    thresholds: dict[str, Figure] = {}  # kappa at other thresholds than the method's own


class Comparison(BaseModel):
    """The methods of one board, controls left out, compared by their answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    standings: dict[str, Standing]  # by the name of the file of answers
    blind: float | None  # official metric that the best of as many blind methods exceeds in 5 %
    best_p: float | None  # that the best method is no better than the best of blind ones
    draws: int  # permutations of the truth behind the p values; none in cross-validation
    note: str | None = None  # why ranks or p values cannot be told
    rehearsals: dict[str, str] = {}  # digest of the cross-validation behind a learnt threshold
    form: int = 1  # raised when a comparison tells more than those before it

    def covers(self, records: Iterable[Record]) -> bool:
        """Tell whether it compares the very answers of these records, and no others."""
        known = {name: standing.answers for name, standing in self.standings.items()}
        return known == {
            record.predictions.path: record.predictions.sha256
            for record in records
            if record.predictions is not None and not record.method.control
        }

    def standing(self, runs: Sequence[Record]) -> Standing | None:
        """Return where a method stands, with the mean of its figures over the seeds.

        Args:
            runs: of one method, one a seed.

        Returns:
            ``None`` for a control, and where a seed gave no answers or was compared by itself.
        """
        paths = [run.predictions.path for run in runs if run.predictions]
        told = [self.standings[path] for path in paths if path in self.standings]
        if len(told) < len(runs) or len({(one.rank, one.adjusted) for one in told}) > 1:
            return None
        names = set.intersection(*(set(one.thresholds) for one in told))
        return told[0].model_copy(
            update={
                "thresholds": {
                    name: mean_figure([one.thresholds[name] for one in told])
                    for name in sorted(names)
                }
            }
        )


def compare(
    folder: Path, records: Sequence[Record], dataset: Dataset, rehearsed: dict[str, Record]
) -> Comparison | None:
    """Compare the methods of a board.

    Args:
        folder: the results of the data set.
        records: of one protocol and budget; controls are left out.
        dataset: opened, with truth.
        rehearsed: the cross-validation of official runs, see :mod:`harness.board.thresholds`.

    Returns:
        The comparison; ``None`` where no answers are at hand.
    """
    answers = read_answers(folder, [r for r in records if not r.method.control], dataset)
    if answers is None:
        return None
    comparison = compare_answers(answers)
    if answers.task is Task.ATTRIBUTION or answers.folds.any():
        return comparison
    figures = other_thresholds(answers, folder, rehearsed, dataset)
    standings = {
        name: standing.model_copy(update={"thresholds": figures[name]})
        for name, standing in comparison.standings.items()
    }
    return comparison.model_copy(update={"standings": standings, "rehearsals": _digests(rehearsed)})


def _digests(rehearsed: dict[str, Record]) -> dict[str, str]:
    return {name: r.predictions.sha256 for name, r in rehearsed.items() if r.predictions}


def compare_answers(answers: Answers) -> Comparison:
    """Compare methods that answered the same questions; of several seeds their mean counts."""
    every = np.arange(len(answers.names))
    ranks, permuted = _ranks(answers, every), _permuted(answers)
    untold = (None,) * (1 + int(answers.methods.max()))
    blinds = permuted.methods or untold
    within = _within(answers)
    standings = {}
    for run, method in zip(every, answers.methods, strict=True):
        blind = blinds[method]
        standings[answers.names[run]] = Standing(
            answers=answers.digests[run],
            rank=(ranks.ranks or untold)[method],
            rank_in_access=within[run],
            p=blind.p if blind else None,
            adjusted=blind.adjusted if blind else None,
        )
    return Comparison(
        standings=standings,
        blind=permuted.best_point,
        best_p=permuted.best_p,
        draws=permuted.draws,
        note=ranks.note or permuted.note,
        form=FORM,
    )


def _within(answers: Answers) -> list[int | None]:
    """Return the rank of each run's method among those that use the same."""
    within: list[int | None] = [None] * len(answers.names)
    for access in set(answers.accesses):
        runs = answers.of_access(access)
        ranks = _ranks(answers, runs).ranks
        places = np.unique(answers.methods[runs], return_inverse=True)[1]
        for run, place in zip(runs, places, strict=True):
            within[run] = ranks[place] if ranks else None
    return within


def comparison_file(folder: Path, protocol: str, budget: str) -> Path:
    """Return where the comparison of a board lies."""
    return folder / f"comparison-{protocol}-{budget}.json"


def refresh(store: RecordStore, dataset: Dataset, protocol: str, budget: Budget) -> None:
    """Compare the methods of a board and keep that, unless the very same answers were compared."""
    name, kind = dataset.entry.name, (dataset.fingerprint, protocol, budget)
    everything = list(store.of(name))
    records = [
        record
        for record in everything
        if (record.dataset.fingerprint, record.protocol, record.method.budget) == kind
        and not record.method.control
    ]
    cut = protocol == Protocol.OFFICIAL and dataset.entry.task is Task.MEMBERSHIP
    rehearsed = rehearsals(records, everything) if cut else {}
    path = comparison_file(store.root / name, protocol, budget)
    known = read_comparison(path)
    current = known is not None and known.form == FORM and known.covers(records)
    if not (current and known and known.rehearsals == _digests(rehearsed)):
        comparison = compare(store.root / name, records, dataset, rehearsed)
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


def _ranks(answers: Answers, runs: NDArray[np.intp]) -> Ranks:
    """Rank the methods of some of the runs."""
    a, labels = answers, answers.labels[runs]
    methods = np.unique(a.methods[runs], return_inverse=True)[1]
    if a.task is Task.ATTRIBUTION:
        return attribution_ranks(a.truth, labels, a.groups, a.classes, methods=methods)
    return membership_ranks(a.truth, labels, a.groups, apart=a.apart, methods=methods)


def _permuted(answers: Answers) -> Permuted:
    a = answers
    if a.folds.any():  # what is learnt of the labels of other folds is not dealt anew with them
        return Permuted((), None, None, 0)
    if a.task is Task.ATTRIBUTION:
        return attribution_permutations(a.truth, a.labels, a.groups, a.classes, methods=a.methods)
    return membership_permutations(a.truth, a.labels, a.groups, apart=a.apart, methods=a.methods)
