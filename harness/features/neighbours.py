"""Exact nearest neighbours in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.method import Metric

CHUNK_BYTES = 256 * 2**20  # of the largest block of similarities held at once


def nearest(
    queries: NDArray[Any],
    pool: NDArray[Any],
    metric: Metric = "cosine",
    k: int = 1,
    device: str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the k nearest rows of ``pool`` for each query, nearest first.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers.
        metric: ``cosine``, ``correlation`` (Pearson) or ``l2`` (Euclidean distance).
        k: how many; at most M.
        device: where the products are computed.

    Returns:
        Values (N, k) float32, similarities descending or distances ascending, and indices (N, k).

    Raises:
        ValueError: shapes do not fit, ``k`` is not in 1..M, or the metric is unknown.
    """
    if queries.ndim != 2 or pool.ndim != 2 or queries.shape[1] != pool.shape[1]:
        raise ValueError(f"queries {queries.shape} and pool {pool.shape} must be (N, D) and (M, D)")
    if not 1 <= k <= len(pool):
        raise ValueError(f"k={k} is not between 1 and the {len(pool)} rows of the pool")
    rows = max(1, CHUNK_BYTES // (4 * queries.shape[1]))
    best_values = torch.full((len(queries), 0), 0.0, device=device)
    best_indices = torch.zeros((len(queries), 0), dtype=torch.int64, device=device)
    for start in range(0, len(pool), rows):
        block = _prepare(pool[start : start + rows], metric, device)
        values, indices = _search(queries, block, metric, min(k, len(block)), device)
        best_values = torch.cat([best_values, values], 1)
        best_indices = torch.cat([best_indices, indices + start], 1)
        keep = _order(best_values, metric)[:, :k]
        best_values, best_indices = best_values.gather(1, keep), best_indices.gather(1, keep)
    return best_values.cpu().numpy(), best_indices.cpu().numpy().astype(np.intp)


def _prepare(rows: NDArray[Any], metric: Metric, device: str) -> torch.Tensor:
    tensor = torch.tensor(np.asarray(rows, np.float32), device=device)
    if metric == "l2":
        return tensor
    if metric == "correlation":
        tensor = tensor - tensor.mean(1, keepdim=True)
    elif metric != "cosine":
        raise ValueError(f"metric {metric!r} is not cosine, correlation or l2")
    return torch.nn.functional.normalize(tensor, dim=1)


def _search(
    queries: NDArray[Any], block: torch.Tensor, metric: Metric, k: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    values, indices = [], []
    step = max(1, CHUNK_BYTES // (4 * len(block)))
    for start in range(0, len(queries), step):
        asked = _prepare(queries[start : start + step], metric, device)
        if metric == "l2":
            # Not by the quadratic expansion: near copies are what counts, and it cancels there.
            near = torch.cdist(asked, block, compute_mode="donot_use_mm_for_euclid_dist")
        else:
            near = asked @ block.T
        keep = _order(near, metric)[:, :k] if k > 1 else _first(near, metric)
        values.append(near.gather(1, keep))
        indices.append(keep)
    return torch.cat(values), torch.cat(indices)


def _first(near: torch.Tensor, metric: Metric) -> torch.Tensor:
    return (near.argmin(1) if metric == "l2" else near.argmax(1)).unsqueeze(1)


def _order(near: torch.Tensor, metric: Metric) -> torch.Tensor:
    return torch.argsort(near, dim=1, descending=metric != "l2", stable=True)
