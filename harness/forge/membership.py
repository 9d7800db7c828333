"""Membership data sets from generators really trained: of each real it is known who saw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.forge.allotment import Rows, deal_equally, halve, set_aside
from harness.forge.folder import describe_sets, make_entry, write_card, write_entries, write_sets
from harness.forge.forging import Forge, numbers
from harness.forge.foundry import Cast, Foundry
from harness.forge.order import PHANTOM, PHANTOM_MEMBERS, Order, Stream

SPLITS = ("train", "test")


class MembershipForge(Forge):
    """Forges a data set, one for every stage of a training, or both of a pair of twins."""

    def prepare(self) -> None:
        """Draw or read the source and deal it to members, non-members and the null pool's."""
        order = self.order
        self.source = order.open_source(order.hands)
        held_out = set_aside(self.source.groups, order.held_out, order.rng(Stream.HELD_OUT))
        self.learnt, self.held_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self.hands = self._deal()

    def train(self, foundry: Foundry) -> dict[str, Cast]:
        """Train the generator of the members, or both twins, and the one of the null pool."""
        casts = {}
        for number, (name, hand) in enumerate(self.order.shown.items()):
            seed = self.order.stream(Stream.TRAINING, number)
            pools = {
                split: self.order.stream(Stream.POOL, number, place)
                for place, split in enumerate(SPLITS)
            }
            casts[name] = foundry.cast(name, self.source.pixels[self.hands[hand]], seed, pools)
        return casts

    def write(self, folder: Path, casts: Mapping[str, Cast]) -> None:
        """Write every stage of the one data set, or of both of the twins, with entries and card."""
        order, facts = self.order, self.entry_facts()
        entries, described = {}, {}
        for maker, root, title in self._data_sets():
            reals = self._reals(used=maker != "b")
            write_sets(folder / root, reals)
            for stage in range(len(order.marks)):
                suffix, below = ("", "") if len(order.marks) == 1 else _stage(stage)
                pools = self._pools(casts, maker, stage)
                write_sets(folder / root / below, pools)
                entries[title + suffix] = make_entry(root, reals | pools, facts, below)
                described[title + suffix] = describe_sets(reals | pools)
        write_entries(folder, entries)
        write_card(folder, self.card(_summary(order), described, casts, order.shown))

    def _deal(self) -> list[Rows]:
        """Deal the patients: members, non-members and, where asked for, those of the null pool."""
        order, groups = self.order, self.patients(self.learnt)
        members = order.members or (PHANTOM_MEMBERS if order.source == PHANTOM else None)
        try:
            hands = deal_equally(groups, order.hands, order.rng(Stream.DEAL), members)
        except ValueError as error:
            raise BenchError(f"--members {members}: {error}; lower it") from error
        for rows in hands:
            if len({groups[row] for row in rows}) < len(SPLITS):
                have = f"{len(set(groups))} patients"
                remedy = "every set needs 2 for its halves; add patients or raise --members"
                raise BenchError(f"--source {order.source}: of {have} {remedy}")
        return [self.learnt[rows] for rows in hands]

    def _data_sets(self) -> list[tuple[str, str, str]]:
        """Return the generator, the folder and the name of each data set."""
        name = self.order.name
        if self.order.twins:
            return [("a", "a", f"{name}-a"), ("b", "b", f"{name}-b")]
        return [("members", ".", name)]

    def _pools(self, casts: Mapping[str, Cast], maker: str, stage: int) -> dict[str, RawSet]:
        """Return both pools of a generator at one stage and, if there is one, the null pool."""
        made = casts[maker].stages[stage]
        pools = {f"{split}/generated": _pool(made[split]) for split in SPLITS}
        null = "null" if self.order.null_pool else {"a": "b", "b": "a"}.get(maker)
        if null is not None:
            pixels = casts[null].stages[stage]["test"]
            pools["null"] = _pool(pixels[: self.order.null_images])
        return pools

    def _reals(self, *, used: bool) -> dict[str, RawSet]:
        """Return the reals of the first two hands, the first of which is ``used`` or is not."""
        halves = [self._halve(hand) for hand in (0, 1)]
        names = ("used", "not_used") if used else ("not_used", "used")
        sets = {
            f"train/{name}": self.named(f"real_{name}", hand, halves[hand][0])
            for hand, name in enumerate(names)
        }
        questions = np.concatenate([halves[0][1], halves[1][1]])
        labels = np.repeat([used, not used], [len(halves[0][1]), len(halves[1][1])])
        sets["test/unknown"] = self.named("real_unknown", 2, questions, labels.astype(int))
        asked = set(self.patients(halves[0 if used else 1][1]))
        others = [row for row in self.held_out if self.source.groups[row] in asked]
        if others:
            name = "real_other_slice"
            sets["test/other_slice"] = self.named(name, 3, np.array(others, np.intp))
        return dict(sorted(sets.items()))

    def _halve(self, hand: int) -> tuple[Rows, Rows]:
        """Return the rows of a hand in the train split and in the test split."""
        rows = self.hands[hand]
        first = halve(self.patients(rows), self.order.rng(Stream.HALVES, hand))
        return rows[first], rows[~first]


def _pool(pixels: NDArray[np.uint8]) -> RawSet:
    return RawSet(numbers("generated", len(pixels)), pixels)


def _stage(stage: int) -> tuple[str, str]:
    """Return what the name of a stage ends in, and its folder."""
    return f"-{stage + 1}", f"stage-{stage + 1}"


def _summary(order: Order) -> str:
    """Say in words what trained what."""
    if order.twins:
        text = (
            "Two data sets of the same real images. Patients were randomised into A and B and a "
            f"generator of one recipe was trained on each. In {order.name}-a the patients of A are "
            f"the members, in {order.name}-b those of B."
        )
        if not order.null_pool:
            text += " The null pool of each is the test pool of the other."
    else:
        text = (
            "Patients were randomised into members and non-members, and each of both into a train "
            "and a test half. One generator was trained on the members of both halves: the images "
            "of train/real_used and those of test/real_unknown with label 1."
        )
    if order.held_out:
        text += (
            " Of the members' patients slices that trained nothing are asked too, in "
            "test/real_other_slice, and scored apart."
        )
    if order.null_pool:
        text += " The null pool is that of a generator of the same recipe, trained on yet others."
    if order.stages:
        after = ", ".join(map(str, order.marks))
        text += f" There is a data set for every stage of the training: after {after} iterations."
    return text
