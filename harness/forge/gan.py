"""Data sets from generators that were really trained: of each real it is known who saw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.entry import SAFE_NAME
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.files import file_digest, json_digest
from harness.forge.allotment import Rows, deal_equally, halve
from harness.forge.folder import describe_sets, make_entry, write_card, write_entries, write_sets
from harness.forge.source import Source, draw_source, read_source
from harness.forge.workshop import Workshop

if TYPE_CHECKING:
    from harness.forge.training import Regime, Trainer

PHANTOM = "phantom"
PHANTOM_MEMBERS = 200  # unless said otherwise
SIZES = (32, 64, 128, 256)  # of images in pixels
SPLITS = ("train", "test")
CODE = ("allotment.py", "gan.py", "networks.py", "source.py", "training.py")

Tell = Callable[[str, int, int], None]  # what is trained, iterations done, of how many


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    SOURCE = 0  # the drawn patients
    DEAL = 1  # which patients train what
    HALVES = 2  # which of them are in the train split
    TRAINING = 3  # a generator's weights and what it is shown when
    POOL = 4  # the latent vectors of one pool
    NAMES = 5  # the order of a set


@dataclass(frozen=True)
class Order:
    """What ``bench forge gan`` is asked to make.

    Raises:
        BenchError: A value is out of range, or two do not go together.
    """

    name: str  # of the data set
    source: str  # phantom, or a folder of images
    size: int  # side of an image in pixels
    iterations: int
    members: int | None  # images that a generator trains on; None: 200, or all that a folder has
    batch: int
    generated: int  # images per pool
    slices: int  # per drawn patient
    groups: str | None  # table in the source folder
    licence: str | None  # of a folder's images
    seed: int
    twins: bool
    null_pool: bool

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            raise BenchError(f"{self.name!a} is no name for a data set; give one with --name")
        if self.size not in SIZES:
            raise BenchError(f"--size {self.size}: choose {', '.join(map(str, SIZES))}")
        least = {"batch": 1, "generated": 1, "slices": 1, "iterations": 0, "seed": 0}
        for key, low in least.items():
            if getattr(self, key) < low:
                raise BenchError(f"--{key} {getattr(self, key)}: must be at least {low}")
        if self.members is not None and self.members < 2:
            raise BenchError(f"--members {self.members}: must be at least 2")
        if self.twins and self.null_pool:
            remedy = "leave --null-pool out"
            raise BenchError(f"--twins: the other twin's pool is the null pool; {remedy}")
        if self.source == PHANTOM and (self.groups or self.licence):
            raise BenchError("--groups and --licence describe a folder; leave them out")

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

    def open_source(self) -> Source:
        """Draw or read the real images.

        Raises:
            BenchError: The folder is not in order.
        """
        if self.source != PHANTOM:
            return read_source(Path(self.source), self.size, self.groups)
        patients = self.hands * -(-(self.members or PHANTOM_MEMBERS) // self.slices)
        return draw_source(patients, self.slices, self.size, self.stream(Stream.SOURCE))

    def facts(self, source: Source) -> dict[str, Any]:
        """Return the order as JSON values that name what was asked for, wherever it lies."""
        asked = {key: value for key, value in asdict(self).items() if key != "source"}
        return {"kind": "gan", **asked, "source": source.facts()}


class Forge:
    """Carries out one order."""

    def __init__(self, order: Order, out: Path, device: str, threads: int) -> None:
        """Read the source and look at what is there already.

        Raises:
            BenchError: The source is not in order or too small, or ``out`` is taken.
        """
        self.order, self.device, self.threads = order, device, threads
        self.source = order.open_source()
        self.hands = self._deal()
        self.conditions = {
            "torch": version("torch"),
            "device": device,
            "threads": threads,
            "code": json_digest([file_digest(Path(__file__).with_name(name)) for name in CODE]),
        }
        self.workshop = Workshop(out, order.facts(self.source), self.conditions)

    @property
    def trained(self) -> list[str]:
        """What the generators are called, in the order of the hands that they are trained on."""
        if self.order.twins:
            return ["a", "b"]
        return ["members", "null"] if self.order.null_pool else ["members"]

    def run(self, every: int, tell: Tell) -> None:
        """Train the generators and write the data set.

        Args:
            every: iterations between two checkpoints.
            tell: is told how far it is.
        """
        import torch

        from harness.forge.training import Regime

        torch.set_num_threads(self.threads)
        regime = Regime(self.order.size, self.order.iterations, self.order.batch)
        work = self.workshop.open()
        trainers = {name: self._train(name, regime, work, every, tell) for name in self.trained}
        self.workshop.finish(lambda folder: self._write(folder, regime, trainers))

    def _deal(self) -> list[Rows]:
        """Deal the patients: members, non-members and, where asked for, those of the null pool."""
        order, groups = self.order, self.source.groups
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
        return hands

    def _shown(self, name: str) -> Rows:
        """Return the rows of the source that a generator is trained on."""
        return self.hands[{"a": 0, "members": 0, "b": 1, "null": 2}[name]]

    def _train(self, name: str, regime: Regime, work: Path, every: int, tell: Tell) -> Trainer:
        from harness.forge.training import Trainer

        seed = self.order.stream(Stream.TRAINING, self.trained.index(name))
        images = self.source.pixels[self._shown(name)]
        trainer = Trainer(images, regime, seed, self.device)
        trainer.run(work / f"{name}.pt", every, lambda done, of: tell(name, done, of))
        return trainer

    def _write(self, folder: Path, regime: Regime, trainers: Mapping[str, Trainer]) -> None:
        """Write the one data set, or both of the twins, with entries and card."""
        pools = {name: self._pools(trainer, name) for name, trainer in trainers.items()}
        name, own = self.order.name, self.order.source == PHANTOM
        facts = {
            "publish_images": own,
            "licence": "Apache-2.0" if own else self.order.licence,
            "source": f"bench forge gan, {self.source.name}, seed {self.order.seed}",
        }
        sets: dict[str, dict[str, RawSet]] = {}
        if self.order.twins:
            for twin, other in (("a", "b"), ("b", "a")):
                null = {"null": pools[other]["test/generated"]}
                sets[twin] = self._reals(used=twin == "a") | pools[twin] | null
        else:
            sets["."] = self._reals(used=True) | pools["members"]
            if "null" in pools:
                sets["."] |= {"null": pools["null"]["test/generated"]}
        entries = {}
        for root, those in sets.items():
            write_sets(folder / root, those)
            title = name if root == "." else f"{name}-{root}"
            entries[title] = make_entry(root, those, facts)
        write_entries(folder, entries)
        described = dict(zip(entries, map(describe_sets, sets.values()), strict=True))
        write_card(folder, self._card(regime, trainers, described))

    def _pools(self, trainer: Trainer, name: str) -> dict[str, RawSet]:
        """Sample both pools of a generator."""
        pools = {}
        for split, place in enumerate(SPLITS):
            seed = self.order.stream(Stream.POOL, self.trained.index(name), split)
            pixels = trainer.sample(self.order.generated, seed)
            ids = tuple(f"generated_{number:04d}.png" for number in range(1, len(pixels) + 1))
            pools[f"{place}/generated"] = RawSet(ids, pixels)
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
        return {name: sets[name] for name in ("train/used", "train/not_used", "test/unknown")}

    def _halve(self, hand: int) -> tuple[Rows, Rows]:
        """Return the rows of a hand in the train split and in the test split."""
        rows = self.hands[hand]
        groups = [self.source.groups[row] for row in rows]
        first = halve(groups, self.order.rng(Stream.HALVES, hand))
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
            groups=tuple(self.source.groups[row] for row in rows[shuffle]),
        )

    def _card(
        self, regime: Regime, trainers: Mapping[str, Trainer], sets: Mapping[str, Any]
    ) -> dict[str, Any]:
        training = {}
        for name, trainer in trainers.items():
            rows = self._shown(name)
            training[name] = {
                "images": len(rows),
                "patients": len({self.source.groups[row] for row in rows}),
                "digest": json_digest([_digest(self.source.pixels[row]) for row in rows]),
                "losses": trainer.loss_curve(),
            }
        return {
            "name": self.order.name,
            "summary": _summary(self.order),
            "order": self.order.facts(self.source),
            "sets": dict(sets),
            "architecture": regime.facts(),
            "trained_on": training,
            "conditions": self.conditions,
        }


def _digest(image: NDArray[np.uint8]) -> str:
    from harness.datasets.images import pixel_digest

    return pixel_digest(image).hex()


def _summary(order: Order) -> str:
    """Say in words what trained what."""
    if order.twins:
        return (
            "Two data sets of the same real images. Patients were randomised into A and B and a "
            f"generator of one recipe was trained on each. In {order.name}-a the patients of A are "
            f"the members and the null pool is that of B's generator, in {order.name}-b the other "
            "way round."
        )
    text = (
        "Patients were randomised into members and non-members, and each of both into a train and "
        "a test half. One generator was trained on the members of both halves: the images of "
        "train/real_used and those of test/real_unknown with label 1."
    )
    if order.null_pool:
        text += " The null pool is that of a generator of the same recipe, trained on yet others."
    return text
