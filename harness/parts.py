"""What a method is handed: image sets, in a training part and a part with questions.

A set holds pixels and says nothing else of its images; a part holds the sets that the method's
access reaches. Authors of methods import them from :mod:`harness.method`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.vocabulary import Access, Task

if TYPE_CHECKING:
    import torch


class AccessError(AttributeError):
    """A method asked for images that its ``access`` does not declare."""


class ImageSet:
    """Grey images of one size in an order that depends on their pixels alone.

    Attributes:
        pixels: (N, H, W) uint8, read-only and memory-mapped.
        name: the set's place in the case, such as ``training.used``; it says nothing of the images.
        rows: the rows of the whole set that this one holds, or ``None`` for all of them.
        groups: (N,) int64, which images are of one patient: numbers without a meaning, the same in
            all labelled sets of a case. ``None`` where that is not known or not told.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        name: str,
        rows: NDArray[np.intp] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> None:
        self.pixels = pixels
        self.name = name
        self.rows = rows
        self.groups = groups

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> ImageSet:
        """Return the images at ``rows`` (a slice, integers or booleans) as a set of their own."""
        whole = np.arange(len(self)) if self.rows is None else self.rows
        groups = None if self.groups is None else self.groups[rows]
        return ImageSet(self.pixels[rows], self.name, whole[rows], groups)

    def tensor(
        self,
        size: int | None = None,
        normalise: tuple[float, float] | None = None,
        device: str = "cpu",
    ) -> torch.Tensor:
        """Return the images as one float32 tensor of shape (N, 1, size, size).

        Args:
            size: side length in pixels; resized with antialiasing in batches. ``None`` keeps H x W.
            normalise: mean and standard deviation on the scale of [0, 1]; ``None`` keeps [0, 1].
            device: where the tensor is put.
        """
        import torch
        from torch.nn.functional import interpolate

        mean, deviation = normalise or (0.0, 1.0)
        parts = []
        for start in range(0, len(self), 256):
            part = torch.tensor(self.pixels[start : start + 256], device=device)
            grey = part.unsqueeze(1).float() / 255
            if size is not None and grey.shape[-2:] != (size, size):
                grey = interpolate(
                    grey, (size, size), mode="bilinear", antialias=True, align_corners=False
                )
            parts.append((grey - mean) / deviation)
        return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images of several sets in a row, each with a label.

    Attributes:
        sets: the sets, in the order of the rows.
        labels: (N,) int64; membership 1 for used and 0 for not used, else the index of the class.
    """

    sets: tuple[ImageSet, ...]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sets: Mapping[int, ImageSet]) -> Labelled:
        """Join sets of one label each, given by label."""
        sizes = [len(images) for images in sets.values()]
        return cls(tuple(sets.values()), np.repeat(np.array(list(sets), np.int64), sizes))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The patient of each image, (N,) int64; ``None`` where that is not known of all."""
        known = [images.groups for images in self.sets if images.groups is not None]
        return np.concatenate(known) if len(known) == len(self.sets) else None

    def gather(self, describe: Callable[[ImageSet], NDArray[Any]]) -> NDArray[Any]:
        """Return what ``describe`` says of the images of each set, joined along the rows."""
        parts = [describe(images) for images in self.sets if len(images)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def at(self, rows: NDArray[np.intp]) -> Labelled:
        """Return the images at some rows, given in ascending order."""
        ends = np.cumsum([len(images) for images in self.sets])
        parts = np.split(rows, np.searchsorted(rows, ends[:-1]))
        starts = ends - [len(images) for images in self.sets]
        sets = [s[part - start] for s, part, start in zip(self.sets, parts, starts, strict=True)]
        return Labelled(tuple(sets), self.labels[rows])

    def together(self) -> ImageSet:
        """Return all images as one set, of pixels alone: the store has no features of it."""
        return ImageSet(self.gather(lambda images: images.pixels), "joined", groups=self.groups)


class _Part:
    """The sets of one part of a case, as far as the method's access reaches."""

    def __init__(self, sets: Mapping[str, ImageSet]) -> None:
        self._sets = dict(sets)

    def _one(self, name: str, access: Access) -> ImageSet:
        if name not in self._sets:
            raise AccessError(
                f"{type(self).__name__.lower()}.{name} was not handed over: "
                f"declare Access.{access.name}, or the task has no such set"
            )
        return self._sets[name]

    def _classes(self, kind: str, access: Access) -> Labelled:
        mine = [name for name in self._sets if name.startswith(f"{kind}/")]
        indices = [int(name.removeprefix(f"{kind}/")) for name in mine]
        classes = range(max(indices, default=0) + 1)
        return Labelled.of({c: self._one(f"{kind}/{c}", access) for c in classes})


class Training(_Part):
    """The labelled part of a case.

    Membership: ``generated``, ``used``, ``not_used``, the last two also as ``reals``, and, with
    access *reference*, ``reference``. Attribution: ``real_by_class`` and ``generated_by_class``.
    Both, with access *auxiliary*: ``auxiliary``.
    """

    @property
    def generated(self) -> ImageSet:
        """Images from the generator whose training set is in question."""
        return self._one("generated", Access.POOL)

    @property
    def used(self) -> ImageSet:
        """Real images known to have trained the generator."""
        return self._one("used", Access.LABELS)

    @property
    def not_used(self) -> ImageSet:
        """Real images known not to have trained it."""
        return self._one("not_used", Access.LABELS)

    @property
    def reals(self) -> Labelled:
        """Real images known to have trained it, label 1, and known not to, label 0."""
        return Labelled.of({1: self.used, 0: self.not_used})

    @property
    def reference(self) -> ImageSet:
        """Real images known not to have trained it, for a method that asks for no used ones."""
        return self._one("reference", Access.REFERENCE)

    @property
    def auxiliary(self) -> Labelled | None:
        """An external labelled set; ``None`` where the run names none."""
        if not any(name.startswith("auxiliary/") for name in self._sets):
            return None
        return self._classes("auxiliary", Access.AUXILIARY)

    @property
    def real_by_class(self) -> Labelled:
        """The real training subsets, one set per class."""
        return self._classes("real", Access.LABELS)

    @property
    def generated_by_class(self) -> Labelled:
        """Generated images of known origin, one set per training subset."""
        return self._classes("generated", Access.POOL)


class Questions(_Part):
    """The part of a case that is to be answered.

    Membership: one answer for every image of ``unknown``; ``generated`` is a further pool of the
    same generator. Attribution: one answer for every image of ``generated``.
    """

    @property
    def unknown(self) -> ImageSet:
        """Real images of which it is asked whether they were used."""
        return self._one("unknown", Access.LABELS)

    @property
    def generated(self) -> ImageSet:
        """Membership: further generated images. Attribution: the images to be attributed."""
        return self._one("generated", Access.POOL)


def granted(task: Task, access: Iterable[str]) -> dict[str, str]:
    """Return which sets of a case a method gets: name handed over → name (or prefix) in the case.

    A name that ends in ``/`` stands for one set per class.
    """
    access = set(access)
    auxiliary = "training.auxiliary/"
    sets = {auxiliary: auxiliary} if Access.AUXILIARY in access else {}
    if task is Task.ATTRIBUTION:
        sets["questions.generated"] = "questions.generated"
        if Access.POOL in access:
            sets["training.generated/"] = "training.generated/"
        if Access.LABELS in access:
            sets["training.real/"] = "training.real/"
        return sets
    sets["questions.unknown"] = "questions.unknown"
    if Access.POOL in access:
        sets["training.generated"] = "training.generated"
        sets["questions.generated"] = "questions.generated"
    if Access.LABELS in access:
        sets["training.used"] = "training.used"
        sets["training.not_used"] = "training.not_used"
    if Access.REFERENCE in access:
        sets["training.reference"] = "training.not_used"
    return sets
