"""The images that methods were asked about: truth, groups (patients) and folds, checked."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.uncertainty import MIN_GROUPS, group_codes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Groups = Sequence[Hashable] | NDArray[Any]

MEMBERSHIP_CLASSES = ("not used", "used")


@dataclass(frozen=True)
class Sample:
    """The images that were asked about."""

    truth: Ints  # (N,) class
    codes: Ints  # (N,) group 0 to G-1
    names: tuple[str, ...]  # (C) what the classes are called in notes
    held: Ints  # (C,) groups that hold an image of each class
    count: int  # groups G

    def lacking(self) -> str | None:
        """Return why no figure is defined, if so: the truth lacks a class."""
        if self.held.all():
            return None
        return f"not defined: the truth has no image that is {self.names[int(self.held.argmin())]}"

    def too_few(self) -> str | None:
        """Return why no figure gets an interval, if so: a class has too few groups."""
        short = sorted((int(held), name) for held, name in zip(self.held, self.names, strict=True))
        named = ", ".join(f"{held} {name}" for held, name in short if held < MIN_GROUPS)
        return f"too few groups ({named}) for an interval" if named else None


def make_sample(truth: ArrayLike, groups: Groups, names: tuple[str, ...]) -> Sample:
    """Return the images asked about.

    Args:
        truth: (N,) integers 0 to C-1.
        groups: (N,) the group of each image, any hashable.
        names: (C) what the classes are called in notes.

    Returns:
        The sample; its groups are numbered in the order in which they appear.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    codes = group_codes(groups)
    known = integers("truth", truth, codes.size, len(names))
    pairs = np.unique(codes * len(names) + known)
    held = np.bincount(pairs % len(names), minlength=len(names))
    return Sample(known, codes, names, held, int(codes.max(initial=-1)) + 1)


def membership_sample(
    truth: ArrayLike, groups: Groups, apart: ArrayLike | None
) -> tuple[Sample, NDArray[np.bool_]]:
    """Return the images asked about without other slices, and which ones of all they are.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        groups: (N,) the patient of each image, any hashable.
        apart: (N,) booleans, which images are other slices, or None without any.

    Returns:
        The sample of n images and, (N,), where they stand.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    everything = make_sample(truth, groups, MEMBERSHIP_CLASSES)
    other = np.zeros(everything.truth.size, bool) if apart is None else np.asarray(apart, bool)
    if other.shape != everything.truth.shape:
        raise ValueError(f"apart has shape {other.shape}, groups {everything.truth.shape}")
    kept = ~other
    rest = make_sample(everything.truth[kept], everything.codes[kept], MEMBERSHIP_CLASSES)
    return rest, kept


def numbered_classes(classes: int) -> tuple[str, ...]:
    """Return what the classes of attribution are called in notes.

    Raises:
        ValueError: there are fewer than 2.
    """
    if classes < 2:
        raise ValueError(f"classes must be at least 2, not {classes}")
    return tuple(f"class {number}" for number in range(classes))


def integers(name: str, values: ArrayLike, size: int, classes: int | None = None) -> Ints:
    """Return, (N,), integers that were handed in.

    Args:
        name: what errors call them.
        values: (N,) integers.
        size: how many there must be, N.
        classes: they must lie in 0 to classes-1, if given.

    Raises:
        ValueError: the shape differs, or values are not as described.
    """
    array = np.asarray(values)
    if array.shape != (size,):
        raise ValueError(f"{name} has shape {array.shape}, groups ({size},)")
    if size and array.dtype.kind not in "iub":
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    if size and classes is not None and not 0 <= array.min() <= array.max() < classes:
        raise ValueError(f"{name} must lie in 0 to {classes - 1}")
    return array.astype(np.int64)


def answer_rows(name: str, values: ArrayLike, size: int, classes: int) -> Ints:
    """Return, (M, N), the answers of M methods that were handed in.

    Args:
        name: what errors call them.
        values: (M, N) integers 0 to classes-1, a row for each method.
        size: how many images there are, N.
        classes: number of classes.

    Raises:
        ValueError: the shape differs, or values are not as described.
    """
    rows = [integers(name, row, size, classes) for row in np.asarray(values)]
    return np.array(rows, dtype=np.int64).reshape(len(rows), size)


def method_numbers(values: ArrayLike | None, runs: int) -> Ints:
    """Return, (R,), the number of the method that gave each run; each its own where not told.

    Raises:
        ValueError: the shape differs from (R,), or they are not the numbers 0 to M-1.
    """
    numbers = np.arange(runs) if values is None else integers("methods", values, runs)
    if not np.array_equal(np.unique(numbers), np.arange(numbers.max(initial=-1) + 1)):
        raise ValueError("methods must be the numbers 0 to M-1")
    return numbers


def mean_by_method(rows: Floats, methods: Ints) -> Floats:
    """Return, (M, ...), the mean over the runs of each method of figures (R, ...)."""
    return np.stack([rows[methods == one].mean(0) for one in range(methods.max(initial=-1) + 1)])


def finite(values: ArrayLike, size: int) -> Floats:
    """Return, (N,), scores that were handed in.

    Raises:
        ValueError: the shape differs from (size,), or a score is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,):
        raise ValueError(f"scores has shape {array.shape}, groups ({size},)")
    if not np.isfinite(array).all():
        raise ValueError("scores must be finite")
    return array


def fold_numbers(values: ArrayLike | None, size: int) -> Ints:
    """Return, (N,), the fold of each image; all zero without folds.

    Raises:
        ValueError: the shape differs from (size,), or they are no integers.
    """
    return np.zeros(size, dtype=np.int64) if values is None else integers("folds", values, size)


def group_strata(truth: Ints, codes: Ints, folds: Ints) -> Ints:
    """Return, (G,), a number for each group's first fold and its class; mixed groups are a kind."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    lowest, highest = (best.reduceat(truth[order], starts) for best in (np.minimum, np.maximum))
    mixed = int(truth.max()) + 1
    first = np.minimum.reduceat(np.unique(folds, return_inverse=True)[1][order], starts)
    strata: Ints = first * (mixed + 1) + np.where(lowest == highest, lowest, mixed)
    return strata


def one_class_fold(truth: Ints, folds: Ints) -> str | None:
    """Return why no area is defined, if so: a fold holds one class only."""
    for fold in np.unique(folds):
        if np.unique(truth[folds == fold]).size < 2:
            return f"not defined: fold {fold} holds one class only"
    return None
