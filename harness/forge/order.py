"""What a forge is asked to make: the order, and the streams of random numbers that carry it out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.datasets.entry import SAFE_NAME
from harness.datasets.image_options import parse_image_options
from harness.errors import BenchError
from harness.forge.source import Source, draw_source, read_source

PHANTOM = "phantom"
PHANTOM_MEMBERS = 200  # unless said otherwise
SIZES = (32, 64, 128, 256)  # of images in pixels


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    SOURCE = 0  # the drawn patients
    DEAL = 1  # which patients train what
    HALVES = 2  # which of them are in the train split
    TRAINING = 3  # a generator's weights and what it is shown when
    POOL = 4  # what one pool is made from
    NAMES = 5  # the order of a set
    HELD_OUT = 6  # which slices of a patient train nothing


@dataclass(frozen=True)
class Order:
    """What ``bench forge gan`` or ``bench forge diffusion`` is asked to make.

    Raises:
        BenchError: A value is out of range, or two do not go together.
    """

    kind: Literal["gan", "diffusion"]  # of generator
    name: str  # of the data set
    source: str  # phantom, or a folder of images
    size: int  # side of an image in pixels
    iterations: int
    stages: tuple[int, ...]  # iterations after which a data set is written too, ascending
    members: int | None  # images that a generator trains on; None: 200, or all that a folder has
    batch: int
    generated: int  # images per pool
    slices: int  # per drawn patient
    held_out: int  # further slices per patient, which train nothing and are asked about
    groups: str | None  # table in the source folder
    licence: str | None  # of a folder's images
    image: str | None  # how a folder's files are decoded, as YAML with the keys of an entry's image
    seed: int
    twins: bool
    null_pool: bool
    null_images: int | None = None  # in the null pool; None: as many as in the others
    subsets: int = 0  # of an attribution data set; 0: membership is asked
    populations: Literal["same", "different"] = "same"  # of the subsets

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            raise BenchError(f"{self.name!a} is no name for a data set; give one with --name")
        if self.size not in SIZES:
            raise BenchError(f"--size {self.size}: choose {', '.join(map(str, SIZES))}")
        least = {"batch": 1, "generated": 1, "slices": 1, "held_out": 0, "iterations": 0, "seed": 0}
        for key, low in least.items():
            if getattr(self, key) < low:
                option = key.replace("_", "-")
                raise BenchError(f"--{option} {getattr(self, key)}: must be at least {low}")
        if self.null_images is not None and not 1 <= self.null_images <= self.generated:
            raise BenchError(
                f"--null-images {self.null_images}: must be 1 to --generated, {self.generated}"
            )
        if self.members is not None and self.members < 2:
            raise BenchError(f"--members {self.members}: must be at least 2")
        if list(self.marks) != sorted(set(self.marks)) or self.marks[0] < 0:
            given = ", ".join(map(str, self.stages))
            raise BenchError(f"--stage {given}: must ascend, and end below --iterations")
        self._check_subsets()
        if self.source == PHANTOM and (self.groups or self.licence or self.image):
            raise BenchError("--groups, --licence and --image describe a folder; leave them out")

    def _check_subsets(self) -> None:
        if self.populations not in ("same", "different"):
            raise BenchError(f"--populations {self.populations}: choose same or different")
        if self.subsets == 0 and self.populations == "different":
            raise BenchError("--populations: is about the subsets; give --subsets too")
        if self.subsets == 0:
            return
        if self.subsets < 2:
            raise BenchError(f"--subsets {self.subsets}: must be at least 2")
        asked = {"twins": self.twins, "null-pool": self.null_pool, "stage": bool(self.stages)}
        asked["held-out"] = self.held_out > 0
        for option in (option for option, given in asked.items() if given):
            raise BenchError(f"--{option}: is about membership; leave it out or --subsets")
        if self.populations == "different" and self.source != PHANTOM:
            raise BenchError("--populations different: only phantoms have them; leave it out")

    @property
    def marks(self) -> tuple[int, ...]:
        """The iterations after which a data set is written, ascending."""
        return (*self.stages, self.iterations)

    @property
    def shown(self) -> dict[str, int]:
        """Which set of patients each generator is trained on, by the generator's name."""
        names = ["a", "b"] if self.twins else ["members"]
        return dict(zip(names, (0, 1), strict=False)) | ({"null": 2} if self.null_pool else {})

    @property
    def hands(self) -> int:
        """Into how many sets of patients the source is divided."""
        return 3 if self.null_pool else 2

    def stream(self, stream: Stream, *key: int) -> np.random.SeedSequence:
        """Return the seed of one stream of random numbers."""
        return np.random.SeedSequence(self.seed, spawn_key=(stream, *key))

    def rng(self, stream: Stream, *key: int) -> np.random.Generator:
        """Return the generator of one stream of random numbers."""
        return np.random.default_rng(self.stream(stream, *key))

    def open_source(self, hands: int) -> Source:
        """Draw as many real images as so many ``hands`` need, or read those of the folder.

        Raises:
            BenchError: The folder is not in order.
        """
        if self.source != PHANTOM:
            return read_source(
                Path(self.source), parse_image_options(self.image, size=self.size), self.groups
            )
        patients = hands * -(-(self.members or PHANTOM_MEMBERS) // self.slices)
        slices = self.slices + self.held_out
        return draw_source(patients, slices, self.size, self.stream(Stream.SOURCE))

    def facts(self, source: Source) -> dict[str, Any]:
        """Return the order as JSON values that name what was asked for, wherever it lies."""
        asked = {key: value for key, value in asdict(self).items() if key != "source"}
        return {**asked, "stages": list(self.stages), "source": source.facts()}
