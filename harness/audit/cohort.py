"""A cohort: the images of several sets side by side, with what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset, PackedSet

UNKNOWN = -1  # the label of an image whose truth is not known


@dataclass(frozen=True, eq=False)
class Cohort:
    """N images as columns; all arrays are (N,)."""

    sets: NDArray[np.str_]  # the set that each image is in, for example train/used
    rows: NDArray[np.intp]  # its row there
    ids: NDArray[np.str_]
    digests: NDArray[np.str_]  # SHA-256 of the pixels as hex
    labels: NDArray[np.int64]  # class, or UNKNOWN
    groups: NDArray[np.str_]  # patient; where unknown, the image by itself
    grouped: bool  # whether the patient of every image is known

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def parts(self) -> NDArray[np.str_]:
        """``train`` or ``test`` for each image."""
        return np.array([name.partition("/")[0] for name in self.sets.tolist()], np.str_)

    def take(self, chosen: NDArray[Any]) -> Cohort:
        """Return the images at ``chosen``: positions, or a mask."""
        columns = (self.sets, self.rows, self.ids, self.digests, self.labels, self.groups)
        sets, rows, ids, digests, labels, groups = (column[chosen] for column in columns)
        return Cohort(sets, rows, ids, digests, labels, groups, self.grouped)

    def labelled(self) -> Cohort:
        """Return the images whose class is known."""
        return self.take(self.labels != UNKNOWN)

    def part(self, name: str) -> Cohort:
        """Return the images of ``train`` or of ``test``."""
        return self.take(self.parts == name)

    def gather(self, by_set: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return, (N, ...), each image's row of the array that belongs to its set."""
        return np.stack(
            [by_set[name][row] for name, row in zip(self.sets.tolist(), self.rows, strict=True)]
        )

    def patients(self, label: int) -> int:
        """Return how many groups have an image of a class."""
        return len(np.unique(self.groups[self.labels == label]))


def make_cohort(dataset: Dataset, names: Iterable[str]) -> Cohort:
    """Return the images of the named sets, in that order; absent sets are passed over."""
    sets = [dataset.sets[name] for name in names if name in dataset.sets]
    return Cohort(
        sets=_column(sets, lambda s: [s.name] * len(s), np.str_),
        rows=_column(sets, lambda s: range(len(s)), np.intp),
        ids=_column(sets, lambda s: s.ids, np.str_),
        digests=_column(sets, lambda s: s.digests, np.str_),
        labels=_column(sets, lambda s: s.labels or [UNKNOWN] * len(s), np.int64),
        groups=_column(sets, lambda s: s.groups or [f"{s.name}/{i}" for i in s.ids], np.str_),
        grouped=all(s.groups is not None for s in sets),
    )


def _column(sets: list[PackedSet], values: Any, kind: Any) -> NDArray[Any]:
    return np.array([value for images in sets for value in values(images)], kind)
