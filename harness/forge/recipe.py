"""The recipe of a phantom data set: reals, generated pools and planted copies of known truth."""

from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from harness.datasets.recipe import OptionError, RawSet
from harness.errors import did_you_mean
from harness.files import file_digest, json_digest
from harness.forge.anatomy import draw_patient
from harness.forge.copies import Fidelity, degrade

Pixels = NDArray[np.uint8]  # (N, H, W)
Labels = NDArray[np.int64]  # (N,)
Split = Literal["train", "test"]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]

SPLITS: tuple[Split, Split] = ("train", "test")
NAMES = {  # how the images of each set are called
    "train/used": "real_used",
    "train/not_used": "real_not_used",
    "test/unknown": "real_unknown",
    "train/generated": "generated",
    "test/generated": "generated",
    "null": "generated",
}
POOLS = ("train/generated", "test/generated", "null")
KEPT = 4096  # patients and images that are not drawn again for the next recipe of a process
SOURCES = ("anatomy.py", "layers.py", "frame.py", "phantom.py", "copies.py", "recipe.py")


class Stream(IntEnum):
    """What a stream of random numbers is for.

    Every patient, image and copy has streams of its own, so that a change of one part of the
    recipe leaves the other parts as they are, to the byte.
    """

    REAL = 0  # a real patient's anatomy
    HEIGHTS = 1  # where a real patient's slices lie
    SCANNER = 2  # the noise of one real slice
    USED = 3  # which patients of a split are used
    FRESH = 4  # the anatomy behind one fresh image of a pool
    FRESH_SCAN = 5  # its height and noise
    COPIED = 6  # which members are copied
    COPY = 7  # the degradation of one copy
    NAMES = 8  # the order of a set
    GROUPS = 9  # the numbers of the patients


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Patients(_Block):
    """Patients per class: so many are used, and as many are not."""

    train: PositiveInt
    test: PositiveInt


class Generated(_Block):
    """Images per pool."""

    train: PositiveInt
    test: PositiveInt
    null: NonNegativeInt  # 0: no null pool


class Copies(_Block):
    """The dose: how many members are copied into both pools, and how well."""

    share: Annotated[float, Field(ge=0, le=1)]  # of the members
    each: PositiveInt = 1  # copies of one member in one pool
    blur: Strength = 0.0  # sd in pixels
    noise: Strength = 0.0  # sd in grey levels
    gain: Strength = 0.0  # relative sd of the contrast

    @property
    def fidelity(self) -> Fidelity:
        """How far a copy is from its original."""
        return Fidelity(self.blur, self.noise, self.gain)

    def chosen(self, members: int) -> int:
        """Return how many of the members are copied."""
        return round(self.share * members)


class PhantomRecipe(_Block):
    """Drawn patients, a random half of whom trained a pretended generator.

    Of what it leaks everything is known: its pools hold slices of fresh patients of the same
    population, and degraded copies of some members. Members are the used reals of both splits, for
    one generator made both pools. The null pool holds yet other fresh patients and no copies.
    """

    seed: NonNegativeInt
    size: Annotated[int, Field(ge=32, le=512)]  # side of an image in pixels
    slices: PositiveInt  # per patient
    patients: Patients
    generated: Generated
    copies: Copies

    @field_validator("copies")
    @classmethod
    def _copies_fit(cls, copies: Copies, info: ValidationInfo) -> Copies:
        if not {"slices", "patients", "generated"} <= info.data.keys():
            return copies  # what is wrong with those is said first
        patients, generated = info.data["patients"], info.data["generated"]
        members = info.data["slices"] * (patients.train + patients.test)
        chosen, room = copies.chosen(members), min(generated.train, generated.test)
        if chosen * copies.each > room:
            asked = f"{chosen} of {members} members at {copies.each} each"
            remedy = "lower share or each, or enlarge the pool"
            raise ValueError(f"copies of {asked} do not fit in a pool of {room}; {remedy}")
        return copies

    @property
    def digest(self) -> str:
        """Name what this recipe makes: its content, and the source of all that draws it."""
        content = self.model_dump(mode="json")
        if self.copies.share == 0:
            content["copies"] = {"share": 0}
        sources = {name: file_digest(Path(__file__).with_name(name)) for name in SOURCES}
        return json_digest({"recipe": content, "sources": sources})

    def make(self) -> dict[str, RawSet]:
        """Draw every set; the same recipe gives the same bytes on the same machine.

        Returns:
            ``train/used``, ``train/not_used``, ``test/unknown``, ``train/generated``,
            ``test/generated`` and, unless it is empty, ``null``. The order of the images and
            their names tell neither class nor origin.
        """
        pixels, labels, groups = self._reals("train")
        questions, truth, patients = self._reals("test")
        members = np.concatenate([pixels[labels == 1], questions[truth == 1]])
        sets = {"test/unknown": self._named("test/unknown", questions, truth, patients)}
        for name, label in (("train/used", 1), ("train/not_used", 0)):
            rows = labels == label
            sets[name] = self._named(name, pixels[rows], labels[rows], groups[rows])
        for name in ("train/generated", "test/generated"):
            sets[name] = self._named(name, self._pool(name, members))
        if self.generated.null:
            sets["null"] = self._named("null", self._fresh("null", self.generated.null))
        return sets

    def _rng(self, stream: Stream, *key: int) -> np.random.Generator:
        return np.random.default_rng(_stream(self.seed, stream, *key))

    def _reals(self, split: Split) -> tuple[Pixels, Labels, NDArray[np.str_]]:
        """Draw the patients of a split and call a random half of them used."""
        place = SPLITS.index(split)
        count = 2 * (self.patients.train, self.patients.test)[place]
        everyone = 2 * (self.patients.train + self.patients.test)
        first = place * 2 * self.patients.train
        numbers = self._rng(Stream.GROUPS).permutation(everyone)[first : first + count] + 1
        used = self._rng(Stream.USED, place).permutation(count) < count // 2
        images = [
            real_slices(self.seed, self.size, self.slices, place, patient)
            for patient in range(count)
        ]
        groups = np.array([f"patient-{number:04d}" for number in numbers])
        labels = used.astype(np.int64)
        return np.concatenate(images), labels.repeat(self.slices), groups.repeat(self.slices)

    def _fresh(self, name: str, count: int) -> Pixels:
        """Draw the first ``count`` fresh images of a pool, each of a patient of its own."""
        images = np.empty((count, self.size, self.size), np.uint8)
        for slot in range(count):
            images[slot] = fresh_image(self.seed, self.size, POOLS.index(name), slot)
        return images

    def _pool(self, name: str, members: Pixels) -> Pixels:
        """Return a pool of fresh images, the last of which give way to the copies."""
        pool = POOLS.index(name)
        order = self._rng(Stream.COPIED).permutation(len(members))
        copies = [
            degrade(members[[who]], self.copies.fidelity, self._rng(Stream.COPY, pool, who, n))
            for who in order[: self.copies.chosen(len(members))].tolist()
            for n in range(self.copies.each)
        ]
        fresh = (self.generated.train, self.generated.test)[pool] - len(copies)
        return np.concatenate([self._fresh(name, fresh), *copies])

    def _named(
        self,
        name: str,
        pixels: Pixels,
        labels: Labels | None = None,
        groups: NDArray[np.str_] | None = None,
    ) -> RawSet:
        """Shuffle a set, then number it."""
        order = self._rng(Stream.NAMES, list(NAMES).index(name)).permutation(len(pixels))
        return RawSet(
            ids=tuple(f"{NAMES[name]}_{number:04d}.png" for number in range(1, len(order) + 1)),
            pixels=pixels[order],
            labels=None if labels is None else tuple(labels[order].tolist()),
            groups=None if groups is None else tuple(groups[order].tolist()),
        )


@lru_cache(KEPT)
def real_slices(seed: int, size: int, slices: int, split: int, patient: int) -> Pixels:
    """Draw one real patient of a split, (slices, size, size)."""
    from harness.forge.phantom import render_slice

    anatomy = draw_patient(_stream(seed, Stream.REAL, split, patient))
    rng = np.random.default_rng(_stream(seed, Stream.HEIGHTS, split, patient))
    scans = [
        np.random.default_rng(_stream(seed, Stream.SCANNER, split, patient, number))
        for number in range(slices)
    ]
    heights = spread_heights(slices, rng)
    return np.stack(
        [
            render_slice(anatomy, height, size, scan)
            for height, scan in zip(heights, scans, strict=True)
        ]
    )


@lru_cache(KEPT)
def fresh_image(seed: int, size: int, pool: int, slot: int) -> NDArray[np.uint8]:
    """Draw one fresh image of a pool, (size, size), of a patient whom no other image shows."""
    from harness.forge.phantom import render_slice

    scan = np.random.default_rng(_stream(seed, Stream.FRESH_SCAN, pool, slot))
    anatomy = draw_patient(_stream(seed, Stream.FRESH, pool, slot))
    return render_slice(anatomy, scan.uniform(), size, scan)


def _stream(seed: int, stream: Stream, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(stream, *key))


def spread_heights(count: int, rng: np.random.Generator) -> list[float]:
    """Spread the heights of one patient's slices, never two close together.

    Each height by itself is uniform over [0, 1), as the height of a fresh image is: slices of
    reals and of pools differ in nothing but the patient.
    """
    places = np.arange(count) + rng.uniform() + rng.uniform(-0.2, 0.2, count)
    heights: list[float] = (places / count % 1.0).tolist()
    return heights


def phantom(options: dict[str, Any]) -> PhantomRecipe:
    """Return the recipe that the ``fetch: phantom:`` block of an entry describes.

    Raises:
        OptionError: A key is missing, unknown or out of range.
    """
    try:
        return PhantomRecipe.model_validate(options)
    except ValidationError as error:
        # A misspelt key leaves another one missing; the misspelling is what to mend.
        flaws = error.errors(include_url=False)
        first = min(flaws, key=lambda flaw: flaw["type"] != "extra_forbidden")
        raise OptionError(tuple(map(str, first["loc"])), _sentence(first)) from error


def _sentence(error: ErrorDetails) -> str:
    """Say in our words what pydantic found."""
    blocks: dict[str, type[_Block]] = {
        "patients": Patients,
        "generated": Generated,
        "copies": Copies,
    }
    place = error["loc"]
    match error["type"]:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden":
            known = blocks[str(place[0])] if len(place) > 1 else PhantomRecipe
            keys = list(known.model_fields)
            return (
                f"unknown key{did_you_mean(str(place[-1]), keys)}; the keys are {', '.join(keys)}"
            )
        case "model_type" if place:
            return f"must be a block with the keys {', '.join(blocks[str(place[0])].model_fields)}"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case _:
            wanted = error["msg"].replace("Input should", "must")
            return f"{wanted}, not {error['input']!r}; correct it"
