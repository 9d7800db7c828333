"""Redrawing: a data set dealt anew, with copies of a known share of the new members planted.

What is dealt are its own patients: at random, whole ones, as many used and not used in either part
as before. Both pools are the null pool, of whose generator it is known that it saw none of them, in
which copies of members take the places of some images. So nothing but the copies tells members from
the others, and where there are none, nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cases import Case, Selection
from harness.datasets.dataset import Dataset
from harness.datasets.pack import PackedSet, write_set
from harness.datasets.recipe import RawSet
from harness.forge.copies import Fidelity, degrade
from harness.method import Task

REALS = ("train/used", "train/not_used", "test/unknown")
ROLES = 4  # training used and not, asked used and not

Rows = NDArray[np.intp]


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    DEAL = 0  # who is a member, and in which part
    COPIED = 1  # which members are copied: more at a higher share, the same among them
    SLOTS = 2  # which images of a pool give way
    COPY = 3  # the degradation of a copy


@dataclass(frozen=True, eq=False)
class Redrawn:
    """A data set dealt anew."""

    case: Case  # whose packed labels are those of before: the truth is ``truth``
    truth: NDArray[np.int64]  # (N,) of the images asked, in their order
    groups: NDArray[np.str_]  # (N,) their patients


def redraw(dataset: Dataset, draw: int, share: float, fidelity: Fidelity, folder: Path) -> Redrawn:
    """Deal a data set anew and plant copies of some members.

    Args:
        dataset: of the task membership, with truth and a null pool.
        draw: number of the deal, which decides all that is random.
        share: of the members, 0 to 1, one copy of each in either pool.
        fidelity: how far a copy is from its original.
        folder: an empty folder for the copies.

    Raises:
        BenchError: the data set does not say who its members are, has no null pool, or that is too
            small for the copies.
    """
    _check(dataset)
    deck = _Deck.of(dataset)
    roles = deck.deal(_rng(draw, Stream.DEAL))
    members = np.flatnonzero(roles % 2 == 1)
    chosen = _rng(draw, Stream.COPIED).permutation(members)[: round(share * len(members))]
    if len(chosen) > len(dataset.sets["null"]):
        room = f"{len(chosen)} copies do not fit in its {len(dataset.sets['null'])} images"
        raise dataset.entry.flaw("null_pool", f"{room}; calibrate with lower shares")
    originals = deck.pixels(chosen)
    null = dataset.sets["null"]
    pools = [_pool(null, originals, fidelity, (draw, number), folder) for number in range(2)]
    training = {"generated": pools[0], "used": deck.take(roles == 1)}
    training["not_used"] = deck.take(roles == 0)
    asked = deck.take(roles >= 2)
    case = Case("official", training, {"generated": pools[1], "unknown": asked}, dataset.classes)
    known = dict(zip(zip(deck.digests, deck.ids, strict=True), roles % 2, strict=True))
    keys = zip(asked.digests, asked.ids, strict=True)
    return Redrawn(case, np.array([known[key] for key in keys]), case.question_groups)


def _rng(draw: int, stream: Stream, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(draw, spawn_key=(stream, *key)))


def _check(dataset: Dataset) -> None:
    entry = dataset.entry
    if entry.task is not Task.MEMBERSHIP:
        raise entry.flaw("task", "only a membership data set can be calibrated on")
    if "test/unknown" not in dataset.sets or dataset.sets["test/unknown"].labels is None:
        raise entry.flaw("truth", "is missing, so the members are not known; add the truth")
    if "null" not in dataset.sets:
        raise entry.flaw(
            "null_pool",
            "is missing, so no pool is known to be free of its members; add one or calibrate on "
            "another data set",
        )


@dataclass(frozen=True, eq=False)
class _Deck:
    """The reals of a data set in one row."""

    sets: tuple[PackedSet, ...]
    counts: tuple[int, ...]  # patients of each role
    patients: NDArray[np.str_]  # (N,)

    @classmethod
    def of(cls, dataset: Dataset) -> _Deck:
        sets = tuple(dataset.sets[name] for name in REALS)
        patients = np.array([p for s in sets for p in s.groups or s.digests], np.str_)
        asked = np.repeat([0, 0, 2], [len(s) for s in sets])
        used = np.concatenate([np.array(s.labels, np.int64) for s in sets])
        roles = asked + used
        counts = tuple(len(np.unique(patients[roles == role])) for role in range(ROLES))
        return cls(sets, counts, patients)

    @property
    def ids(self) -> list[str]:
        return [name for s in self.sets for name in s.ids]

    @property
    def digests(self) -> list[str]:
        return [digest for s in self.sets for digest in s.digests]

    def deal(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the role of each image, (N,): 2 if it is asked, and 1 more if it is a member."""
        names, places = np.unique(self.patients, return_inverse=True)
        roles = np.repeat(np.arange(ROLES), self.counts)[: len(names)]
        dealt: NDArray[np.int64] = rng.permutation(roles)[places]
        return dealt

    def take(self, which: NDArray[np.bool_]) -> Selection:
        """Return the images that ``which`` (N,) marks."""
        starts = np.cumsum([len(s) for s in self.sets])[:-1]
        parts = zip(self.sets, np.split(which, starts), strict=True)
        kept = ((source, np.flatnonzero(rows)) for source, rows in parts)
        return Selection(tuple((source, rows) for source, rows in kept if len(rows)))

    def pixels(self, rows: Rows) -> NDArray[np.uint8]:
        """Return the images at ``rows``, (n, H, W), in that order."""
        every = np.concatenate([s.pixels() for s in self.sets])
        return every[rows]


def _pool(
    null: PackedSet,
    originals: NDArray[np.uint8],
    fidelity: Fidelity,
    which: tuple[int, int],
    folder: Path,
) -> Selection:
    """Return one of the two pools of a draw: copies of ``originals`` in random places of null."""
    draw, number = which
    slots = _rng(draw, Stream.SLOTS, number).permutation(len(null))
    kept = (null, np.sort(slots[len(originals) :]))
    if not len(originals):
        return Selection((kept,))
    copies = np.concatenate(
        [
            degrade(image[None], fidelity, _rng(draw, Stream.COPY, number, place))
            for place, image in enumerate(originals)
        ]
    )
    names = tuple(f"copy-{place:05d}" for place in range(len(copies)))
    planted = write_set(folder, f"copies-{number}", RawSet(names, copies))
    return Selection((kept, (planted, None)) if len(kept[1]) else ((planted, None),))
