"""Sealing: what of a case leaves the parent. Pixels, in an order that says nothing; no name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.cases import Case, Selection
from harness.datasets.pack import write_images
from harness.features.store import set_digest
from harness.files import json_digest
from harness.parts import granted
from harness.vocabulary import Task

# Who validates on the training part has to keep its patients apart; the questions' stay unknown.
GROUPS_TOLD = ("training.used", "training.not_used", "training.reference", "training.real/")


@dataclass(frozen=True, eq=False)
class SealedSet:
    """One image set as a worker and the feature service find it."""

    path: Path  # .npy, (N, H, W) uint8
    digests: tuple[str, ...]  # for the feature service alone
    groups: list[int] | None  # patients as numbers without a meaning; None: not known or not told


def seal(case: Case, task: Task, access: Iterable[str], folder: Path) -> dict[str, SealedSet]:
    """Write the sets that ``access`` grants into ``folder`` under neutral names.

    Args:
        case: the case with its truth.
        task: decides which sets there are.
        access: what the method declares; other sets are not written.
        folder: an empty folder; sets of the cache are linked into it, others written.

    Returns:
        The sets by the name under which a method asks for them, as in ``training.used``.
    """
    sealed: dict[str, SealedSet] = {}
    numbers: dict[str, int] = {}  # by patient
    for name, selection in _granted(case, task, access).items():
        path = folder / f"{name.replace('/', '-')}.npy"
        _write(selection, path)
        told = selection.groups if name.startswith(GROUPS_TOLD) else None
        groups = None if told is None else [numbers.setdefault(g, len(numbers)) for g in told]
        sealed[name] = SealedSet(path, selection.digests, groups)
    return sealed


def seen_digest(case: Case, task: Task, access: Iterable[str]) -> str:
    """Return the digest of all that a worker sees of a case: images in their order, patients."""
    seen = _granted(case, task, access).items()
    return json_digest({name: [set_digest(s.digests), s.groups] for name, s in seen})


def sets_seen(case: Case, task: Task, access: Iterable[str]) -> list[str]:
    """Return the digests of the image sets of a case that ``access`` grants."""
    return [set_digest(s.digests) for s in _granted(case, task, access).values()]


def _granted(case: Case, task: Task, access: Iterable[str]) -> dict[str, Selection]:
    sets = {f"training.{name}": s for name, s in case.training.items()}
    sets |= {f"questions.{name}": s for name, s in case.questions.items()}
    chosen: dict[str, Selection] = {}
    for given, source in granted(task, access).items():
        if not source.endswith("/"):
            chosen[given] = sets[source]
            continue
        classes = [name for name in sets if name.startswith(source)]
        chosen |= {f"{given}{index}": sets[name] for index, name in enumerate(classes)}
    return chosen


def _write(selection: Selection, path: Path) -> None:
    whole = selection.whole()
    if whole is not None:
        try:
            os.link(whole.path, path)
        except OSError:
            path.symlink_to(whole.path)
        return
    write_images(path, selection.pixels())
