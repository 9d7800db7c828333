"""Patients and what their images scored: p values and tests that count patients, not images.

A patient with twenty images has a higher best score than one with two, used or not. So patients are
compared at equal numbers of images: the best of n images of one with the best of n images drawn
from another. Averaging over all such draws is the hierarchical conformal p value of Lee, Barber and
Willett (Distribution-free inference with hierarchical data, 2023), here for the best of n.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.privacy.folders import Role

DRAWS = 9_999  # of the permutation test, so that its smallest p is 1/10,000
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient of a folder.

    Attributes:
        role: of the folder.
        name: as table, file name or file call the patient.
        images: (n,) the images.
        scores: (n,) their scores, higher means closer to the generated images.
    """

    role: Role
    name: str
    images: tuple[str, ...]
    scores: Floats

    @property
    def best(self) -> float:
        """The highest score."""
        return float(self.scores.max())

    @property
    def closest(self) -> str:
        """The image with the highest score."""
        return self.images[int(self.scores.argmax())]


def patient_p(asked: Floats, others: Sequence[Floats]) -> float:
    """Return the p value of a patient's scores among those of patients who were not used.

    The images are taken in blocks, each compared with as many images of every other patient who
    has so many; the smallest p of a block is multiplied by their number. How large a block is, the
    numbers of images decide alone: as makes the smallest possible p smallest.

    Args:
        asked: (n,) scores of the patient's images.
        others: scores of the m patients who were not used; they must have chosen nothing.

    Returns:
        At least 1 / (m + 1).
    """
    sizes = np.array([len(scores) for scores in others])
    blocks = min(
        (-(-len(asked) // size) for size in range(len(asked), 0, -1)),
        key=lambda count: _floor(len(asked), count, sizes),
    )
    ordered, ps = [sorted(scores.tolist()) for scores in others], []
    for block in np.array_split(asked, blocks):
        n, top = len(block), float(block.max())
        enough = [scores for scores in ordered if len(scores) >= n]
        reached = math.fsum(_reach(len(s), bisect_left(s, top), n) for s in enough)
        ps.append((1 + reached) / (1 + len(enough)))
    return min(1.0, blocks * min(ps))


def _floor(images: int, blocks: int, sizes: NDArray[np.int_]) -> float:
    """Return the smallest p that so many blocks can have."""
    return blocks / float(1 + (sizes >= -(-images // blocks)).sum())


def _reach(scores: int, below: int, draws: int) -> float:
    """Return the chance that ``draws`` of so many scores are not all of those below."""
    return 1 - math.comb(below, draws) / math.comb(scores, draws)


def wins(patients: Sequence[Floats]) -> Floats:
    """Return how often each patient beats each other one at equal numbers of images.

    Args:
        patients: the scores of N patients.

    Returns:
        (N, N), the chance that the best image of the row's patient is closer to the pool than the
        best of the column's; ties count half, so opposite cells add up to one.
    """
    ordered = [sorted(scores.tolist()) for scores in patients]
    table = np.full((len(ordered), len(ordered)), 0.5)
    for row, one in enumerate(ordered):
        for column, other in enumerate(ordered[:row]):
            few, many = (one, other) if len(one) <= len(other) else (other, one)
            at_least = _reach(len(many), bisect_left(many, few[-1]), len(few))
            more = _reach(len(many), bisect_right(many, few[-1]), len(few))
            won = 1 - (at_least + more) / 2
            table[row, column] = won if few is one else 1 - won
            table[column, row] = 1 - table[row, column]
    return table


def set_p(asked: Sequence[Floats], others: Sequence[Floats], rng: np.random.Generator) -> float:
    """Return the p value of "the asked patients are no closer to the pool than the others".

    A permutation test on the sum of each patient's wins over all: Wilcoxon's rank sum where every
    patient has one image. Exact when patients are interchangeable.

    Args:
        asked: scores of the patients asked about.
        others: scores of patients who were not used.
        rng: of the permutations.
    """
    ranks = wins([*asked, *others]).sum(axis=1)
    n, observed = len(asked), ranks[: len(asked)].sum()
    drawn = np.array([rng.permutation(ranks)[:n].sum() for _ in range(DRAWS)])
    return float((1 + (drawn >= observed - 1e-9).sum()) / (1 + DRAWS))
