"""The contract: what the author of a method imports.

A method is a class with typed fields for its parameters, whose defaults are the paper's values::

    class NearestPixel(Method):
        "Largest correlation with any generated image."

        name = "nearest-pixel"
        task = Task.MEMBERSHIP
        access = frozenset({Access.POOL, Access.LABELS})

        k: int = Field(1, ge=1, description="how many nearest generated images are averaged")

        def fit(self, training, tools): ...
        def score(self, questions, tools): ...

It runs in a worker process that holds pixels and nothing else: no file name, no truth, no order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, create_model

from harness.vocabulary import Access, Budget, Metric, Task

if TYPE_CHECKING:
    import torch

    from harness.learning import Backbone

__all__ = [
    "Access",
    "AccessError",
    "Budget",
    "Field",
    "ImageSet",
    "Method",
    "Metric",
    "Prediction",
    "Questions",
    "Reference",
    "RowStatistics",
    "Task",
    "Tools",
    "Training",
]

T = TypeVar("T")
Rows = NDArray[Any]  # (N, D) numbers
Layers = str | tuple[str, ...] | list[str]  # of a backbone; one, or several in one pass


class AccessError(AttributeError):
    """A method asked for images that its ``access`` does not declare."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where a method was described, and the published runs that it re-implements."""

    paper: str
    url: str | None = None
    runs: tuple[str, ...] = ()


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

    def _classes(self, kind: str, access: Access) -> tuple[ImageSet, ...]:
        mine = [name for name in self._sets if name.startswith(f"{kind}/")]
        indices = [int(name.removeprefix(f"{kind}/")) for name in mine]
        return tuple(self._one(f"{kind}/{c}", access) for c in range(max(indices, default=0) + 1))


class Training(_Part):
    """The labelled part of a case.

    Membership: ``generated``, ``used``, ``not_used`` and, with access *reference*, ``reference``.
    Attribution: ``real_by_class`` and ``generated_by_class``, one set per training subset. Both,
    with access *auxiliary*: ``auxiliary``.
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
    def reference(self) -> ImageSet:
        """Real images known not to have trained it, for a method that asks for no used ones."""
        return self._one("reference", Access.REFERENCE)

    @property
    def auxiliary(self) -> tuple[ImageSet, ...] | None:
        """An external labelled set, one set per class; ``None`` where the run names none."""
        if not any(name.startswith("auxiliary/") for name in self._sets):
            return None
        return self._classes("auxiliary", Access.AUXILIARY)

    @property
    def real_by_class(self) -> tuple[ImageSet, ...]:
        """The real training subsets, one per class."""
        return self._classes("real", Access.LABELS)

    @property
    def generated_by_class(self) -> tuple[ImageSet, ...]:
        """Generated images of known origin, one set per class."""
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


@dataclass(frozen=True, eq=False)
class Prediction:
    """Answers in the order of the questions.

    Attributes:
        scores: membership (N,) float, higher means more likely used; attribution (N, C) float.
        labels: (N,) int; membership 1 for used and 0 for not used, attribution the class index.
    """

    scores: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class RowStatistics:
    """What the similarities of each query with every row of a pool are like."""

    mean: NDArray[np.float64]  # (N,)
    sd: NDArray[np.float64]  # (N,) population standard deviation
    within: NDArray[np.int64] | None  # (N,) rows within the radius, where one was given


class Tools(Protocol):
    """What the harness does for a method while it runs."""

    device: str  # where a network that the method trains belongs: "cpu", "cuda", "mps"
    precision: str  # what it computes in: "fp32" or "bf16"
    seed: int  # seed of the cell; everything random must come from it or from ``rng``
    rng: np.random.Generator
    budget: Budget
    classes: int  # attribution: number of training subsets; membership: 2
    scratch: Path  # an empty folder of the cell's own, deleted afterwards
    checkpoints: Path  # a folder that outlives an interruption, for :func:`harness.learning.train`

    @overload
    def features(
        self, images: ImageSet, backbone: str, layer: str = "pool"
    ) -> NDArray[np.float32]: ...

    @overload
    def features(
        self, images: ImageSet, backbone: str, layer: tuple[str, ...] | list[str]
    ) -> tuple[NDArray[np.float32], ...]: ...

    def features(self, images: ImageSet, backbone: str, layer: Layers = "pool") -> Any:
        """Return float32 features of a set of the case, from the shared store, memory-mapped.

        Args:
            images: a set of the case, or some rows of one.
            backbone: name of a frozen feature extractor; see ``bench list backbones``.
            layer: ``pool``, (N, D), what the backbone gives as the image's vector. ``tokens``,
                (N, T, D), the last feature map before pooling: T positions of a convolutional
                network, T patches of a ViT without its class token. ``blockK``, (N, D), the mean
                over the patches after block K of a ViT; ``stageK``, (N, D), the mean over the
                positions after stage K of timm's ``feature_info``; K counts from 1.
                ``blockK:tokens`` and ``stageK:tokens``, (N, T, D), the same before the mean.
                Several layers, as a tuple or list, come from one pass as a tuple of arrays.

        Raises:
            ValueError: the backbone or layer is unknown, or the weights are not at hand.
        """

    def network(self, backbone: str) -> Backbone:
        """Return the network of a backbone with its weights, on ``device``, ready to be trained.

        Raises:
            ValueError: the backbone is unknown or no network, or its weights are not at hand.
        """

    def neighbours(
        self,
        queries: Rows,
        pool: Rows,
        metric: Metric = "cosine",
        k: int = 1,
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the k nearest rows of ``pool`` for each query: values (N, k) and indices (N, k).

        Exact, nearest first, in bounded memory. Values are similarities for ``cosine``,
        ``correlation`` and ``dot`` (descending) and distances for ``l2`` (ascending).
        """

    def row_statistics(
        self,
        queries: Rows,
        pool: Rows,
        metric: Metric = "cosine",
        radius: float | None = None,
    ) -> RowStatistics:
        """Return mean and deviation of each query's similarities with all rows of ``pool``.

        With a ``radius`` also how many rows are at least so similar (``l2``: at most so far away).
        """

    def progress(self, steps: Iterable[T], what: str) -> Iterator[T]:
        """Pass ``steps`` through, showing how far they are."""

    def log(self, text: str) -> None:
        """Write a line to the log of the cell."""

    def cached(self, key: str, make: Callable[[], T]) -> T:
        """Return what ``make`` gave the first time it was asked for under ``key`` in this cell."""


class Method(BaseModel, ABC):
    """A competitor or control. Fields are its parameters; see the module's example."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())

    name: ClassVar[str]  # unique, kebab-case
    task: ClassVar[Task]
    access: ClassVar[frozenset[Access]]
    reference: ClassVar[Reference | None] = None
    control: ClassVar[bool] = False  # shows what can be had without detecting anything
    implementation: ClassVar[str | None] = None  # of a variant: the class that it varies
    headline: ClassVar[bool] = True  # the variant that stands for its family in a short run
    deviations: ClassVar[tuple[str, ...]] = ()  # where it departs from the paper, and why
    demo: ClassVar[Mapping[str, Any]] = {}  # the parameters that the demo budget changes

    @abstractmethod
    def fit(self, training: Training, tools: Tools) -> None:
        """Learn from the labelled part; keep what is learnt in underscore attributes."""

    @abstractmethod
    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Answer every question; the answer must not depend on the order of the questions."""

    @classmethod
    def variant(
        cls,
        name: str,
        summary: str,
        *,
        access: Iterable[Access] | None = None,
        deviations: tuple[str, ...] | None = None,
        reference: Reference | None = None,
        **defaults: Any,
    ) -> type[Self]:
        """Return a named variant of this method that differs in the defaults of its parameters."""
        fields: dict[str, Any] = {}
        for key, value in defaults.items():
            field = cls.model_fields[key]
            fields[key] = (field.annotation, field.merge_field_infos(field, default=value))
        made = create_model(
            name, __base__=cls, __doc__=summary, __module__=cls.__module__, **fields
        )
        made.name = name
        made.headline = False
        made.implementation = cls.implementation or cls.__qualname__
        made.demo = {key: value for key, value in cls.demo.items() if key not in defaults}
        made.access = cls.access if access is None else frozenset(access)
        made.deviations = cls.deviations if deviations is None else deviations
        made.reference = reference or cls.reference
        return made

    @classmethod
    def within(cls, budget: Budget, changes: Mapping[str, Any] | None = None) -> Self:
        """Return the method with the parameters of ``budget`` and the given ``changes`` on top.

        Raises:
            pydantic.ValidationError: a parameter is unknown, of the wrong type or out of range.
        """
        base = cls.demo if budget is Budget.DEMO else {}
        return cls(**{**base, **(changes or {})})
