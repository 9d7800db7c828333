"""A cache of the benchmarks' own, and the feature service at work in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from harness.features.client import FeatureClient
from harness.machine import cores
from harness.protocol import Extracted

Sets = Mapping[str, tuple[Path, tuple[str, ...]]]


@contextmanager
def own_cache() -> Iterator[Path]:
    """Let the harness keep everything in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        cache = Path(folder, "cache")
        changed = {"BENCH_CACHE": str(cache), "BENCH_RESULTS": str(Path(folder, "results"))}
        with mock.patch.dict(os.environ, changed):
            yield cache


def service(precision: str = "fp32") -> FeatureClient:
    """Start a feature service; use as a context manager."""
    return FeatureClient("cpu", precision, cores(), {})


def ask(client: FeatureClient, sets: Sets, backbone: str) -> Extracted:
    """Have the pooled features of the one set given."""
    [name] = sets
    client.open(sets)
    return client.features(name, backbone, ["pool"])


def forget(cache: Path) -> None:
    """Make the cache cold: no features, no decoded images."""
    for name in ("features", "packs"):
        shutil.rmtree(cache / name, ignore_errors=True)
