"""Exact nearest neighbours, and statistics of whole rows of similarities, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from harness.method import Metric, Rows, RowStatistics

CHUNK_BYTES = 256 * 2**20  # of the largest block of similarities, or of rows, held at once
METRICS = ("cosine", "correlation", "dot", "l2")


def nearest(
    queries: Rows, pool: Rows, metric: Metric = "cosine", k: int = 1, device: str = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the k nearest rows of ``pool`` for each query, nearest first.

    Of equally near rows the one that stands first in the pool comes first.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers; may be a memory map that is larger than memory.
        metric: ``cosine``, ``correlation`` (Pearson), ``dot`` or ``l2`` (Euclidean distance).
        k: how many; at most M.
        device: where the products are computed.

    Returns:
        Values (N, k) float32, similarities descending or distances ascending, and indices (N, k).

    Raises:
        ValueError: shapes do not fit, ``k`` is not in 1..M, or the metric is unknown.
    """
    _check(queries, pool, metric)
    if not 1 <= k <= len(pool):
        raise ValueError(f"k={k} is not between 1 and the {len(pool)} rows of the pool")
    values = torch.empty((len(queries), 0), device=device)
    indices = torch.empty((len(queries), 0), dtype=torch.int64, device=device)
    for first, block in _blocks(pool, metric, device):
        found = [_best(near, k) for near in _near(queries, block, metric, device)]
        values = torch.cat([values, torch.cat([own for own, _ in found])], 1)
        indices = torch.cat([indices, torch.cat([own for _, own in found]) + first], 1)
        values, kept = _best(values, k)  # earlier blocks stand first, so ties stay in order
        indices = indices.gather(1, kept)
    sign = -1 if metric == "l2" else 1
    return (sign * values).cpu().numpy(), indices.cpu().numpy().astype(np.intp)


def row_statistics(
    queries: Rows,
    pool: Rows,
    metric: Metric = "cosine",
    radius: float | None = None,
    device: str = "cpu",
) -> RowStatistics:
    """Return what the similarities of each query with all rows of ``pool`` are like.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers.
        metric: as in :func:`nearest`; with ``l2`` the statistics are of distances.
        radius: rows at least so similar, or at most so distant, are counted.
        device: where the products are computed.

    Raises:
        ValueError: shapes do not fit, the pool is empty, or the metric is unknown.
    """
    _check(queries, pool, metric)
    if not len(pool):
        raise ValueError("the pool is empty")
    sign = -1 if metric == "l2" else 1
    moments = torch.zeros((2, len(queries)), dtype=torch.float64, device=device)
    within = torch.zeros(len(queries), dtype=torch.int64, device=device)
    for _, block in _blocks(pool, metric, device):
        start = 0
        for near in _near(queries, block, metric, device):
            own = slice(start, start + len(near))
            moments[0, own] += near.sum(1, dtype=torch.float64)
            moments[1, own] += near.double().square().sum(1)
            if radius is not None:
                within[own] += (near >= sign * radius).sum(1)
            start += len(near)
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


def _blocks(pool: Rows, metric: Metric, device: str) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the pool in blocks of prepared rows, each with the place of its first."""
    rows = max(1, CHUNK_BYTES // (4 * pool.shape[1]))
    for start in range(0, len(pool), rows):
        yield start, _prepared(pool[start : start + rows], metric, device)


def _near(
    queries: Rows, block: torch.Tensor, metric: Metric, device: str
) -> Iterator[torch.Tensor]:
    """Yield, for some queries at a time, how near they are to a block: larger is nearer."""
    step = max(1, CHUNK_BYTES // (4 * max(block.shape)))
    for start in range(0, len(queries), step):
        asked = _prepared(queries[start : start + step], metric, device)
        if metric == "l2":
            # Not by the quadratic expansion: near copies are what counts, and it cancels there.
            yield -torch.cdist(asked, block, compute_mode="donot_use_mm_for_euclid_dist")
        else:
            yield asked @ block.T


def _prepared(rows: Rows, metric: Metric, device: str) -> torch.Tensor:
    tensor = torch.tensor(np.asarray(rows, np.float32), device=device)
    if metric == "correlation":
        tensor -= tensor.mean(1, keepdim=True)
    if metric in ("cosine", "correlation"):
        tensor /= torch.linalg.vector_norm(tensor, dim=1, keepdim=True).clamp(min=1e-12)
    return tensor


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
