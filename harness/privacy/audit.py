"""A privacy audit: ask the method, compare patients, plant copies, give the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from harness.cards import Card
from harness.datasets.pack import PackedSet, write_set
from harness.datasets.recipe import RawSet
from harness.method import Access
from harness.privacy.asking import Questioner
from harness.privacy.division import check_method, divide, patients_of
from harness.privacy.finding import Finding, judge
from harness.privacy.folders import Folders, Role, Say
from harness.privacy.lesson import teach
from harness.privacy.limit import DOSES, MOST, Plant, Point, find_copies, plant
from harness.privacy.patients import Floats, Patient
from harness.privacy.release import Release, count_identified
from harness.privacy.verdict import Verdict, give_verdict

Ask = Callable[..., list[Patient]]
GROUPS = (Role.ASKED, Role.MEMBERS)  # of patients that are judged


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is said of the patients of one folder."""

    role: Role
    scored: tuple[Patient, ...]  # the highest score first
    finding: Finding | None  # None without patients who were not used
    points: tuple[Point, ...]  # what would have been found of planted copies
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Audit:
    """All that an audit found.

    Attributes:
        folders: what was given.
        card: of the method.
        learnt: how many patients the method learnt from, by "used" and "not_used".
        taught: whether the used ones are played by others, of whom copies were planted.
        judgements: on the images asked about, then on the members.
        null: patients who were not used and chose nothing; empty without a reference.
        release: members identified at 1 % false alarms, where members and held-out ones are given.
        identical: images that equal a generated one, pixel by pixel, by role and file.
    """

    folders: Folders
    card: Card
    learnt: dict[str, int]
    taught: bool
    judgements: tuple[Judgement, ...]
    null: tuple[Patient, ...]
    release: Release | None
    identical: tuple[tuple[Role, str], ...]


def run_audit(folders: Folders, questioner: Questioner, seed: int, into: Path, say: Say) -> Audit:
    """Ask about the patients of every folder, and say what can be told.

    Args:
        folders: the generated images, and images asked about, members or both.
        questioner: puts questions to the method.
        seed: of the division of patients, the planted copies and the permutations.
        into: an empty folder for pools with planted copies.
        say: told what is being done.

    Raises:
        BenchError: there are too few patients, or the method failed.
    """
    check_method(questioner.card, folders)
    division = divide(folders, questioner.card, seed)
    questioner.expect(1 + len(DOSES) if division.null else 1)
    pool, learnt = folders[Role.GENERATED].images, division.learnt
    taught = Access.LABELS in questioner.card.access and "used" not in learnt
    if taught:
        pool, learnt = teach(pool, learnt.get("not_used"), seed, into / "lesson")
    say(f"asking {questioner.card.name}")
    patients = questioner.ask(pool, learnt, division.asked)
    null = tuple(patient for patient in patients if patient.role is division.null)
    groups = {role: [p for p in patients if p.role is role] for role in GROUPS if role in folders}
    planted = []
    if null:
        ask = partial(questioner.ask, learnt=learnt)
        planted = list(
            _plant(pool, division.asked[-1][0], null, ask=ask, seed=seed, into=into, say=say)
        )
    say("comparing patients")
    judgements = tuple(
        _judge(role, group, null, planted, seed) for role, group in groups.items() if group
    )
    members = {judgement.role: judgement.finding for judgement in judgements}.get(Role.MEMBERS)
    return Audit(
        folders=folders,
        card=questioner.card,
        learnt={name: patients_of(part) for name, part in learnt.items()},
        taught=taught,
        judgements=judgements,
        null=null,
        release=count_identified(members) if members else None,
        identical=tuple(_identical(folders)),
    )


def _judge(
    role: Role,
    group: Sequence[Patient],
    null: Sequence[Patient],
    planted: Sequence[tuple[Plant, list[Floats]]],
    seed: int,
) -> Judgement:
    scored = tuple(sorted(group, key=lambda patient: (-patient.best, patient.name)))
    if not null:
        return Judgement(role, scored, None, (), give_verdict(None, ()))
    finding = judge(scored, null, np.random.default_rng([seed, 2]))
    points = tuple(
        find_copies(plant, scores, null, len(scored), np.random.default_rng([seed, 3]))
        for plant, scores in planted
    )
    return Judgement(role, scored, finding, points, give_verdict(finding, points))


def _plant(
    pool: PackedSet,
    images: PackedSet,
    null: Sequence[Patient],
    *,
    ask: Ask,
    seed: int,
    into: Path,
    say: Say,
) -> Iterator[tuple[Plant, list[Floats]]]:
    """Yield pools with copies of patients who were not used, and what these patients score."""
    generated, row_of = pool.pixels(), {name: row for row, name in enumerate(images.ids)}
    rows = [np.array([row_of[name] for name in patient.images]) for patient in null]
    reals = [images.pixels()[own] for own in rows]
    for number, dose in enumerate(DOSES if len(pool) >= 1 / MOST else (), start=1):
        say(f"looking for planted copies, {number} of {len(DOSES)}: {dose.name}")
        planted = plant(generated, null, reals, dose, np.random.default_rng([seed, 1]))
        folder = into / str(number)
        folder.mkdir()
        raw = RawSet(tuple(map(str, range(len(pool)))), planted.pool)
        asked = np.sort(np.concatenate([rows[null.index(one)] for one in planted.patients]))
        found = ask(write_set(folder, pool.name, raw), asked=[(images, asked)])
        yield planted, [patient.scores for patient in found]


def _identical(folders: Folders) -> Iterator[tuple[Role, str]]:
    """Yield the real images that equal a generated one, pixel by pixel."""
    generated = set(folders[Role.GENERATED].images.digests)
    for role, folder in folders.items():
        if role is not Role.GENERATED:
            pairs = zip(folder.images.ids, folder.images.digests, strict=True)
            yield from ((role, name) for name, digest in pairs if digest in generated)
