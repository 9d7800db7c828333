"""Planting: copies of members put into the pools of a data set that is there already."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset
from harness.datasets.entry import SAFE_NAME
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.files import read_json
from harness.forge.copies import Fidelity, degrade
from harness.forge.folder import (
    CARD,
    describe_sets,
    make_entry,
    write_card,
    write_entries,
    write_sets,
)
from harness.forge.workshop import Workshop
from harness.method import Task

POOLS = ("train/generated", "test/generated")  # the null pool stays as it is
MEMBERS = ("train/used", "test/unknown")


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    CHOSEN = 0  # which members are copied
    SLOTS = 1  # which images of a pool give way
    COPY = 2  # the degradation of the copies in a pool


@dataclass(frozen=True)
class Dose:
    """What is planted.

    Raises:
        BenchError: A value is out of range.
    """

    share: float  # of the members, 0 to 1
    each: int  # copies of one member in each pool
    fidelity: Fidelity  # how far a copy is from its original
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise BenchError(f"--share {self.share}: must lie between 0 and 1")
        for key, low in (("each", 1), ("seed", 0)):
            if getattr(self, key) < low:
                raise BenchError(f"--{key} {getattr(self, key)}: must be at least {low}")

    def facts(self) -> dict[str, Any]:
        """Return the dose as JSON values."""
        return {"share": self.share, "each": self.each, **asdict(self.fidelity), "seed": self.seed}

    def rng(self, stream: Stream, *key: int) -> np.random.Generator:
        """Return the generator of one stream of random numbers."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *key)))


def plant(dataset: Dataset, name: str, dose: Dose, out: Path) -> bool:
    """Write a data set like ``dataset`` whose pools hold copies of some members.

    As many images of each pool give way as copies come in. Everything else stays as it is.

    Args:
        dataset: of the task membership, with truth.
        name: of the new data set.
        dose: what is planted.
        out: the folder to be made.

    Returns:
        Whether anything was left to be done.

    Raises:
        BenchError: The data set does not say who its members are, a pool is too small for the
            copies, or ``out`` is taken.
    """
    if not SAFE_NAME.fullmatch(name):
        raise BenchError(f"{name!a} is no name for a data set; give one with --name")
    _check(dataset)
    base = {"name": dataset.entry.name, "fingerprint": dataset.fingerprint}
    workshop = Workshop(out, {"kind": "plant", "name": name, "dose": dose.facts(), "in": base}, {})
    if workshop.finished:
        return False
    members = _members(dataset)
    order = dose.rng(Stream.CHOSEN).permutation(len(members))
    chosen = members[order[: round(dose.share * len(members))]]
    sets = {name: _raw(dataset, name) for name in dataset.sets}
    for number, pool in enumerate(POOLS):
        sets[pool] = _planted(sets[pool], pool, chosen, dose, number)
    entry = dataset.entry
    made = make_entry(".", sets, {
        "publish_images": entry.publish_images,
        "licence": entry.licence,
        "source": f"bench forge plant, in {entry.name}, seed {dose.seed}",
    })  # fmt: skip
    card = {
        "name": name,
        "summary": f"{entry.name} with degraded copies of {len(chosen)} of its {len(members)} "
        f"members, {dose.each} of each, planted in both pools. Whoever finds every copy and "
        f"guesses the rest has an AUC of about {(1 + dose.share) / 2:.3f}.",
        "order": {"kind": "plant", "name": name, "dose": dose.facts(), "in": base},
        "sets": describe_sets(sets),
        "licence": entry.licence or "not stated",
        "planted_in": base | _base_order(dataset),
    }

    def build(folder: Path) -> None:
        write_sets(folder, sets)
        write_entries(folder, {name: made})
        write_card(folder, card)

    workshop.open()
    workshop.finish(build)
    return True


def _check(dataset: Dataset) -> None:
    entry = dataset.entry
    if entry.task is not Task.MEMBERSHIP:
        raise entry.flaw("task", "only a membership data set has members; choose another")
    if "test/unknown" not in dataset.sets or dataset.sets["test/unknown"].labels is None:
        raise entry.flaw("truth", "is missing, so the members are not known; add the truth")


def _members(dataset: Dataset) -> NDArray[np.uint8]:
    """Return the used reals of both splits, (N, H, W)."""
    parts = []
    for name in MEMBERS:
        packed = dataset.sets[name]
        parts.append(packed.pixels()[np.array(packed.labels) == 1])
    return np.concatenate(parts)


def _raw(dataset: Dataset, name: str) -> RawSet:
    packed = dataset.sets[name]
    ids = tuple(image if image.endswith(".png") else f"{image}.png" for image in packed.ids)
    return RawSet(ids, np.array(packed.pixels()), packed.labels, packed.groups)


def _planted(pool: RawSet, name: str, chosen: NDArray[np.uint8], dose: Dose, number: int) -> RawSet:
    """Return a pool in which copies of the ``chosen`` members have taken random places."""
    originals = np.repeat(chosen, dose.each, axis=0)
    if len(originals) > len(pool.ids):
        room = f"{len(originals)} copies do not fit in the {len(pool.ids)} images of {name}"
        raise BenchError(f"--share {dose.share}, --each {dose.each}: {room}; lower one of the two")
    slots = dose.rng(Stream.SLOTS, number).permutation(len(pool.ids))[: len(originals)]
    pixels = pool.pixels.copy()
    pixels[slots] = degrade(originals, dose.fidelity, dose.rng(Stream.COPY, number))
    return replace(pool, pixels=pixels)


def _base_order(dataset: Dataset) -> dict[str, Any]:
    """Return the order by which the data set was forged, if it was."""
    card = read_json(dataset.entry.origin.file.parent / CARD)
    if not isinstance(card, dict) or "order" not in card:
        return {}
    return {"order": card["order"]}
