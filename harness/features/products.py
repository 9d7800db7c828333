"""Products of queries with a pool, a block at a time: what every search comes down to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from harness.features.residency import Residency
from harness.method import Metric, Rows

# Blocks that stay in the caches between the product and what is read from it.
PRODUCT_BYTES = 8 * 2**20
QUERIES = 1024  # at most in a block
ACCELERATED = 16  # how many times larger blocks are on a device that is slow to start


@dataclass(frozen=True)
class Product:
    """How near some queries are to some rows of a pool."""

    rows: slice  # which queries
    first: int  # of the pool
    queries: torch.Tensor  # (n, D), prepared for the metric
    block: torch.Tensor  # (b, D) rows of the pool as they are
    near: torch.Tensor  # (n, b), larger is nearer; l2: q·p - |p|²/2. Valid until the next one.


def products(queries: Rows, pool: Rows, metric: Metric, residency: Residency) -> Iterator[Product]:
    """Yield the products of all queries with all rows of the pool.

    For any query the rows of the pool come in order. The pool is neither copied nor normalised:
    for ``cosine`` the columns of the product are divided by the norms of the rows. Only
    ``correlation`` subtracts the means of a block first, because large means would drown the rest.

    Args:
        queries: (N, D) numbers.
        pool: (M, D) numbers, which may be a memory map larger than memory.
        metric: one of :data:`harness.method.Metric`.
        residency: where the products are computed, and what is kept there.
    """
    size = PRODUCT_BYTES * (1 if residency.device == "cpu" else ACCELERATED) // 4
    memory = torch.empty(0, device=residency.device)
    for first, tile in residency.tiles(pool):
        for start, asked in residency.tiles(queries):
            for row in range(0, len(asked), QUERIES):
                prepared = _prepared(asked[row : row + QUERIES], metric)
                rows = slice(start + row, start + row + len(prepared))
                columns = min(len(tile), max(1, size // len(prepared)))
                if memory.numel() < len(prepared) * columns:
                    memory = torch.empty(len(prepared) * columns, device=residency.device)
                for column in range(0, len(tile), columns):
                    block = tile[column : column + columns]
                    near = memory[: len(prepared) * len(block)].view(len(prepared), len(block))
                    _multiply(prepared, block, metric, near)
                    yield Product(rows, first + column, prepared, block, near)


def _prepared(queries: torch.Tensor, metric: Metric) -> torch.Tensor:
    if metric == "correlation":
        queries = queries - queries.mean(1, keepdim=True)
    if metric in ("cosine", "correlation"):
        queries = queries / _norms(queries).unsqueeze(1)
    return queries


def _multiply(
    queries: torch.Tensor, block: torch.Tensor, metric: Metric, out: torch.Tensor
) -> None:
    if metric == "correlation":
        block = block - block.mean(1, keepdim=True)
    if out.device.type == "cpu":
        # NumPy's BLAS, not torch's, which was slower on the AMD machine that was tried.
        with np.errstate(all="ignore"):  # what is not finite is found in the product
            np.matmul(queries.numpy(), block.numpy().T, out=out.numpy())
    else:
        torch.mm(queries, block.T, out=out)
    if metric in ("cosine", "correlation"):
        out /= _norms(block)
    elif metric == "l2":
        out -= torch.linalg.vector_norm(block, dim=1).square() / 2


def _norms(rows: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms.clamp(min=1e-12)
