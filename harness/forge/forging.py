"""Membership data sets from generators really trained: of each real it is known who saw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.images import pixel_digest
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.files import json_digest
from harness.forge.allotment import Rows, deal_equally, halve, set_aside
from harness.forge.folder import (
    describe_sets,
    make_entry,
    write_card,
    write_entries,
    write_sets,
)
from harness.forge.foundry import Cast, Foundry, Tell
from harness.forge.order import PHANTOM, PHANTOM_MEMBERS, Order, Stream
from harness.forge.workshop import Workshop, conditions

SPLITS = ("train", "test")


class Forge:
    """Carries out one order."""

    def __init__(self, order: Order, out: Path, device: str, threads: int) -> None:
        """Read the source and look at what is there already.

        Raises:
            BenchError: The source is not in order or too small, or ``out`` is taken.
        """
        self.order, self.device, self.threads = order, device, threads
        self.source = order.open_source()
        held_out = set_aside(self.source.groups, order.held_out, order.rng(Stream.HELD_OUT))
        self.learnt, self.held_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self.hands = self._deal()
        self.conditions = conditions(device, threads)
        self.workshop = Workshop(out, order.facts(self.source), self.conditions)

    def run(self, every: int, tell: Tell) -> None:
        """Train the generators and write the data sets.

        Args:
            every: iterations between two checkpoints.
            tell: is told how far it is.
        """
        import torch

        torch.set_num_threads(self.threads)
        foundry = Foundry(self.order, self.workshop.open(), self.device, every, tell)
        casts = {}
        for number, (name, hand) in enumerate(self.order.shown.items()):
            seed = self.order.stream(Stream.TRAINING, number)
            pools = {
                split: self.order.stream(Stream.POOL, number, place)
                for place, split in enumerate(SPLITS)
            }
            images = self.source.pixels[self.hands[hand]]
            casts[name] = foundry.cast(name, images, seed, pools)
        self.workshop.finish(lambda folder: self._write(folder, casts))

    def _deal(self) -> list[Rows]:
        """Deal the patients: members, non-members and, where asked for, those of the null pool."""
        order, groups = self.order, self._groups(self.learnt)
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

    def _groups(self, rows: Rows) -> tuple[str, ...]:
        return tuple(self.source.groups[row] for row in rows)

    def _write(self, folder: Path, casts: Mapping[str, Cast]) -> None:
        """Write every stage of the one data set, or of both of the twins, with entries and card."""
        order, own = self.order, self.order.source == PHANTOM
        facts = {
            "publish_images": own,
            "licence": "Apache-2.0" if own else order.licence,
            "source": f"bench forge {order.kind}, {self.source.name}, seed {order.seed}",
        }
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
        write_card(folder, self._card(casts, described))

    def _data_sets(self) -> list[tuple[str, str, str]]:
        """Return the generator, the folder and the name of each data set."""
        name = self.order.name
        if self.order.twins:
            return [("a", "a", f"{name}-a"), ("b", "b", f"{name}-b")]
        return [("members", ".", name)]

    def _pools(self, casts: Mapping[str, Cast], maker: str, stage: int) -> dict[str, RawSet]:
        """Return both pools of a generator at one stage and, if there is one, the null pool."""
        made = casts[maker].stages[stage]
        pools = {f"{split}/generated": numbered("generated", made[split]) for split in SPLITS}
        null = "null" if self.order.null_pool else {"a": "b", "b": "a"}.get(maker)
        if null is not None:
            pools["null"] = numbered("generated", casts[null].stages[stage]["test"])
        return pools

    def _reals(self, *, used: bool) -> dict[str, RawSet]:
        """Return the reals of the first two hands, the first of which is ``used`` or is not."""
        halves = [self._halve(hand) for hand in (0, 1)]
        names = ("used", "not_used") if used else ("not_used", "used")
        sets = {
            f"train/{name}": self._named(f"real_{name}", hand, halves[hand][0])
            for hand, name in enumerate(names)
        }
        questions = np.concatenate([halves[0][1], halves[1][1]])
        labels = np.repeat([used, not used], [len(halves[0][1]), len(halves[1][1])])
        sets["test/unknown"] = self._named("real_unknown", 2, questions, labels.astype(int))
        asked = set(self._groups(halves[0 if used else 1][1]))
        others = [row for row in self.held_out if self.source.groups[row] in asked]
        if others:
            name = "real_other_slice"
            sets["test/other_slice"] = self._named(name, 3, np.array(others, np.intp))
        return dict(sorted(sets.items()))

    def _halve(self, hand: int) -> tuple[Rows, Rows]:
        """Return the rows of a hand in the train split and in the test split."""
        rows = self.hands[hand]
        first = halve(self._groups(rows), self.order.rng(Stream.HALVES, hand))
        return rows[first], rows[~first]

    def _named(
        self, prefix: str, key: int, rows: Rows, labels: NDArray[np.int_] | None = None
    ) -> RawSet:
        """Shuffle images of the source, then number them."""
        shuffle = self.order.rng(Stream.NAMES, key).permutation(len(rows))
        return RawSet(
            ids=tuple(f"{prefix}_{number:04d}.png" for number in range(1, len(rows) + 1)),
            pixels=self.source.pixels[rows[shuffle]],
            labels=None if labels is None else tuple(labels[shuffle].tolist()),
            groups=self._groups(rows[shuffle]),
        )

    def _card(self, casts: Mapping[str, Cast], sets: Mapping[str, Any]) -> dict[str, Any]:
        training = {}
        for name, hand in self.order.shown.items():
            rows = self.hands[hand]
            training[name] = {
                "images": len(rows),
                "patients": len(set(self._groups(rows))),
                "digest": json_digest(
                    [pixel_digest(self.source.pixels[row]).hex() for row in rows]
                ),
                "losses": casts[name].losses,
            }
        return {
            "name": self.order.name,
            "summary": _summary(self.order),
            "order": self.order.facts(self.source),
            "sets": dict(sets),
            "architecture": next(iter(casts.values())).recipe,
            "trained_on": training,
            "conditions": self.conditions,
        }


def numbered(prefix: str, pixels: NDArray[np.uint8]) -> RawSet:
    """Return images as a set whose files are numbered in their order."""
    ids = tuple(f"{prefix}_{number:04d}.png" for number in range(1, len(pixels) + 1))
    return RawSet(ids, pixels)


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
