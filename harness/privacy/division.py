"""Who is learnt from and who is asked about: whole patients, divided before anything is asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.cards import Card, Cards
from harness.datasets.pack import PackedSet
from harness.errors import BenchError
from harness.method import Access, Task
from harness.privacy.folders import Folder, Folders, Role

Part = tuple[PackedSet, NDArray[np.intp]]  # images, and which of them
REFERENCE_METHOD = "whitened-neighbour"
FEWEST = 10  # patients who were not used; with fewer, p exceeds 1/11 whatever is found


@dataclass(frozen=True, eq=False)
class Division:
    """Which images a method learns from, and which it is asked about.

    Attributes:
        learnt: by the name that a case gives them, ``used`` and ``not_used``.
        asked: the images asked about, and last those of patients who were not used.
        null: the folder whose patients the others are compared with; ``None`` without reference.
    """

    learnt: dict[str, Part]
    asked: tuple[Part, ...]
    null: Role | None


def choose_method(cards: Cards, given: Collection[Role]) -> Card:
    """Return the reference method, or its first variant that learns from no member where none is.

    Args:
        cards: of the installed methods.
        given: the folders at hand.
    """
    best = cards.get(REFERENCE_METHOD)
    if Role.MEMBERS in given:
        return best
    beyond = {Access.LABELS} if Role.REFERENCE in given else {Access.LABELS, Access.REFERENCE}
    family = [card for card in cards.methods.values() if card.family == best.family]
    return next((card for card in family if not beyond & set(card.access)), best)


def check_method(card: Card, folders: Folders) -> None:
    """Refuse a method that cannot be asked with what is at hand.

    Raises:
        BenchError: It looks at no generated image, its answers depend on each other, or it needs
            reference images and there are none.
    """
    about, access = f"--method {card.name}", set(card.access)
    if card.task is not Task.MEMBERSHIP or Access.POOL not in access:
        raise BenchError(f"{about}: does not ask generated images about members; choose another")
    if Access.TRANSDUCTIVE in access:
        raise BenchError(f"{about}: its answers depend on each other; choose another")
    if Access.REFERENCE in access and not {Role.REFERENCE, Role.HOLDOUT} & set(folders):
        raise BenchError(f"{about}: needs images known not to have been used; give --reference")


def divide(folders: Folders, card: Card, seed: int) -> Division:
    """Divide the patients into those that a method learns from and those that it is asked about.

    With both --reference and --holdout it learns from the one and is compared by the other. With
    one of them, half of its patients are learnt from; all are compared with where nothing is.

    Raises:
        BenchError: There are too few patients.
    """
    access = set(card.access)
    learns = bool(access & {Access.LABELS, Access.REFERENCE})
    learnt, asked = dict[str, Part](), list[Part]()
    if Role.ASKED in folders:
        asked.append(_whole(folders[Role.ASKED]))
    if Role.MEMBERS in folders:
        members = _whole(folders[Role.MEMBERS])
        if Access.LABELS in access:
            learnt["used"], members = halves(members, seed)
        asked.append(members)
    given = [role for role in (Role.HOLDOUT, Role.REFERENCE) if role in folders]
    if given:
        null = given[0]
        compared = _whole(folders[null])
        if learns and len(given) == 2:
            learnt["not_used"] = _whole(folders[Role.REFERENCE])
        elif learns:
            learnt["not_used"], compared = halves(compared, seed)
        _check_enough(folders[null], compared)
        asked.append(compared)
    return Division(learnt, tuple(asked), given[0] if given else None)


def halves(part: Part, seed: int) -> tuple[Part, Part]:
    """Return the images of half of the patients, and those of the others."""
    images, rows = part
    names = np.array(images.groups or images.ids)[rows]
    patients = np.random.default_rng(seed).permutation(np.unique(names))
    first = np.isin(names, patients[: len(patients) // 2])
    return (images, rows[first]), (images, rows[~first])


def patients_of(part: Part) -> int:
    """Return how many patients the images are of."""
    images, rows = part
    return len(np.unique(np.array(images.groups or images.ids)[rows]))


def _whole(folder: Folder) -> Part:
    return folder.images, np.arange(len(folder.images))


def _check_enough(folder: Folder, compared: Part) -> None:
    left = patients_of(compared)
    if left < FEWEST:
        half = f", of which {left} are left to compare with" if left < folder.patients else ""
        raise BenchError(
            f"{folder.role} {folder.path}: has {folder.patients} patients{half}; {FEWEST} are "
            "needed; give more, or leave it out to see scores without error rates"
        )
