"""A data set under one protocol: what a method learns from, and what it is asked."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset
from harness.datasets.entry import OTHER_SLICES
from harness.datasets.pack import PackedSet
from harness.errors import BenchError
from harness.method import Task

T = TypeVar("T")
FOLDS = 5


class Protocol(StrEnum):
    """How a data set is divided into training part and questions."""

    OFFICIAL = "official"  # train part, then test part, which needs truth
    CV = "cv"  # cross-validation over the labelled images of the train part
    SUBMIT = "submit"  # as official; the answers are not scored


@dataclass(frozen=True, eq=False)
class Selection:
    """Images of one or more packed sets as one set, ordered by the digests of their pixels."""

    parts: tuple[tuple[PackedSet, NDArray[np.intp] | None], ...]  # sets and rows; None: all rows

    def __len__(self) -> int:
        return sum(len(source if rows is None else rows) for source, rows in self.parts)

    @property
    def ids(self) -> tuple[str, ...]:
        """The name of each image."""
        return self._gather(lambda source: source.ids)

    @property
    def origins(self) -> tuple[str, ...]:
        """The canonical name of the set that each image is from."""
        return self._gather(lambda source: (source.name,) * len(source))

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each image's pixels as hex, ascending."""
        return self._gather(lambda source: source.digests)

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The label of each image; ``None`` when a part has none."""
        if any(source.labels is None for source, _ in self.parts):
            return None
        return self._gather(lambda source: source.labels or ())

    @property
    def groups(self) -> tuple[str, ...] | None:
        """The patient of each image; ``None`` when a part has none."""
        if any(source.groups is None for source, _ in self.parts):
            return None
        return self._gather(lambda source: source.groups or ())

    def whole(self) -> PackedSet | None:
        """Return the one packed set whose images these are, or ``None``."""
        [(source, rows), *others] = self.parts
        return source if rows is None and not others else None

    def pixels(self) -> NDArray[np.uint8]:
        """Return the images, (N, H, W): a read-only memory map of a whole set, else a copy."""
        whole = self.whole()
        if whole is not None:
            return whole.pixels()
        maps = {source.name: source.pixels() for source, _ in self.parts}
        return np.stack([maps[source.name][row] for source, row in self._members])

    def take(self, positions: Iterable[int]) -> "Selection":
        """Return the images at ``positions`` of this selection."""
        rows = defaultdict(list)
        for position in positions:
            source, row = self._members[position]
            rows[source.name].append(row)
        return Selection(
            tuple(
                (source, np.array(sorted(rows[source.name]), np.intp))
                for source, _ in self.parts
                if source.name in rows
            )
        )

    @cached_property
    def _members(self) -> list[tuple[PackedSet, int]]:
        """The images as set and row, in their order."""
        members = [
            (source, int(row))
            for source, rows in self.parts
            for row in (range(len(source)) if rows is None else rows)
        ]
        return sorted(members, key=lambda at: (at[0].digests[at[1]], at[0].ids[at[1]]))

    def _gather(self, column: Callable[[PackedSet], tuple[T, ...]]) -> tuple[T, ...]:
        whole = self.whole()
        if whole is not None:
            return column(whole)
        return tuple(column(source)[row] for source, row in self._members)


@dataclass(frozen=True, eq=False)
class Case:
    """One data set under one protocol and seed, on the trusted side.

    Sets of membership: training ``generated``, ``used``, ``not_used``; questions ``generated``,
    ``unknown``. Attribution: training ``real/<class>``, ``generated/<class>``; questions
    ``generated``. Both: training ``auxiliary/<class>`` of an external set, where the run names one.
    """

    name: str  # official, submit, or fold-1 to fold-5
    training: dict[str, Selection]
    questions: dict[str, Selection]
    classes: tuple[str, ...]  # what the labels 0, 1, ... stand for

    @property
    def asked(self) -> Selection:
        """The images that are to be answered."""
        return self.questions.get("unknown", self.questions["generated"])

    @property
    def truth(self) -> NDArray[np.int64]:
        """The label of each image that is asked, (N,).

        Raises:
            ValueError: The truth is not known.
        """
        if self.asked.labels is None:
            raise ValueError(f"the case {self.name} has no truth")
        return np.array(self.asked.labels, np.int64)

    @property
    def apart(self) -> NDArray[np.bool_]:
        """Which of the asked images are other slices of used patients, (N,); scored apart."""
        return np.array([name == OTHER_SLICES for name in self.asked.origins], bool)

    @property
    def question_groups(self) -> NDArray[np.str_]:
        """The patient of each image that is asked, (N,); where unknown, its own pixels' digest."""
        groups = self.asked.groups
        return np.array(self.asked.digests if groups is None else groups, np.str_)


def make_cases(dataset: Dataset, protocol: Protocol, seed: int) -> list[Case]:
    """Return the cases of a data set: one, or one per fold.

    Args:
        dataset: the opened data set.
        protocol: how it is divided.
        seed: of the division into folds; without effect on the other protocols.

    Raises:
        BenchError: The data set has no test part or no truth where the protocol needs them, or too
            few images or patients for the folds.
    """
    if protocol is Protocol.CV:
        return list(_cross_validation(dataset, seed))
    training, questions = _part(dataset, "train/"), _part(dataset, "test/")
    if not questions:
        raise dataset.entry.flaw("splits", "has no test part; use --protocol cv or add one")
    case = Case(protocol.value, training, questions, dataset.classes)
    if protocol is Protocol.OFFICIAL and case.asked.labels is None:
        remedy = "use --protocol cv or bench submit, or add the truth"
        raise dataset.entry.flaw("truth", f"is missing, so answers cannot be scored; {remedy}")
    return [case]


def with_null_pool(case: Case, dataset: Dataset) -> Case | None:
    """Return ``case`` with its pools replaced by that of a generator that saw none of the reals.

    Returns:
        ``None`` when the data set has no such pool or asks for attribution.
    """
    if dataset.entry.task is Task.ATTRIBUTION or "null" not in dataset.sets:
        return None
    pool = {"generated": _whole(dataset, "null")}
    return replace(case, training=case.training | pool, questions=case.questions | pool)


def with_auxiliary(case: Case, dataset: Dataset) -> Case:
    """Return ``case`` with the labelled reals of an attribution data set beside its own images."""
    classes = {name: f"train/real/{name}" for name in dataset.classes}
    given = {f"auxiliary/{name}": _whole(dataset, place) for name, place in classes.items()}
    return replace(case, training=case.training | given)


def _whole(dataset: Dataset, name: str) -> Selection:
    return Selection(((dataset.sets[name], None),))


def _part(dataset: Dataset, prefix: str) -> dict[str, Selection]:
    names = [name for name in dataset.sets if name.startswith(prefix)]
    sets = {name.removeprefix(prefix): _whole(dataset, name) for name in names}
    if OTHER_SLICES in names:  # asked among the unknown, in an order that tells nothing
        sets["unknown"] = Selection((*sets["unknown"].parts, *sets.pop("other_slice").parts))
    return sets


def _cross_validation(dataset: Dataset, seed: int) -> Iterator[Case]:
    """Ask the labelled images of the train part, a fold at a time, by what is learnt of the others.

    For membership these are the reals, for attribution the generated images.
    """
    training = _part(dataset, "train/")
    membership = dataset.entry.task is Task.MEMBERSHIP
    divided = [
        name
        for name in training
        if (name in ("used", "not_used") if membership else name.startswith("generated/"))
    ]
    pool = Selection(tuple(part for name in divided for part in training[name].parts))
    pools = _part(dataset, "test/") or training
    for number, asked in enumerate(_folds(dataset, pool, seed), start=1):
        others = pool.take(np.setdiff1d(np.arange(len(pool)), asked))
        learnt = {part[0].name.removeprefix("train/"): Selection((part,)) for part in others.parts}
        questions = {"generated": pool.take(asked)}
        if membership:
            questions = {"generated": pools["generated"], "unknown": pool.take(asked)}
        yield Case(f"fold-{number}", training | learnt, questions, dataset.classes)


def _folds(dataset: Dataset, pool: Selection, seed: int) -> list[NDArray[np.intp]]:
    """Return the positions in ``pool`` that each fold asks, classes in proportion, groups whole."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels, groups = np.array(pool.labels), pool.groups
    units = "images" if groups is None else "patients"
    for label, name in enumerate(dataset.classes):
        rows = np.flatnonzero(labels == label)
        n = len(rows if groups is None else {groups[row] for row in rows})
        if n < FOLDS:
            raise _cv_flaw(dataset, f"the class {name!r} has {n} {units}, fewer than {FOLDS}")
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(FOLDS, shuffle=True, random_state=seed)
    folds = [asked for _, asked in splitter.split(labels, labels, groups)]
    for asked in folds:
        for part in (labels[asked], np.delete(labels, asked)):
            if len(np.unique(part)) < len(dataset.classes):
                raise _cv_flaw(dataset, f"the {units} leave a fold without a class")
    return folds


def _cv_flaw(dataset: Dataset, text: str) -> BenchError:
    remedy = "add images or use --protocol official"
    return dataset.entry.flaw((), f"cross-validation needs {FOLDS} folds, but {text}; {remedy}")
