"""The small data of the kit: drawn patients with copies of every member planted in the pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cases import Case, Protocol, make_cases
from harness.datasets.dataset import Dataset
from harness.datasets.entry import Entry, Layout, Origin
from harness.datasets.images import pixel_digest
from harness.datasets.layouts import classes_of
from harness.datasets.pack import PackedSet
from harness.datasets.recipe import RawSet
from harness.files import json_digest
from harness.forge.copies import Fidelity, degrade
from harness.forge.recipe import phantom
from harness.forge.source import draw_source
from harness.method import Task

Sets = dict[str, RawSet]  # by canonical name, for example train/used

SIZE = 32  # side of an image in pixels
CLASSES = 3  # subsets of the attribution data
FLAT = (0, 128, 255)  # greys of the constant images


@cache
def draw(task: Task, number: int = 0) -> Sets:
    """Return the sets of a task, drawn from the seed ``number``.

    Membership: 32 training reals and 48 questions of 40 patients, pools of 48 images that hold a
    slightly degraded copy of every member. Attribution: three subsets at heights of their own, of
    12 reals each, with two degraded copies of every real: one in the training pool, one asked.
    """
    sets = _membership(number) if task is Task.MEMBERSHIP else _attribution(number)
    return {name: taken(raw, _by_digest(raw)) for name, raw in sets.items()}


def question_set(task: Task) -> str:
    """Return the name of the set that is asked."""
    return "test/unknown" if task is Task.MEMBERSHIP else "test/generated"


def taken(raw: RawSet, rows: Sequence[int] | NDArray[np.intp]) -> RawSet:
    """Return the images at ``rows``, in that order."""
    chosen = [int(row) for row in rows]
    return RawSet(
        tuple(raw.ids[row] for row in chosen),
        raw.pixels[chosen],
        raw.labels and tuple(raw.labels[row] for row in chosen),
        raw.groups and tuple(raw.groups[row] for row in chosen),
    )


def asking(sets: Sets, task: Task, rows: Sequence[int] | NDArray[np.intp]) -> Sets:
    """Return the sets with the questions at ``rows`` alone, in that order."""
    name = question_set(task)
    return {**sets, name: taken(sets[name], rows)}


def one_used(sets: Sets, task: Task) -> Sets:
    """Return the sets with one used image; attribution: with one real of the first subset."""
    name = "train/used" if task is Task.MEMBERSHIP else "train/real/t1"
    return {**sets, name: taken(sets[name], [0])}


def two_generated(sets: Sets, task: Task) -> Sets:
    """Return the sets with two generated images in every pool that is not asked about."""
    pools = [name for name in sets if "generated" in name and name != question_set(task)]
    return {**sets, **{name: taken(sets[name], [0, 1]) for name in pools}}


def with_flat_images(sets: Sets) -> Sets:
    """Return the sets with three images of every one replaced by black, grey and white ones."""
    flat = {}
    for name, raw in sets.items():
        pixels = raw.pixels.copy()
        pixels[: len(FLAT)] = np.array(FLAT, np.uint8)[:, None, None]
        flat[name] = replace(raw, pixels=pixels)
    return {name: taken(raw, _by_digest(raw)) for name, raw in flat.items()}


def make_case(task: Task, sets: Sets, folder: Path) -> tuple[Dataset, Case]:
    """Write the sets, in the order that they have, and return them as a data set with its case.

    Args:
        task: of the sets.
        sets: by canonical name.
        folder: an empty folder for the pixels.
    """
    packed = {name: _pack(name, raw, folder) for name, raw in sets.items()}
    content = {name: [part.digests, part.labels, part.groups] for name, part in packed.items()}
    entry = Entry(
        name="kit",
        origin=Origin(Path(__file__), 1, {}),
        task=task,
        layout=Layout.PACK,
        fetch={"kit": {}},
    )
    dataset = Dataset(entry, json_digest([task, content]), packed, classes_of(task, packed))
    [case] = make_cases(dataset, Protocol.OFFICIAL, seed=0)
    return dataset, case


def _pack(name: str, raw: RawSet, folder: Path) -> PackedSet:
    path = folder / f"{name.replace('/', '.')}.npy"
    np.save(path, raw.pixels)
    digests = tuple(pixel_digest(image).hex() for image in raw.pixels)
    return PackedSet(name, raw.ids, digests, raw.labels, raw.groups, path)


def _by_digest(raw: RawSet) -> list[int]:
    digests = [pixel_digest(image) for image in raw.pixels]
    return sorted(range(len(digests)), key=lambda row: (digests[row], raw.ids[row]))


def _membership(number: int) -> Sets:
    recipe = phantom(
        {
            "seed": number,
            "size": SIZE,
            "slices": 2,
            "patients": {"train": 8, "test": 12},
            "generated": {"train": 48, "test": 48, "null": 0},
            "copies": {"share": 1.0, "each": 1, "blur": 0.3, "noise": 3.0, "gain": 0.03},
        }
    )
    return recipe.make()


def _attribution(number: int) -> Sets:
    drawn, noise = np.random.SeedSequence(number).spawn(2)
    rng, fidelity = np.random.default_rng(noise), Fidelity(blur=0.3, noise=3.0, gain=0.03)
    sets: Sets = {}
    asked, truth = [], list[int]()
    for label, seed in enumerate(drawn.spawn(CLASSES)):
        heights = (label / CLASSES, (label + 1) / CLASSES)
        source = draw_source(6, 2, SIZE, seed, heights)
        groups = tuple(f"{label}-{group}" for group in source.groups)
        labels = (label,) * len(groups)
        ids = tuple(f"image-{row}" for row in range(len(groups)))
        sets[f"train/real/t{label + 1}"] = RawSet(ids, source.pixels, labels, groups)
        copies = degrade(source.pixels, fidelity, rng)
        sets[f"train/generated/t{label + 1}"] = RawSet(ids, copies, labels)
        asked.append(degrade(source.pixels, fidelity, rng))
        truth += labels
    ids = tuple(f"image-{row}" for row in range(len(truth)))
    return {**sets, "test/generated": RawSet(ids, np.concatenate(asked), tuple(truth))}
