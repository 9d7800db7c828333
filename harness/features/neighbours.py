"""Exact nearest neighbours, and statistics of whole rows of similarities, in bounded memory."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.features.products import Product, products
from harness.features.residency import Residency
from harness.method import Metric, Rows, RowStatistics

METRICS = ("cosine", "correlation", "dot", "l2")
GROUP = 64  # columns of a product that are passed over together when none of them is near enough
FEW = 8  # candidates are looked at one by one where they are less than 1/FEW of all
PAIRS_BYTES = 32 * 2**20  # of pairs of rows whose distance is computed at once


def nearest(
    queries: Rows,
    pool: Rows,
    metric: Metric = "cosine",
    k: int = 1,
    residency: Residency | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the k nearest rows of ``pool`` for each query, nearest first.

    Of equally near rows the one that stands first in the pool comes first.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers; may be a memory map that is larger than memory.
        metric: ``cosine``, ``correlation`` (Pearson), ``dot`` or ``l2`` (Euclidean distance).
        k: how many; at most M.
        residency: where the products are computed; the CPU by default.

    Returns:
        Values (N, k) float32, similarities descending or distances ascending, and indices (N, k).

    Raises:
        ValueError: shapes do not fit, ``k`` is not in 1..M, the metric is unknown, or there are
            values that are not finite.
    """
    _check(queries, pool, metric)
    if not 1 <= k <= len(pool):
        raise ValueError(f"k={k} is not between 1 and the {len(pool)} rows of the pool")
    residency = residency or Residency("cpu")
    values = torch.full((len(queries), k), -torch.inf, device=residency.device)
    places = torch.zeros((len(queries), k), dtype=torch.int64, device=residency.device)
    with threadpool_limits(torch.get_num_threads(), "blas"):
        for product in products(queries, pool, metric, residency):
            own_values, own_places = values[product.rows], places[product.rows]
            find = _closest if metric == "l2" else _largest
            found, columns = find(product, own_values)
            joined = torch.cat([own_values, found], 1)
            everything = torch.cat([own_places, columns + product.first], 1)
            own_values[:], kept = _best(joined, k)  # what stood first comes first, ties included
            own_places[:] = everything.gather(1, kept)
    if not values.isfinite().all():
        raise ValueError("queries or pool hold values that are not finite, or too large")
    sign = -1 if metric == "l2" else 1
    return (sign * values).cpu().numpy(), places.cpu().numpy().astype(np.intp)


def row_statistics(
    queries: Rows,
    pool: Rows,
    metric: Metric = "cosine",
    radius: float | None = None,
    residency: Residency | None = None,
) -> RowStatistics:
    """Return what the similarities of each query with all rows of ``pool`` are like.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers.
        metric: as in :func:`nearest`; with ``l2`` the statistics are of distances.
        radius: rows at least so similar, or at most so distant, are counted.
        residency: where the products are computed; the CPU by default.

    Raises:
        ValueError: shapes do not fit, the pool is empty, or the metric is unknown.
    """
    _check(queries, pool, metric)
    if not len(pool):
        raise ValueError("the pool is empty")
    residency = residency or Residency("cpu")
    device, sign = residency.device, -1 if metric == "l2" else 1
    moments = torch.zeros((2, len(queries)), dtype=torch.float64, device=device)
    within = torch.zeros(len(queries), dtype=torch.int64, device=device)
    with threadpool_limits(torch.get_num_threads(), "blas"):
        for product in products(queries, pool, metric, residency):
            near = -_distances(product) if metric == "l2" else product.near
            moments[0, product.rows] += near.sum(1, dtype=torch.float64)
            moments[1, product.rows] += near.double().square().sum(1)
            if radius is not None:
                within[product.rows] += (near >= sign * radius).sum(1)
    mean, square = moments / len(pool)
    return RowStatistics(
        mean=(sign * mean).cpu().numpy(),
        sd=(square - mean.square()).clamp(min=0).sqrt().cpu().numpy(),
        within=None if radius is None else within.cpu().numpy(),
    )


def _check(queries: Rows, pool: Rows, metric: str) -> None:
    if queries.ndim != 2 or pool.ndim != 2 or queries.shape[1] != pool.shape[1]:
        raise ValueError(f"queries {queries.shape} and pool {pool.shape} must be (N, D) and (M, D)")
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is not {', '.join(METRICS)}")


def _largest(product: Product, best: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return, for each query, the values of a block that belong among the k best, and where."""
    found = _above(product.near, best[:, -1])
    if found is None:
        return _best(product.near, best.shape[1])
    return _table(len(best), *found, product.near[found])


def _closest(product: Product, best: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same for Euclidean distances, negated: |q-p|² = |q|² - 2 (q·p - |p|²/2).

    That difference cancels where it counts, at near copies. So it only says, by the bound of its
    rounding errors (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), which
    rows may be near enough; their distances are then computed from the differences of the rows.
    """
    near, width = product.near, product.queries.shape[1]
    norms = torch.linalg.vector_norm(product.queries, dim=1)
    largest = torch.linalg.vector_norm(product.block, dim=1).max()
    rounding = torch.finfo(near.dtype)
    slack = 2 * (width + 8) * rounding.eps * (norms + largest).square() + rounding.tiny
    found = _above(near, (norms.square() - best[:, -1].square()) / 2 - slack)
    if found is None and best.shape[1] < near.shape[1]:
        kth = near.topk(best.shape[1], 1).values[:, -1]
        found = _above(near, kth - 2 * slack)
    if found is not None:
        return _table(len(best), *found, -_pair_distances(product, *found))
    _, columns = _best(-_distances(product), best.shape[1])
    rows = torch.arange(len(columns), device=near.device).unsqueeze(1).expand_as(columns)
    values = -_pair_distances(product, rows.flatten(), columns.flatten())
    return values.view_as(columns), columns


def _above(near: torch.Tensor, least: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the places of what exceeds the row's ``least``, in order; ``None``: there is much."""
    least, padding = least.unsqueeze(1), -near.shape[1] % GROUP
    padded = torch.nn.functional.pad(near, (0, padding), value=-torch.inf) if padding else near
    groups = padded.view(len(near), -1, GROUP)
    peaks = groups.amax(2)
    if peaks.isnan().any():
        raise ValueError("queries or pool hold values that are not finite")
    rows, group = (peaks > least).nonzero(as_tuple=True)
    if len(rows) <= peaks.numel() // FEW:
        candidate, offset = (groups[rows, group] > least[rows]).nonzero(as_tuple=True)
        return rows[candidate], group[candidate] * GROUP + offset
    above = near > least
    if int(above.count_nonzero()) > near.numel() // FEW:
        return None
    rows, columns = above.nonzero(as_tuple=True)
    return rows, columns


def _table(
    count: int, rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put values that come row by row into a table, filled up with what is never near."""
    each = torch.bincount(rows, minlength=count)
    shape = (count, int(each.max()))
    slots = torch.arange(len(rows), device=rows.device) - (each.cumsum(0) - each)[rows]
    table, places = values.new_full(shape, -torch.inf), columns.new_zeros(shape)
    table[rows, slots], places[rows, slots] = values, columns
    return table, places


def _distances(product: Product) -> torch.Tensor:
    """Return (n, b) Euclidean distances from the differences of the rows."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(product.queries, product.block, compute_mode=exact)


def _pair_distances(product: Product, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean distances of pairs of a query and a row of the block."""
    step = max(1, PAIRS_BYTES // (4 * product.block.shape[1]))
    distances = product.near.new_empty(len(rows))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        differences = product.queries[rows[part]] - product.block[columns[part]]
        torch.linalg.vector_norm(differences, dim=1, out=distances[part])
    return distances


def _best(near: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k largest values of each row and their places, of equal ones the first."""
    k = min(k, near.shape[1])
    if k == 1:
        places = near.argmax(1, keepdim=True)
        return near.gather(1, places), places
    values, places = near.topk(k, 1)
    tied = (near >= values[:, -1:]).sum(1) > k  # topk takes any of those that tie for the last
    if tied.any():
        places[tied] = torch.argsort(near[tied], dim=1, descending=True, stable=True)[:, :k]
    places = places.sort(1).values
    values = near.gather(1, places)
    order = torch.argsort(values, dim=1, descending=True, stable=True)
    return values.gather(1, order), places.gather(1, order)
