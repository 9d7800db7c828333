"""Attribution data sets: from which of several subsets does a generated image come?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.forge.allotment import deal_equally
from harness.forge.folder import describe_sets, make_entry, write_card, write_entries, write_sets
from harness.forge.forging import Forge, numbers
from harness.forge.foundry import Cast, Foundry
from harness.forge.order import PHANTOM, PHANTOM_MEMBERS, Order, Stream
from harness.forge.source import Source, draw_source

MAKERS = ("training", "questions")  # of the pools of a subset: two networks, the same images


class AttributionForge(Forge):
    """Forges one data set from subsets of patients, with two generators for each.

    One makes the training pool and the other the questions: with a single one, a classifier could
    know the network again in place of what it was trained on.
    """

    def prepare(self) -> None:
        """Draw or read the source and deal it to the subsets."""
        order = self.order
        if order.populations == "different":
            self.source, sizes = _draw_populations(order)
            self.hands = np.split(np.arange(len(self.source.pixels)), np.cumsum(sizes)[:-1])
            return
        self.source = order.open_source(order.subsets)
        members = order.members or (PHANTOM_MEMBERS if order.source == PHANTOM else None)
        try:
            dealt = deal_equally(self.source.groups, order.subsets, order.rng(Stream.DEAL), members)
        except ValueError as error:
            raise BenchError(f"--members {members}: {error}; lower it") from error
        if not all(map(len, dealt)):
            have = f"{len(set(self.source.groups))} patients"
            raise BenchError(f"--subsets {order.subsets}: there are only {have}; lower it")
        self.hands = dealt

    def train(self, foundry: Foundry) -> dict[str, Cast]:
        """Train both generators of every subset."""
        casts = {}
        for number, (subset, maker) in enumerate(self._generators()):
            images = self.source.pixels[self.hands[subset]]
            seed = self.order.stream(Stream.TRAINING, number)
            pools = {"pool": self.order.stream(Stream.POOL, number)}
            name = f"{_class(subset)}-{maker}"
            casts[name] = foundry.cast(name, images, seed, pools)
        return casts

    def write(self, folder: Path, casts: Mapping[str, Cast]) -> None:
        """Write the data set with its entry and card."""
        sets = self._sets(casts)
        classes = [_class(subset) for subset in range(self.order.subsets)]
        write_sets(folder, sets, classes)
        write_entries(folder, {self.order.name: make_entry(".", sets, self.entry_facts())})
        shown = {f"{_class(subset)}-{maker}": subset for subset, maker in self._generators()}
        described = {self.order.name: describe_sets(sets)}
        write_card(folder, self.card(_summary(self.order), described, casts, shown))

    def _generators(self) -> Iterator[tuple[int, str]]:
        return ((subset, maker) for subset in range(self.order.subsets) for maker in MAKERS)

    def _sets(self, casts: Mapping[str, Cast]) -> dict[str, RawSet]:
        sets, asked = {}, []
        for subset, rows in enumerate(self.hands):
            name = _class(subset)
            pools = {m: casts[f"{name}-{m}"].stages[-1]["pool"] for m in MAKERS}
            sets[f"train/real/{name}"] = self.named(f"{name}_real", subset, rows)
            ids = numbers("generated", len(pools["training"]))
            sets[f"train/generated/{name}"] = RawSet(ids, pools["training"])
            asked.append(pools["questions"])
        labels = np.repeat(np.arange(len(asked)), [len(pool) for pool in asked])
        shuffle = self.order.rng(Stream.NAMES, len(asked)).permutation(len(labels))
        sets["test/generated"] = RawSet(
            ids=numbers("generated_unknown", len(labels)),
            pixels=np.concatenate(asked)[shuffle],
            labels=tuple(labels[shuffle].tolist()),
        )
        return dict(sorted(sets.items(), key=lambda item: item[0].startswith("test/")))


def _draw_populations(order: Order) -> tuple[Source, list[int]]:
    """Draw patients of as many populations as there are subsets, and say how many images of each.

    A population is scanned at one fifth (or whatever part) of the heights of the trunk.
    """
    patients = -(-(order.members or PHANTOM_MEMBERS) // order.slices)
    drawn = []
    for subset, seed in enumerate(order.stream(Stream.SOURCE).spawn(order.subsets)):
        heights = (subset / order.subsets, (subset + 1) / order.subsets)
        drawn.append(draw_source(patients, order.slices, order.size, seed, heights))
    groups = [
        f"{_class(subset)}-{group}" for subset, part in enumerate(drawn) for group in part.groups
    ]
    pixels = np.concatenate([part.pixels for part in drawn])
    note = "drawn, one anatomy each; every subset at heights of its own"
    return Source(PHANTOM, pixels, tuple(groups), note), [len(part.pixels) for part in drawn]


def _class(subset: int) -> str:
    return f"t{subset + 1}"


def _summary(order: Order) -> str:
    """Say in words what trained what."""
    populations = "one population" if order.populations == "same" else "populations of their own"
    return (
        f"{order.subsets} subsets of patients of {populations}. Two generators of one recipe were "
        "trained on the same images of each, from different seeds: one made its training pool, the "
        "other the questions."
    )
