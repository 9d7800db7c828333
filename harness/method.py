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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, create_model

from harness.parts import AccessError, ImageSet, Labelled, Questions, Training
from harness.vocabulary import Access, Budget, Metric, Task

if TYPE_CHECKING:
    from harness.network import Backbone

__all__ = [
    "Access",
    "AccessError",
    "Budget",
    "Field",
    "ImageSet",
    "Labelled",
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


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where a method was described, and the published runs that it re-implements."""

    paper: str
    url: str | None = None
    runs: tuple[str, ...] = ()


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
    trains: ClassVar[bool] = False  # networks of its own: slow, so quicker ones run before it
    cpus: ClassVar[int | None] = None  # cores that help it; on a cluster it asks for no more
    gpus: ClassVar[float | None] = None  # or a fraction of one, where the run is on such devices
    memory: ClassVar[int | None] = None  # bytes that it needs at most
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
        demo: Mapping[str, Any] | None = None,
        **defaults: Any,
    ) -> type[Self]:
        """Return a named variant of this method that differs in the defaults of its parameters.

        Its demo budget leaves alone what the variant sets, unless ``demo`` says what it changes.
        """
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
        kept = {key: value for key, value in cls.demo.items() if key not in defaults}
        made.demo = kept if demo is None else demo
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
