"""The feature store: rows found by what the image is, never by where it lies.

A shard holds the rows of one image set under one key (backbone, weights, layer, preprocessing,
precision). It is an immutable safetensors file named by the digest of the set, written to a
temporary name and renamed, so several processes may share the folder. A new set takes the rows
that other shards of the key already hold; only the others have to be computed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.features.inventory import clear, limit
from harness.features.weights import Weights
from harness.files import atomic, json_digest, write_json

Rows = NDArray[np.float32]
Compute = Callable[[NDArray[np.intp]], Rows]
DIGEST = np.dtype("S64")  # an image's SHA-256 as hex
PART = "part-"  # begins the name of a shard of a pass that is under way
CHUNK = 512  # images between two shards of a pass that is under way


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
        compute: Compute,
        say: Callable[[str], None],
    ) -> Extraction:
        """Return a shard with the rows of a set, computing those that the store does not hold.

        What is computed is kept every few hundred images, so an interrupted pass goes on. Of
        several processes that ask for the same set one computes and the others wait for it.

        Args:
            key: the extractor.
            digests: the images' hex digests, in the set's order.
            compute: given the positions of missing images, returns their rows.
            say: told of damaged shards and of waiting.
        """
        folder, wanted = self.root / key.folder, np.array(digests, DIGEST)
        path = folder / f"{set_digest(digests)}.safetensors"
        if self._intact(path, wanted, say):
            return Extraction(path, len(digests), 0)
        write_json(folder / "key.json", asdict(key))
        with _claimed(path, say):
            if self._intact(path, wanted, say):
                return Extraction(path, len(digests), 0)
            held = self._gather(folder, wanted, say)
            missing = held.missing()
            for start in range(0, len(missing), CHUNK):
                _compute_part(folder, wanted, held, missing[start : start + CHUNK], compute)
            _write(path, wanted, held)
            for part in held.parts:
                part.unlink(missing_ok=True)
        largest = limit()
        if largest is not None:
            clear(self.root, keep=largest)
        return Extraction(path, len(digests) - len(missing), len(missing))

    def _intact(self, path: Path, wanted: NDArray[np.bytes_], say: Callable[[str], None]) -> bool:
        if not path.exists():
            return False
        try:
            map_rows(path)
            os.utime(path)  # the time of its last use
            return bool(np.array_equal(map_digests(path), wanted))
        except (CorruptShardError, OSError) as error:
            say(f"feature shard {path.name[:16]}… is damaged ({error}); computed again")
            path.unlink(missing_ok=True)
            return False

    def _gather(
        self, folder: Path, wanted: NDArray[np.bytes_], say: Callable[[str], None]
    ) -> _Held:
        """Find the rows of a set that other shards hold."""
        held = _Held(len(wanted))
        for path in sorted(folder.glob("*.safetensors")):
            try:
                names, rows = map_digests(path), map_rows(path)
            except FileNotFoundError:
                continue  # a part, whose process has put it into its whole
            except (CorruptShardError, OSError) as error:
                say(f"feature shard {path.name[:16]}… is damaged ({error}); removed")
                path.unlink(missing_ok=True)
                continue
            order = np.argsort(names, kind="stable")
            places = np.searchsorted(names, wanted, sorter=order).clip(max=len(names) - 1)
            found = np.flatnonzero((names[order[places]] == wanted) & (held.shard < 0))
            if len(found):  # other shards may hold rows of other widths, of images of another size
                held.add(rows, found, order[places[found]])
            if path.name.startswith(PART) and np.isin(names, wanted).all():
                held.parts.append(path)
        return held


def _compute_part(
    folder: Path,
    wanted: NDArray[np.bytes_],
    held: _Held,
    chunk: NDArray[np.intp],
    compute: Compute,
) -> None:
    """Compute some rows; unless they are all of the set, keep them as a shard of their own."""
    rows = _Held(len(chunk))
    rows.add(compute(chunk), np.arange(len(chunk)), np.arange(len(chunk)))
    if len(chunk) == len(wanted):
        held.add(rows.shards[0], chunk, rows.place)
        return
    names = [digest.decode() for digest in wanted[chunk]]
    part = folder / f"{PART}{set_digest(names)}.safetensors"
    _write(part, wanted[chunk], rows)
    held.add(map_rows(part), chunk, rows.place)
    held.parts.append(part)


class _Held:
    """Where each row of a set lies: in which mapped shard, and at which place there."""

    def __init__(self, count: int) -> None:
        self.shards: list[Rows] = []
        self.parts: list[Path] = []  # shards of unfinished passes that this set makes needless
        self.shard = np.full(count, -1)
        self.place = np.zeros(count, np.intp)

    def add(self, rows: Rows, positions: NDArray[np.intp], places: NDArray[np.intp]) -> None:
        """Say that the rows of the set at ``positions`` lie at ``places`` of a shard."""
        self.shard[positions], self.place[positions] = len(self.shards), places
        self.shards.append(rows)

    def missing(self) -> NDArray[np.intp]:
        """Return the positions of which nothing is known."""
        return np.flatnonzero(self.shard < 0)

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows in order, a block at a time."""
        for start in range(0, len(self.shard), CHUNK):
            shard, place = self.shard[start : start + CHUNK], self.place[start : start + CHUNK]
            block = np.empty((len(shard), self.shards[0].shape[1]), np.float32)
            for number in np.unique(shard):
                block[shard == number] = self.shards[number][place[shard == number]]
            yield block


@contextmanager
def _claimed(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to make a shard; the system takes it back when the process dies."""
    from filelock import FileLock, Timeout

    claim = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        claim.acquire(timeout=1)
    except Timeout:
        say("another process computes the same features; waiting for it")
        claim.acquire()
    try:
        yield
    finally:
        claim.release()


def _write(path: Path, digests: NDArray[np.bytes_], rows: _Held) -> None:
    """Write a safetensors file a block at a time; the library itself wants all of it in memory."""
    count, width = len(digests), rows.shards[0].shape[1]
    names, values = count * DIGEST.itemsize, count * width * 4
    header = json.dumps(
        {
            "digests": {
                "dtype": "U8",
                "shape": [count, DIGEST.itemsize],
                "data_offsets": [0, names],
            },
            "rows": {
                "dtype": "F32",
                "shape": [count, width],
                "data_offsets": [names, names + values],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # the format asks for aligned tensors
    with atomic(path) as stream:
        stream.write(len(header).to_bytes(8, "little") + header + digests.tobytes())
        for block in rows.blocks():
            stream.write(block.data)


def map_digests(path: Path) -> NDArray[np.bytes_]:
    """Return, (N,) bytes, the hex digests of the images whose rows a shard holds.

    Raises:
        CorruptShardError: the file is truncated or holds something else.
    """
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
