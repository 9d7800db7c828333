"""What the feature store holds, how much and since when, and how room is made in it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchError
from harness.files import read_json

FRESH_SECONDS = 60.0  # a shard used so lately is being handed out: it is never removed
LIMIT = "BENCH_CACHE_LIMIT"
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Shard:
    """One immutable file of the store."""

    path: Path
    size: int  # bytes
    used: float  # when it was last handed out, in seconds since the epoch

    @property
    def backbone(self) -> str:
        """The backbone whose features it holds."""
        return _key(self.path.parent).get("backbone", self.path.parent.name)


@dataclass(frozen=True)
class Holding:
    """What the store holds of one extractor, or of some data sets by it."""

    folder: Path
    backbone: str
    source: str  # of the weights
    layer: str
    precision: str
    sets: int
    size: int  # bytes
    used: float
    datasets: tuple[str, ...] = ()  # what the images belong to, where that was asked for


def shards(root: Path) -> list[Shard]:
    """Return every shard of a store, the one that was not used for longest first."""
    found = []
    for path in root.glob("*/*.safetensors"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # another process has just removed it
        found.append(Shard(path, state.st_size, state.st_mtime))
    return sorted(found, key=lambda shard: (shard.used, shard.path))


def holdings(
    root: Path, datasets_of: Callable[[Shard], tuple[str, ...]] = lambda _: ()
) -> Iterator[Holding]:
    """Yield what a store holds of every extractor, by name.

    Args:
        root: the folder of the store.
        datasets_of: tells the data sets of a shard's images; what it tells apart is listed apart.
    """
    groups: dict[tuple[Path, tuple[str, ...]], list[Shard]] = {}
    for shard in shards(root):
        groups.setdefault((shard.path.parent, datasets_of(shard)), []).append(shard)
    for (folder, datasets), held in sorted(groups.items()):
        key = _key(folder)
        yield Holding(
            folder=folder,
            backbone=key.get("backbone", folder.name),
            source=key.get("source", "?"),
            layer=key.get("layer", "?"),
            precision=key.get("precision", "?"),
            sets=len(held),
            size=sum(shard.size for shard in held),
            used=held[-1].used,
            datasets=datasets,
        )


def clear(
    root: Path, backbone: str | None = None, age: float | None = None, keep: int | None = None
) -> list[Shard]:
    """Remove shards, those that were not used for longest first, and return them.

    What was handed out within the last minute stays. A run that needs a removed shard later
    computes it again.

    Args:
        root: the folder of the store.
        backbone: only those of this backbone.
        age: only those not used for so many seconds.
        keep: stop as soon as the store holds at most so many bytes.
    """
    everything, now = shards(root), time.time()
    left, removed = sum(shard.size for shard in everything), []
    for shard in everything:
        if keep is not None and left <= keep:
            break
        idle = now - shard.used
        if idle < max(FRESH_SECONDS, age or 0) or backbone not in (None, shard.backbone):
            continue
        shard.path.unlink(missing_ok=True)
        left -= shard.size
        removed.append(shard)
    return removed


def limit() -> int | None:
    """Return the largest size of the store in bytes, from the environment; ``None`` for no limit.

    Raises:
        BenchError: the variable is no size.
    """
    text = os.environ.get(LIMIT)
    return parse_size(text, LIMIT) if text else None


def parse_size(text: str, what: str) -> int:
    """Return the bytes that a text such as 500MB or 20GB means.

    Raises:
        BenchError: it means none; ``what`` says where it was written.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = match[2] if match else "?"
    unit = f"{unit}B" if unit in ("K", "M", "G", "T") else unit.removeprefix("B")
    if match is None or unit not in UNITS:
        raise BenchError(f"{what} {text!r}: is no size; write 500MB or 20GB")
    return round(float(match[1]) * UNITS[unit])


def _key(folder: Path) -> dict[str, str]:
    """Return what names the extractor of a folder of shards, as text."""
    key = read_json(folder / "key.json")
    if not isinstance(key, dict) or not isinstance(key.get("weights"), dict):
        return {}
    return {name: str(value) for name, value in {**key, **key["weights"]}.items()}
