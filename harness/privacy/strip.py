"""Where patients lie on the scale of scores: dots in lanes, for a page without scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.privacy.audit import Audit
from harness.privacy.folders import Role

WIDTH, HEIGHT = 480.0, 44.0  # of a lane
MARGIN, STEP = 8.0, 6.0  # at either end; between two dots
NAMES = {
    Role.ASKED: "patients asked about",
    Role.MEMBERS: "members: known to have been used",
}


@dataclass(frozen=True)
class Dot:
    """One patient."""

    x: float
    y: float
    told: bool


@dataclass(frozen=True)
class Lane:
    """The patients of one kind."""

    name: str
    kind: str  # null, asked or members: how dots are drawn
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Strip:
    """Lanes over one scale."""

    lanes: tuple[Lane, ...]
    low: float  # the score at the left end
    high: float  # and at the right


def make_strip(audit: Audit) -> Strip:
    """Return the best score of every patient, kind by kind."""
    told = {
        one.patient
        for judgement in audit.judgements
        for one in (judgement.finding.patients if judgement.finding else ())
        if one.told
    }
    rows = [("null", "patients who were not used", audit.null)] if audit.null else []
    rows += [(j.role.name.lower(), NAMES[j.role], j.scored) for j in audit.judgements]
    scores = [patient.best for _, _, patients in rows for patient in patients]
    low, high = min(scores), max(scores)
    lanes = []
    for kind, name, patients in rows:
        places = _places([patient.best for patient in patients], low, high)
        dots = [
            Dot(*place, patient in told) for place, patient in zip(places, patients, strict=True)
        ]
        lanes.append(Lane(f"{len(patients)} {name}", kind, tuple(dots)))
    return Strip(tuple(lanes), low, high)


def _places(scores: Sequence[float], low: float, high: float) -> list[tuple[float, float]]:
    """Return where dots go: along the scale, heaped up where they would cover each other."""
    heaps = Counter[int]()
    places = []
    for score in scores:
        share = (score - low) / (high - low) if high > low else 0.5
        x = MARGIN + share * (WIDTH - 2 * MARGIN)
        heap = round(x / STEP)
        level = heaps[heap]
        heaps[heap] += 1
        offset = (level + 1) // 2 * STEP * (-1 if level % 2 else 1)
        room = HEIGHT / 2 - STEP / 2
        places.append((round(x, 1), round(HEIGHT / 2 + max(-room, min(room, offset)), 1)))
    return places
