"""How the stages of a run grow with the number of images, and a board with that of records.

A figure is an exponent: the slope of a straight line through the logarithms of sizes and seconds.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figure import Figure, Side, Size
from benchmarks.images import packed, write_array, write_pngs
from benchmarks.search import write_pool
from benchmarks.world import ask, own_cache, service

SIZES = (1_000, 3_000, 10_000, 30_000)
TINY = (50, 150)
RECORDS = (10, 100, 1_000, 10_000)
SEEDS = 10
REPEATS = 3
PATIENT = 4  # images of one
BUILDING = """
import sys, time
from pathlib import Path
from harness.board.board import read_boards
from harness.running.records import RecordStore

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM:"))

before, start = peak(), time.perf_counter()
[board] = read_boards(RecordStore(Path(sys.argv[1])), "simulated")
print(time.perf_counter() - start, before, peak())
"""


def decode_growth(size: Size) -> Figure:
    """PNG files of 64 x 64 into a pack: read, decoded, digested, ordered, written."""

    def decoded(count: int) -> float:
        with own_cache() as cache:
            paths = write_pngs(cache.parent / "png", count, 64)
            start = time.perf_counter()
            packed(paths, "benchmark")
            return time.perf_counter() - start

    return _figure(size, size(SIZES, TINY), decoded)


def pass_growth(size: Size) -> Figure:
    """A cold pass with its shard: images of 64 x 64 through ``pixels``, which has no network.

    What a network adds is the same for every image (``cold_vs_forward``), and would take hours
    here; what could grow otherwise is what surrounds it.
    """
    sizes = size(SIZES, TINY)
    with own_cache() as cache, service() as client:
        files = {count: write_array(cache.parent / f"{count}.npy", count, 64) for count in sizes}

        def cold(count: int) -> float:
            shutil.rmtree(cache / "features", ignore_errors=True)
            start = time.perf_counter()
            assert ask(client, {"a": files[count]}, "pixels").misses == count
            return time.perf_counter() - start

        return _figure(size, sizes, cold)


def search_growth(size: Size) -> Figure:
    """Exact top-10 of 500 queries by cosine in pools that grow, 512 numbers an image."""
    sizes, width, asked = size(SIZES, TINY), size(512, 32), size(500, 20)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        pools = {n: write_pool(Path(folder, f"{n}.npy"), n, width) for n in sizes}
        with Side(_searching, pools, asked) as side:
            return _figure(size, sizes, lambda count: float(side.result[count]), side)


def fit_growth(size: Size) -> Figure:
    """A logistic regression on 64 numbers an image, 50 steps: a fit on features, as methods do."""
    from sklearn.linear_model import SGDClassifier

    draws = np.random.default_rng(0)

    def fitted(count: int) -> float:
        rows, labels = draws.standard_normal((count, 64)), np.arange(count) % 2
        start = time.perf_counter()
        SGDClassifier(loss="log_loss", max_iter=50, tol=None, random_state=0).fit(rows, labels)
        return time.perf_counter() - start

    return _figure(size, size(SIZES, TINY), fitted, most=1.2)


def intervals_growth(size: Size) -> Figure:
    """All figures of a record with their intervals; four images a patient."""
    from harness.scoring.metrics import membership_metrics

    draws = np.random.default_rng(0)

    def scored(count: int) -> float:
        truth = np.arange(count) % 2
        scores = truth + draws.standard_normal(count)
        patients = np.arange(count) // 2 // PATIENT * 2 + truth
        start = time.perf_counter()
        membership_metrics(truth, (scores > 0.5).astype(np.int64), scores, patients)
        return time.perf_counter() - start

    return _figure(size, size(SIZES, TINY), scored, most=1.2)


def comparison_growth(size: Size) -> Figure:
    """Ranks by all pairs of methods and 2,000 permutations of the truth; 400 images, simulated.

    What a run does once at its end. Pairs grow by the square of the number of methods.
    """
    from harness.scoring.comparing import membership_ranks
    from harness.scoring.permuting import membership_permutations

    draws, truth = np.random.default_rng(0), np.arange(400) % 2
    patients = np.arange(400) // 2

    def compared(count: int) -> float:
        scores = truth * draws.uniform(0, 1, (count, 1)) + draws.standard_normal((count, 400))
        labels = (scores > 0.5).astype(np.int64)
        start = time.perf_counter()
        membership_ranks(truth, labels, patients)
        membership_permutations(truth, labels, patients)
        return time.perf_counter() - start

    return _figure(size, size((10, 30, 100, 300), (3, 9)), compared, most=2)


def board_growth(size: Size) -> Figure:
    """A board from record files of simulated methods, ten seeds each."""
    sizes = size(RECORDS, (10, 30))
    with TemporaryDirectory(prefix="benchmark-") as folder:
        roots = {count: write_records(Path(folder, str(count)), count) for count in sizes}

        def built(count: int) -> float:
            start = time.perf_counter()
            _board(roots[count])
            return time.perf_counter() - start

        return _figure(size, sizes, built)


def board_seconds(size: Size) -> Figure:
    """A board from 10,000 record files: 1,000 simulated methods with ten seeds each."""
    count, repeats = size(10_000, 20), size(REPEATS, 1)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        root = write_records(Path(folder), count)
        seconds = statistics.median(_built_apart(root)[0] for _ in range(repeats))
    return Figure(seconds, "s", "<= 10", repeats, f"{count} records")


def board_memory(size: Size) -> Figure:
    """Peak memory of a process that builds the board of ``board_seconds``."""
    count = size(10_000, 20)
    with TemporaryDirectory(prefix="benchmark-") as folder:
        _, before, after = _built_apart(write_records(Path(folder), count))
    note = f"{count} records; {before:.0f} MB before the first is read"
    return Figure(after, "MB", "<= 500", 1, note)


def write_records(root: Path, count: int) -> Path:
    """Write records of simulated methods, ten seeds each, and return the folder."""
    from harness.method import Access, Budget, Task
    from harness.running.records import (
        DatasetFacts,
        Figure,
        MethodFacts,
        Record,
        RecordStore,
        Status,
    )
    from harness.scoring.metrics import membership_metrics

    draws, truth = np.random.default_rng(0), np.arange(400) % 2
    scores = truth + draws.standard_normal(400)
    found = membership_metrics(truth, (scores > 0.5).astype(np.int64), scores, np.arange(400))
    figures = {name: Figure(**vars(metric)) for name, metric in found.items()}
    store = RecordStore(root)
    (root / "simulated").mkdir(parents=True)
    for number in range(count):
        name, kappa = f"method-{number // SEEDS}", float(draws.uniform(-0.1, 0.9))
        given = Figure(value=kappa, low=kappa - 0.1, high=kappa + 0.1, n=400, groups=400)
        method = MethodFacts(
            name=name, family="simulated", version="1", source_digest="0" * 64,
            parameters={"k": 1}, changed={}, budget=Budget.DEMO, access=(Access.POOL,),
            control=False,
        )  # fmt: skip
        record = Record(
            schema=1, key=str(number), task=Task.MEMBERSHIP, method=method, protocol="official",
            dataset=DatasetFacts(name="simulated", fingerprint="f" * 64), seed=number % SEEDS,
            status=Status.OK, metrics={**figures, "kappa": given}, timing={"seconds": 1.0},
        )  # fmt: skip
        path = store.root / "simulated" / f"{name}@official-demo-{number % SEEDS}.json"
        path.write_text(record.model_dump_json())
    return root


def _board(root: Path) -> None:
    from harness.board.board import read_boards
    from harness.running.records import RecordStore

    [board] = read_boards(RecordStore(root), "simulated")
    assert board.rows


def _built_apart(root: Path) -> tuple[float, float, float]:
    """Build a board in a process of its own; return seconds, MB before it and MB at the peak."""
    command = [sys.executable, "-c", BUILDING, str(root)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, before, after = map(float, said.split())
    return seconds, before / 1e3, after / 1e3


def _searching(pools: Mapping[int, Path], asked: int) -> Callable[[], dict[int, float]]:
    import torch

    from harness.features.neighbours import nearest
    from harness.machine import cores

    torch.set_num_threads(cores())

    def search() -> dict[int, float]:
        seconds = {}
        for count, path in pools.items():
            pool = np.load(path, mmap_mode="r")
            queries = np.resize(pool, (asked, pool.shape[1])).copy()
            start = time.perf_counter()
            nearest(queries, pool, "cosine", 10)
            seconds[count] = time.perf_counter() - start
        return seconds

    return search


def _figure(
    size: Size,
    sizes: Sequence[int],
    taking: Callable[[int], float],
    before: Callable[[], object] = lambda: None,
    most: float = 1.05,
) -> Figure:
    """Return the exponent of the medians of a few rounds, after one that does not count."""
    rounds: dict[int, list[float]] = {count: [] for count in sizes}
    repeats = size(REPEATS, 1)
    for number in range(repeats + 1):
        before()
        for count in sizes:
            seconds = taking(count)
            if number:
                rounds[count].append(seconds)
    medians = {count: statistics.median(found) for count, found in rounds.items()}
    logs = np.log(list(medians)), np.log(list(medians.values()))
    exponent = max(0.01, float(np.polyfit(*logs, 1)[0]))
    told = ", ".join(f"{count}: {seconds:.3g} s" for count, seconds in medians.items())
    return Figure(exponent, "(exponent)", f"<= {most:g}", repeats, told)
