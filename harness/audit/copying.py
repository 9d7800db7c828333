"""What a pool repeats of the reals behind it, as a whole: figures of a set, not of an image.

All distances are Euclidean. Intervals come from a jackknife that leaves out blocks of patients
among the used reals, among the others, and blocks of generated images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clustering import cluster
from harness.scoring.metrics import Metric
from harness.scoring.uncertainty import MIN_GROUPS, group_codes, jackknife_interval

IMAGES = 2000  # of a set that are looked at, at most: the first, whose order is by their pixels
BLOCKS = 30  # that each set is left out in
CELL = 20  # used reals, and others, that a cell has on average, at least
CELLS = 10  # at most
FEW = 10  # generated images below which a cell does not count

Points = NDArray[np.float32]  # (N, D)
Mask = NDArray[np.bool_]  # (N,)


@dataclass(frozen=True, eq=False)
class Reals:
    """Real images of one label, as points, and their patients."""

    points: Points
    patients: NDArray[np.int64]  # (N,)

    @classmethod
    def of(cls, points: Points, groups: NDArray[np.str_]) -> Reals:
        """Take (N, D) points of the (N,) named patients, as many as are looked at."""
        return cls(points[:IMAGES], group_codes(groups[:IMAGES]))

    @property
    def count(self) -> int:
        """How many patients there are."""
        return len(np.unique(self.patients))


@dataclass(frozen=True)
class Statistic:
    """A figure of a pool with its interval, and how to read it."""

    name: str
    pool: str  # "generated" or "null"
    figure: Metric
    meaning: str


class Distances:
    """Distances of one pool and of the reals to the used reals."""

    def __init__(self, pool: Points, used: Reals, others: Reals) -> None:
        from scipy.spatial.distance import cdist

        self.used, self.others, self.pool = used, others, pool[:IMAGES]
        self.of_pool = cdist(self.pool, used.points)
        self.of_used = cdist(used.points, used.points)
        np.fill_diagonal(self.of_used, np.inf)
        self.of_others = cdist(others.points, used.points)
        cells = max(1, min(CELLS, len(used.points) // CELL, len(others.points) // CELL))
        divided = cluster(used.points, "kmeans", cells, seed=0)
        centres = [used.points[divided == cell].mean(0) for cell in np.unique(divided)]
        sets = (used.points, others.points, self.pool)
        self.cells = [cdist(points, centres).argmin(1) for points in sets]

    def data_copying(self, used: Mask, others: Mask, pool: Mask) -> float:
        """Return C_T (Meehan, Chaudhuri, Dasgupta, AISTATS 2020, section 4) of what masks keep.

        In each cell generated images and reals that were not used are ranked by their distance to
        the nearest used real of the cell; Mann-Whitney's U is scaled to mean 0 and deviation 1 of
        no difference, and averaged by the reals' share. Far below 0: the pool copies.
        """
        scores, shares = [], []
        for cell in range(max(map(int, self.cells[0])) + 1):
            of_used, of_others, of_pool = (
                own & (cells == cell)
                for own, cells in zip((used, others, pool), self.cells, strict=True)
            )
            n, m = int(of_others.sum()), int(of_pool.sum())
            if m < FEW or not n or not of_used.any():
                continue
            near = self.of_pool[np.ix_(of_pool, of_used)].min(1)
            far = self.of_others[np.ix_(of_others, of_used)].min(1)
            scores.append((_above(near, far) - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5)
            shares.append(n)
        return float(np.average(scores, weights=shares)) if scores else float("nan")

    def authenticity(self, used: Mask, others: Mask, pool: Mask) -> float:
        """Return the share of authentic images (Alaa et al., ICML 2022, section 3.3).

        A generated image is authentic if it is farther from its nearest used real than that real
        is from its own nearest other used one.
        """
        kept = self.of_pool[np.ix_(pool, used)]
        spacing = self.of_used[np.ix_(used, used)].min(1)
        return float((kept.min(1) > spacing[kept.argmin(1)]).mean())

    def distance_ratio(self, used: Mask, others: Mask, pool: Mask) -> float:
        """Return the mean ratio of distances to the nearest and the second nearest used patient."""
        kept, patients = self.of_pool[np.ix_(pool, used)], self.used.patients[used]
        first = kept.min(1)
        own = patients[kept.argmin(1)]
        second = np.where(patients == own[:, None], np.inf, kept).min(1)
        return float(np.divide(first, second, out=np.ones_like(first), where=second > 0).mean())

    @property
    def largest_copying(self) -> float:
        """How far from 0 C_T could be at most, if all images were in one cell."""
        n, m = len(self.others.points), len(self.pool)
        return float((3 * n * m / (n + m + 1)) ** 0.5)


def copying_statistics(
    pools: dict[str, Points], used: Reals, others: Reals
) -> tuple[Statistic, ...]:
    """Return every statistic of every pool; none where there are fewer than two used patients.

    Args:
        pools: (M, D) points of generated images, by the name of the pool.
        used: reals that trained the generator, as far as that is known.
        others: reals that did not.
    """
    found = []
    for name, points in pools.items():
        if used.count < 2 or not len(others.points) or not len(points):
            continue
        distances = Distances(points, used, others)
        bound = distances.largest_copying
        for title, statistic, ends, meaning in (
            ("data-copying C_T", distances.data_copying, (-bound, bound), _copying),
            ("authenticity", distances.authenticity, (0.0, 1.0), _authentic),
            ("distance ratio", distances.distance_ratio, (0.0, 1.0), _ratio),
        ):
            figure = _figure(statistic, distances, ends)
            found.append(Statistic(title, name, figure, meaning(figure)))
    return tuple(found)


def as_json(statistics: Sequence[Statistic]) -> dict[str, Any]:
    """Return statistics for programs; they name no image."""
    return {
        "copying": [
            {"statistic": s.name, "pool": s.pool, "meaning": s.meaning, **vars(s.figure)}
            for s in statistics
        ]
    }


def figure_text(figure: Metric) -> str:
    """Return a figure with its interval."""
    if figure.value is None:
        return f"n/a ({figure.note})"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f} ({figure.note})"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _figure(
    statistic: Callable[[Mask, Mask, Mask], float], at: Distances, ends: tuple[float, float]
) -> Metric:
    """Return a statistic of everything with its jackknife interval."""
    sizes = [len(at.used.points), len(at.others.points), len(at.pool)]
    whole = [np.ones(size, bool) for size in sizes]
    value = statistic(*whole)
    n, patients = len(at.pool), at.used.count + at.others.count
    if not np.isfinite(value):
        return Metric(None, None, None, n, patients, f"no cell with {FEW} generated images")
    if min(at.used.count, at.others.count) < MIN_GROUPS:
        note = f"no interval: fewer than {MIN_GROUPS} patients of a label"
        return Metric(value, None, None, n, patients, note)
    blocks = [
        at.used.patients % BLOCKS, at.others.patients % BLOCKS, np.arange(sizes[2]) % BLOCKS
    ]  # fmt: skip
    without, strata = [], []
    for stratum, block in enumerate(blocks):
        own = []
        for left_out in range(int(block.max()) + 1):
            masks = list(whole)
            masks[stratum] = block != left_out
            own.append(statistic(*masks))
        without += [value + figure - float(np.mean(own)) for figure in own]
        strata += [stratum] * len(own)
    if not np.isfinite(without).all():
        return Metric(value, None, None, n, patients, "no interval: a cell hangs on few images")
    independent = min(at.used.count, at.others.count)
    low, high = jackknife_interval(value, np.array(without), np.array(strata), independent, ends)
    return Metric(value, low, high, n, patients)


def _above(some: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return in how many pairs the first is larger; equal ones count half (Mann-Whitney's U)."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, some, side) for side in ("left", "right"))
    return float((below + up_to).sum() / 2)


def _copying(figure: Metric) -> str:
    if figure.high is not None and figure.high < 0:
        return "generated images lie nearer to used reals than other reals do: copies"
    if figure.low is not None and figure.low > 0:
        return "generated images lie farther from used reals than other reals do"
    return "no copying can be told from how near the used reals are"


def _authentic(_: Metric) -> str:
    return (
        "share of generated images farther from their nearest used real than that one is from "
        "its nearest other"
    )


def _ratio(_: Metric) -> str:
    return (
        "distance to the nearest used patient over that to the second nearest, on average; near 0 "
        "for copies of one patient"
    )
