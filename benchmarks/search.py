"""The search for neighbours: against faiss, and its memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmarks.figure import Figure, Side, Size, alternate, memory
from harness.machine import cores

K = 10


def neighbours_vs_faiss(size: Size) -> Figure:
    """Exact top-10 of 500 queries in 100,000 x 2,048 by dot product, against faiss IndexFlatIP.

    Queries per second of ours over those of faiss, each in a process of its own with the same
    threads; faiss has its index ready, ours maps the file of the pool.
    """
    count, width, asked = size(100_000, 2_000), size(2_048, 64), size(500, 20)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        pool = write_pool(Path(folder, "pool.npy"), count, width)
        with Side(_faiss, pool, asked) as theirs, Side(_ours, pool, asked) as ours:
            found = alternate(theirs, ours, size.repeats)
            same = float(np.mean(theirs.result == ours.result))
    faiss, own = found.medians()
    note = f"{asked} in {count} x {width}: {own:.2f} s, faiss {faiss:.2f} s; {same:.2%} the same"
    return Figure(found.ratio(), "x", ">= 0.9", size.repeats, note)


def neighbours_memory(size: Size) -> Figure:
    """Memory above the mapped inputs, at its peak, for 10,000 queries in 1,000,000 x 512."""
    count, width, asked = size(1_000_000, 20_000), size(512, 32), size(10_000, 100)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        pool = write_pool(Path(folder, "pool.npy"), count, width)
        with Side(_peak, pool, asked) as side:
            seconds = side()
    note = f"{asked} in {count} x {width}, top {K}, cosine, once: {seconds:.0f} s"
    return Figure(side.result / 2**30, "GiB", "<= 2", 1, note)


def write_pool(path: Path, count: int, width: int) -> Path:
    """Write normal numbers, (count, width) float32, as .npy and return the path."""
    draws = np.random.default_rng(0)
    rows = open_memmap(path, mode="w+", dtype=np.float32, shape=(count, width))
    for start in range(0, count, 10_000):
        part = rows[start : start + 10_000]
        part[:] = draws.standard_normal(part.shape, np.float32)
    rows.flush()
    return path


def _queries(pool: NDArray[np.float32], asked: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(1).standard_normal((asked, pool.shape[1]), np.float32)
    return pool[:asked] + noise


def _faiss(path: Path, asked: int) -> Callable[[], NDArray[np.int64]]:
    import faiss

    faiss.omp_set_num_threads(cores())
    pool = np.load(path)
    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    queries = _queries(pool, asked)
    return lambda: index.search(queries, K)[1]


def _ours(path: Path, asked: int) -> Callable[[], NDArray[np.intp]]:
    import torch

    from harness.features.neighbours import nearest

    torch.set_num_threads(cores())
    pool = np.load(path, mmap_mode="r")
    queries = _queries(pool, asked)
    return lambda: nearest(queries, pool, "dot", K)[1]


def _peak(path: Path, asked: int) -> Callable[[], int]:
    import torch

    from harness.features.neighbours import nearest

    torch.set_num_threads(cores())
    pool = np.load(path, mmap_mode="r")
    np.save(path.with_name("queries.npy"), _queries(pool, asked))
    queries = np.load(path.with_name("queries.npy"), mmap_mode="r")

    def run() -> int:
        before, seen, done = memory("self", "RssAnon"), [0], threading.Event()

        def look() -> None:
            while not done.wait(0.005):
                seen.append(memory("self", "RssAnon"))

        watcher = threading.Thread(target=look)
        watcher.start()
        time.sleep(0.02)
        nearest(queries, pool, "cosine", K)
        done.set()
        watcher.join()
        return max(0, max(seen) - before)

    return run
