"""The feature store: rows found by what the image is, never by where it lies.

A shard holds the rows of one image set under one key (backbone, weights, layer, preprocessing,
precision). It is an immutable safetensors file named by the digest of the set, written to a
temporary name and renamed, so several processes may share the folder. A new set takes the rows
that other shards of the key already hold; only the others have to be computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.features.weights import Weights
from harness.files import atomic, json_digest, write_json

Rows = NDArray[np.float32]
DIGEST = np.dtype("S64")  # an image's SHA-256 as hex


@dataclass(frozen=True)
class Key:
    """What a feature depends on besides the image."""

    weights: Weights
    layer: str
    preprocessing: str
    precision: str

    @property
    def folder(self) -> str:
        """A readable, unambiguous folder name."""
        return f"{self.weights.backbone.replace('/', '_')}-{json_digest(asdict(self))[:16]}"


@dataclass(frozen=True)
class Extraction:
    """A set's features and what they cost."""

    path: Path
    hits: int
    misses: int


class CorruptShardError(Exception):
    """A shard is truncated or is no shard at all."""


def map_rows(path: Path) -> Rows:
    """Map a shard's (N, D) float32 rows read-only.

    Raises:
        CorruptShardError: the file is truncated or holds something else.
    """
    rows: Rows = _map(path, "rows", np.dtype(np.float32))
    return rows


def set_digest(digests: Sequence[str]) -> str:
    """Return the digest of an ordered image set, given its images' hex digests."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


class FeatureStore:
    """The store in a folder, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rows(
        self,
        key: Key,
        digests: Sequence[str],
        compute: Callable[[NDArray[np.intp]], Rows],
        say: Callable[[str], None],
    ) -> Extraction:
        """Return a shard with the rows of a set, computing those that the store does not hold.

        Args:
            key: the extractor.
            digests: the images' hex digests, in the set's order.
            compute: given the positions of the missing images, returns their rows.
            say: told of damaged shards.
        """
        folder = self.root / key.folder
        path = folder / f"{set_digest(digests)}.safetensors"
        wanted = np.array(digests, DIGEST)
        if self._intact(path, wanted, say):
            return Extraction(path, len(digests), 0)
        missing, found = self._gather(folder, wanted, say)
        computed = compute(missing) if len(missing) else None
        width = next(part.shape[1] for part in [computed, *found.values()] if part is not None)
        rows = np.empty((len(wanted), width), np.float32)
        for position, row in found.items():
            rows[position] = row[0]
        if computed is not None:
            rows[missing] = computed
        write_json(folder / "key.json", asdict(key))
        _write(path, wanted, rows)
        return Extraction(path, len(found), len(missing))

    def _intact(self, path: Path, wanted: NDArray[np.bytes_], say: Callable[[str], None]) -> bool:
        if not path.exists():
            return False
        try:
            map_rows(path)
            return bool(np.array_equal(_digests(path), wanted))
        except (CorruptShardError, OSError) as error:
            say(f"feature shard {path.name[:16]}… is damaged ({error}); computed again")
            path.unlink(missing_ok=True)
            return False

    def _gather(
        self, folder: Path, wanted: NDArray[np.bytes_], say: Callable[[str], None]
    ) -> tuple[NDArray[np.intp], dict[int, Rows]]:
        found: dict[int, Rows] = {}
        for path in sorted(folder.glob("*.safetensors")):
            try:
                held, rows = _digests(path), map_rows(path)
            except (CorruptShardError, OSError) as error:
                say(f"feature shard {path.name[:16]}… is damaged ({error}); removed")
                path.unlink(missing_ok=True)
                continue
            order = np.argsort(held, kind="stable")
            places = np.searchsorted(held, wanted, sorter=order).clip(max=len(held) - 1)
            for position in np.flatnonzero(held[order[places]] == wanted):
                found.setdefault(int(position), rows[order[places[position]]][None])
        missing = np.array([i for i in range(len(wanted)) if i not in found], np.intp)
        return missing, found


def _write(path: Path, digests: NDArray[np.bytes_], rows: Rows) -> None:
    from safetensors.numpy import save

    letters = digests.view(np.uint8).reshape(len(digests), DIGEST.itemsize)
    with atomic(path) as stream:
        stream.write(save({"digests": letters, "rows": rows}))


def _digests(path: Path) -> NDArray[np.bytes_]:
    letters = _map(path, "digests", np.dtype(np.uint8))
    return np.ascontiguousarray(letters).view(DIGEST).ravel()


def _map(path: Path, name: str, kind: np.dtype[Any]) -> NDArray[Any]:
    """Map one tensor of a safetensors file in place; the library itself would copy it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= size - 8:
            raise CorruptShardError("no header")
        try:
            entry = json.loads(stream.read(length))[name]
            (start, end), shape = entry["data_offsets"], tuple(entry["shape"])
        except (ValueError, KeyError, TypeError):
            raise CorruptShardError("unreadable header") from None
    if 8 + length + end > size or int(np.prod(shape)) * kind.itemsize != end - start:
        raise CorruptShardError(f"{size} bytes, {8 + length + end} expected")
    return np.memmap(path, kind, "r", 8 + length + start, shape)
