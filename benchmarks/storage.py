"""The store: warm, grown by a little, asked by many, and in memory."""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, Size, alternate, memory
from benchmarks.images import write_array
from benchmarks.world import ask, own_cache, service
from harness.features.client import FeatureClient
from harness.features.store import map_rows

Digests = tuple[str, ...]
TICK = 0.02  # seconds between two looks at a process's memory


def warm_vs_read(size: Size) -> Figure:
    """Asking for features that are stored and reading them, against numpy reading the same bytes.

    The backbone is ``pixels`` at 2,048 numbers an image (64 x 32). Both sides end with all rows in
    memory; the service is running, and the files are in the page cache.
    """
    count = size(10_000, 64)
    with own_cache() as cache, service() as client:
        pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 32), np.uint8)
        cache.mkdir()
        np.save(cache / "images.npy", pixels)
        sets = {"a": (cache / "images.npy", tuple(f"{row:064x}" for row in range(count)))}
        rows = np.array(map_rows(ask(client, sets, "pixels").paths[0]))
        np.save(cache / "rows.npy", rows)

        def warm() -> None:
            found = np.array(map_rows(ask(client, sets, "pixels").paths[0]))
            assert found.shape == rows.shape

        found = alternate(warm, lambda: np.load(cache / "rows.npy"), 4 * size.repeats)
    warmth, plain = (1000 * seconds for seconds in found.medians())
    note = f"{count} x {rows.shape[1]}: {warmth:.0f} ms, numpy {plain:.0f} ms"
    return Figure(found.ratio(), "x", "<= 1.5", 4 * size.repeats, note)


def incremental(size: Size) -> Figure:
    """Ten images more among 5,000, against the cold pass over them (backbone ``lbp``)."""
    count, new = size(5_000, 50), 10
    backbone = "lbp"
    with own_cache() as cache, service() as client:
        path, digests = write_array(cache.parent / "all.npy", count + new, 64)
        before = cache.parent / "before.npy"
        np.save(before, np.load(path, mmap_mode="r")[:count])

        def cold() -> float:
            shutil.rmtree(cache / "features", ignore_errors=True)
            return _seconds(client, before, digests[:count], backbone, count)

        def grown() -> float:
            return _seconds(client, path, digests, backbone, new)

        found = alternate(cold, grown, size.repeats)
    whole, ten = found.medians()
    note = f"{new} new among {count} of 64 x 64, {backbone}: {ten:.2f} s, cold {whole:.1f} s"
    return Figure(found.share(), "of the cold pass", "<= 0.02", size.repeats, note)


def _seconds(client: FeatureClient, path: Path, digests: Digests, backbone: str, new: int) -> float:
    start = time.perf_counter()
    found = ask(client, {"a": (path, digests)}, backbone)
    assert found.misses == new
    return time.perf_counter() - start


def sharing(size: Size) -> Figure:
    """Eight services that are asked for one set at once: rows computed, over images of the set."""
    count, model = size(256, 16), "resnet18@random:0"
    ratios, seconds = [], []
    with own_cache() as cache, ExitStack() as stack:
        path, digests = write_array(cache.parent / "images.npy", count, 64)
        clients = [stack.enter_context(service()) for _ in range(8)]
        for client in clients:
            client.fetch(model)
        for _ in range(size.repeats):
            shutil.rmtree(cache / "features", ignore_errors=True)
            start = time.perf_counter()
            with ThreadPoolExecutor(len(clients)) as pool:
                found = list(pool.map(lambda c: ask(c, {"a": (path, digests)}, model), clients))
            seconds.append(time.perf_counter() - start)
            assert len({one.paths for one in found}) == 1
            assert map_rows(found[0].paths[0]).shape[0] == count
            ratios.append(sum(one.misses for one in found) / count)
    note = f"{count} images, resnet18, eight services: {statistics.median(seconds):.1f} s"
    return Figure(statistics.median(ratios), "rows an image", "<= 1.2", size.repeats, note)


def cold_memory(size: Size) -> Figure:
    """Peak memory of the service in a cold pass over 20,000 images, over that of 5,000 (pixels).

    Counted is what the service holds for itself (RssAnon). Pages of the mapped images come on top
    as long as nobody else wants the memory; the note has them.
    """
    few, many = size(5_000, 200), size(20_000, 800)
    peaks: dict[int, list[tuple[int, int]]] = {few: [], many: []}
    with own_cache() as cache:
        path, digests = write_array(cache.parent / "all.npy", many, 256)
        np.save(cache.parent / "few.npy", np.load(path, mmap_mode="r")[:few])
        files = {few: cache.parent / "few.npy", many: path}
        for _ in range(size.repeats):
            for count, file in files.items():
                shutil.rmtree(cache / "features", ignore_errors=True)
                with service() as client:
                    client.fetch("pixels")
                    with _watched(client.pid, peaks[count]):
                        ask(client, {"a": (file, digests[:count])}, "pixels")
    ratio = statistics.median(b[0] / a[0] for a, b in zip(peaks[few], peaks[many], strict=True))
    own, mapped = (
        [statistics.median(peak[kind] for peak in peaks[count]) / 1e6 for count in (few, many)]
        for kind in (0, 1)
    )
    note = (
        f"{few} and {many} images of 256 x 256: {own[0]:.0f} and {own[1]:.0f} MB; "
        f"mapped files {mapped[0]:.0f} and {mapped[1]:.0f} MB"
    )
    return Figure(ratio, "x", "<= 1.1", size.repeats, note)


@contextmanager
def _watched(pid: int, peaks: list[tuple[int, int]]) -> Iterator[None]:
    """Append the largest own and mapped memory that a process has meanwhile."""
    done, own, mapped = threading.Event(), [0], [0]

    def look() -> None:
        while True:
            own.append(memory(pid, "RssAnon"))
            mapped.append(memory(pid, "RssFile"))
            if done.wait(TICK):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    peaks.append((max(own), max(mapped)))
