"""Stage one: which real images a generated one may come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clustering import cluster
from harness.method import Metric, Rows, Tools

METRICS: tuple[Metric, Metric] = ("l2", "cosine")


class Shortlists:
    """The candidate reals of every generated image.

    On a generated image's list are the reals nearest to it by Euclidean distance, and those
    nearest by cosine. Spectral clustering divides all reals once; those of a cluster to which few
    of a list belong are outliers and leave the list.

    Attributes:
        kept: (N, M) bool, which of N reals are on the lists of M generated images.
    """

    def __init__(
        self,
        reals: Rows,
        pool: Rows,
        *,
        nearest: int,
        clusters: int,
        outliers: float,
        tools: Tools,
    ) -> None:
        """Fill the lists.

        Args:
            reals: (N, D) features.
            pool: (M, D) features of the generated images.
            nearest: reals on a list by each of the two measures.
            clusters: that the reals are divided into.
            outliers: share of a list below which its members in a cluster are outliers.
            tools: of the cell.
        """
        self._reals, self._pool, self._tools = reals, pool, tools
        self._last: dict[Metric, NDArray[np.float32] | None] = {}
        listed = np.zeros((len(reals), len(pool)), bool)
        for metric in METRICS:
            values, rows = tools.neighbours(pool, reals, metric, min(nearest, len(reals)))
            listed[rows, np.arange(len(pool))[:, None]] = True
            self._last[metric] = values[:, -1] if len(reals) >= nearest else None
        self._cluster = cluster(reals, "spectral", clusters, tools.seed)
        members = np.zeros((clusters, len(pool)), int)
        np.add.at(members, self._cluster, listed)
        self._populous = members >= outliers * members.sum(0)
        self.kept: NDArray[np.bool_] = listed & self._populous[self._cluster]

    def admit(self, images: Rows) -> NDArray[np.bool_]:
        """Return (Q, M): which of Q other images would be on the lists, each one asked alone.

        An image would be on a list if it is at least as near as the last real there, and if the
        cluster of the real nearest to it by cosine holds no outliers of that list.
        """
        listed = np.zeros((len(images), len(self._pool)), bool)
        for metric in METRICS:
            last = self._last[metric]
            if last is None:  # the list has room
                listed[:] = True
                continue
            values, rows = self._tools.neighbours(images, self._pool, metric, len(self._pool))
            near = values <= last[rows] if metric == "l2" else values >= last[rows]
            listed |= np.take_along_axis(near, np.argsort(rows, axis=1), 1)
        _, nearest = self._tools.neighbours(images, self._reals, "cosine", 1)
        admitted: NDArray[np.bool_] = listed & self._populous[self._cluster[nearest[:, 0]]]
        return admitted


def nearest_lists(kept: NDArray[np.bool_], ranks: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return for each real the nearest generated images on whose lists it is.

    Args:
        kept: (N, M) bool, on which lists it is.
        ranks: (N, M) rows of the generated images, the nearest first.
        count: images at most.

    Returns:
        (N, min(count, M)) rows of generated images, the nearest first; -1 where there are no more.
    """
    on = np.take_along_axis(kept, ranks, 1)
    first = np.argsort(~on, axis=1, kind="stable")[:, :count]
    near = np.take_along_axis(ranks, first, 1)
    return np.where(np.take_along_axis(on, first, 1), near, -1).astype(np.int64)
