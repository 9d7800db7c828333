"""Images before they are packed, and what can make a data set instead of reading one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import BenchError


@dataclass(frozen=True, eq=False)
class RawSet:
    """One set of images, in any order.

    Raises:
        ValueError: The parts disagree about the number of images, an id occurs twice, or the
            pixels are not uint8 of shape (N, H, W).
    """

    ids: tuple[str, ...]  # one name per image, unique within the set
    pixels: NDArray[np.uint8]  # (N, H, W), grey, 0 is black
    labels: tuple[int, ...] | None = None  # membership 0/1, attribution class index; None: unknown
    groups: tuple[str, ...] | None = None  # the patient of each image; None: unknown

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3:
            shape = f"{self.pixels.dtype} of shape {self.pixels.shape}"
            raise ValueError(f"pixels must be uint8 of shape (N, H, W), not {shape}")
        for what, values in (("ids", self.ids), ("labels", self.labels), ("groups", self.groups)):
            if values is not None and len(values) != len(self.pixels):
                raise ValueError(f"{len(values)} {what} for {len(self.pixels)} images")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("an id occurs twice")


class OptionError(BenchError):
    """An option that a maker of recipes refuses; who knows the entry adds its place."""

    def __init__(self, keys: tuple[str, ...], text: str) -> None:
        super().__init__(f"{'.'.join(keys)}: {text}")
        self.keys = keys  # from the recipe's own options down, for example copies, share
        self.text = text  # what is wrong with it, and the remedy


class Recipe(Protocol):
    """Something that makes a data set from options alone, the same one every time."""

    @property
    def digest(self) -> str:
        """Name everything that decides the outcome: equal digests mean equal data sets."""
        ...

    def make(self) -> dict[str, RawSet]:
        """Return the sets by their canonical names, for example ``train/generated``."""
        ...
