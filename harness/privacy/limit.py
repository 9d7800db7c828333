"""The limit of detection: what an audit of this very pool would have found.

Copies of patients who were not used are planted among the generated images, and the method is asked
about these patients again. It shows what the audit is blind to, in these images and at this number
of patients; how a real generator leaks it does not show.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.forge.copies import Fidelity, degrade
from harness.privacy.finding import FALSE_ALARMS, level_of
from harness.privacy.patients import Floats, Patient, wins

SIDE = 64  # of the images for which the doses are stated
MOST = 0.1  # of the pool may give way to copies
TRIES = 200  # audits drawn for one point
OFTEN = 0.8  # of them must say "detected"


@dataclass(frozen=True)
class Dose:
    """How close planted copies are to their originals; fixed before any data were seen.

    The second is the default of ``bench forge plant``, the others double it.
    """

    name: str
    blur: float  # sd of a Gaussian in pixels, at a side of SIDE
    noise: float  # sd of white noise in grey levels
    gain: float  # relative sd of the contrast
    warp: float = 0.0  # sd of a smooth displacement in pixels, at a side of SIDE

    def fidelity(self, side: int) -> Fidelity:
        """Return the dose for images of another side."""
        scale = side / SIDE
        return Fidelity(self.blur * scale, self.noise, self.gain, self.warp * scale)


CLOSE = Dose("close copies", 0.6, 6, 0.05)
DOSES = (
    Dose("exact copies", 0, 0, 0),
    CLOSE,
    Dose("coarse copies", 1.2, 12, 0.1),
    Dose("faint copies", 2.4, 24, 0.2),
    Dose("close copies, shifted and bent", 0.6, 6, 0.05, warp=1.5),
)


@dataclass(frozen=True)
class Point:
    """What is found of copies of one dose.

    Attributes:
        dose: how close the copies are.
        likeness: mean correlation of a copy with its original, in pixels.
        planted: how many patients were copied, one image of each.
        singly: share of them with a p value of at most 5 %, each as if asked about alone; ``None``
            when there are too few others for any.
        fewest: of as many patients as were asked about, how many must be copied for the audit to
            say "detected" four times in five; ``None`` when all of them are not enough.
    """

    dose: Dose
    likeness: float
    planted: int
    singly: float | None
    fewest: int | None


@dataclass(frozen=True, eq=False)
class Plant:
    """A pool with copies in it, and the patients who were copied."""

    dose: Dose
    pool: NDArray[np.uint8]  # (N, H, W)
    patients: tuple[Patient, ...]  # as they scored against the pool without copies
    likeness: float


def plant(
    pool: NDArray[np.uint8],
    patients: Sequence[Patient],
    images: Sequence[NDArray[np.uint8]],
    dose: Dose,
    rng: np.random.Generator,
) -> Plant:
    """Put a copy of one image of each patient in the place of a generated one.

    At most a tenth of the pool gives way, so not all of many patients are copied.

    Args:
        pool: (N, H, W) the generated images; ten at least.
        patients: who were not used.
        images: (n, H, W) the images of each patient.
        dose: how close the copies are.
        rng: of everything random; alike for every dose.
    """
    chosen = np.sort(rng.permutation(len(patients))[: int(MOST * len(pool))])
    originals = np.stack([images[row][rng.integers(len(images[row]))] for row in chosen])
    places = rng.permutation(len(pool))[: len(chosen)]
    copies = degrade(originals, dose.fidelity(max(pool.shape[1:])), rng)
    planted = pool.copy()
    planted[places] = copies
    alike = [_correlation(a, b) for a, b in zip(originals, copies, strict=True)]
    return Plant(dose, planted, tuple(patients[row] for row in chosen), float(np.mean(alike)))


def find_copies(
    planted: Plant,
    scores: Sequence[Floats],
    others: Sequence[Patient],
    asked: int,
    rng: np.random.Generator,
) -> Point:
    """Say what an audit would have found of planted copies.

    Args:
        planted: who was copied.
        scores: of the copied patients' images, against the pool with the copies.
        others: all patients who were not used, against the pool without.
        asked: how many patients the audit asks about.
        rng: of the audits that are drawn.
    """
    table = wins([*scores, *(patient.scores for patient in others)])
    n, m = len(scores), len(others)
    own = [others.index(patient) for patient in planted.patients]
    beaten = 1 - table[:n, n:]
    beaten[np.arange(n), own] = 0  # a copied patient is compared with the other ones
    told = (1 + beaten.sum(axis=1)) / m <= FALSE_ALARMS
    singly = float(told.mean()) if 1 / m <= FALSE_ALARMS else None

    def often(copied: int) -> bool:
        said = (_says(table, n, copied, asked, rng) for _ in range(TRIES))
        return sum(said) >= OFTEN * TRIES

    fewest = 1 + bisect_left(range(1, asked), True, key=often) if often(asked) else None
    return Point(planted.dose, planted.likeness, n, singly, fewest)


def _says(table: Floats, n: int, copied: int, asked: int, rng: np.random.Generator) -> bool:
    """Draw an audit from the patients at hand, and tell whether it detects anything.

    Args:
        table: wins of n copied patients, then of m others, over each other.
        n: how many were copied.
        copied: how many of those asked about are.
        asked: how many are asked about.
        rng: draws patients with replacement, those asked about and those compared with.
    """
    m, level = len(table) - n, level_of(asked)
    unused, null = n + rng.integers(m, size=asked - copied), n + rng.integers(m, size=m)
    rows = np.concatenate([rng.integers(n, size=copied), unused])
    against = np.bincount(null, minlength=n + m)
    ps = (1 + m - (table @ against)[rows]) / (m + 1)
    if (np.sort(ps) * asked / np.arange(1, asked + 1)).min() <= level:
        return True
    if asked == 1:
        return False
    ranks = table @ (against + np.bincount(rows, minlength=n + m))
    return _rank_sum_p(ranks[rows], ranks[null]) <= level


def _rank_sum_p(asked: Floats, others: Floats) -> float:
    """Return the p value of the sum of ``asked`` by the normal approximation to permutations."""
    from scipy.stats import norm

    ranks, n = np.concatenate([asked, others]), len(asked)
    variance = n * len(others) / (len(ranks) - 1) * ranks.var()
    excess = asked.sum() - n * ranks.mean()
    return float(norm.sf(excess / math.sqrt(variance))) if variance > 0 else 1.0


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    if one.std() == 0 or other.std() == 0:
        return float(np.array_equal(one, other))
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
