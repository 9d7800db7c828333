"""The feature store: rows found by what the image is, never by where it lies.

A shard holds the rows of one image set under one key (backbone, weights, layer, preprocessing,
precision). It is an immutable safetensors file named by the digest of the set, written to a
temporary name and renamed, so several processes may share the folder. A new set takes the rows
that other shards of the key already hold; only the others have to be computed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.features.inventory import clear, limit
from harness.files import atomic, json_digest, write_json
from harness.weights import Weights

Rows = NDArray[np.float32]
DIGEST = np.dtype("S64")  # an image's SHA-256 as hex
Digests = Sequence[str] | NDArray[np.bytes_]
PART = "part-"  # begins the name of a shard of a pass that is under way
CHUNK = 512  # images between two shards of a pass that is under way
CHUNK_BYTES = 64 * 2**20  # of rows that a pass holds in memory; maps are large


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


Compute = Callable[[NDArray[np.intp], Sequence[Key]], Iterator[Sequence[Rows]]]


class CorruptShardError(Exception):
    """A shard is truncated or is no shard at all."""


def map_rows(path: Path) -> Rows:
    """Map a shard's (N, ...) float32 rows read-only.

    Raises:
        CorruptShardError: the file is truncated or holds something else.
    """
    rows: Rows = _map(path, "rows", np.dtype(np.float32))
    return rows


def set_digest(digests: Digests) -> str:
    """Return the digest of an ordered image set, given its images' hex digests."""
    return hashlib.sha256(np.asarray(digests, DIGEST).tobytes()).hexdigest()


class FeatureStore:
    """The store in a folder, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rows(
        self,
        keys: Sequence[Key],
        digests: Digests,
        compute: Compute,
        say: Callable[[str], None],
        *,
        part: bool = False,
    ) -> list[Extraction]:
        """Return shards with the rows of a set, one for each key, computing those not held.

        What is computed is kept every few hundred images, so an interrupted pass goes on. Of
        several processes that ask for the same set one computes and the others wait for it.

        Args:
            keys: the extractors; several are layers of one backbone, which one pass gives.
            digests: the images' hex digests, in the set's order.
            compute: given the positions of missing images and the keys that lack them, yields their
                rows batch by batch in that order, each batch as one array for each of these keys.
            say: told of damaged shards and of waiting.
            part: the images are a piece of a set, whose shard will take the place of these.
        """
        wanted = np.asarray(digests, DIGEST)
        name = f"{PART if part else ''}{set_digest(wanted)}.safetensors"
        paths = {key: self.root / key.folder / name for key in keys}
        misses = dict.fromkeys(paths, 0)
        lacking = [key for key, path in paths.items() if not self._intact(path, wanted, say)]
        with _claimed([paths[key] for key in lacking], say):
            lacking = [key for key in lacking if not self._intact(paths[key], wanted, say)]
            for key in lacking:
                self._describe(key)
            made = [
                _Unfinished(paths[key], wanted, self._gather(paths[key], wanted, say))
                for key in lacking
            ]
            _complete(made, lacking, compute)
            misses |= {key: shard.computed for key, shard in zip(lacking, made, strict=True)}
        largest = limit()
        if lacking and largest is not None:
            clear(self.root, keep=largest)
        return [Extraction(paths[key], len(digests) - misses[key], misses[key]) for key in keys]

    def lacking(
        self, keys: Sequence[Key], digests: Digests, say: Callable[[str], None]
    ) -> NDArray[np.intp]:
        """Return the positions, (M,), of images of a set of which some key holds no row."""
        wanted = np.asarray(digests, DIGEST)
        name = f"{set_digest(wanted)}.safetensors"
        lacks = np.zeros(len(wanted), bool)
        for path in (self.root / key.folder / name for key in keys):
            if not self._intact(path, wanted, say):
                lacks |= self._gather(path, wanted, say).shard < 0
        return np.flatnonzero(lacks)

    def _describe(self, key: Key) -> None:
        path = self.root / key.folder / "key.json"
        if not path.exists():  # writing it again costs as much as a small shard
            write_json(path, asdict(key))

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

    def _gather(self, shard: Path, wanted: NDArray[np.bytes_], say: Callable[[str], None]) -> _Held:
        """Find the rows of a set that other shards beside its own hold."""
        held = _Held(len(wanted))
        for path in sorted(shard.parent.glob("*.safetensors")):
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


def _complete(shards: Sequence[_Unfinished], keys: Sequence[Key], compute: Compute) -> None:
    """Compute what shards lack in one pass, and write them."""
    if not shards:
        return
    missing = np.flatnonzero(np.any([shard.held.shard < 0 for shard in shards], axis=0))
    done = kept = 0
    for batch in compute(missing, keys) if len(missing) else ():
        positions = missing[done : done + len(batch[0])]
        done += len(positions)
        for shard, rows in zip(shards, batch, strict=True):
            shard.add(positions, rows)
        size = sum(shard.size for shard in shards)
        if done < len(missing) and (done - kept >= CHUNK or size >= CHUNK_BYTES):
            kept = done
            for shard in shards:
                shard.keep()
    for shard in shards:
        shard.finish()


class _Unfinished:
    """A shard in the making: the rows that are held, and those computed since the last part."""

    def __init__(self, path: Path, wanted: NDArray[np.bytes_], held: _Held) -> None:
        self.path, self.wanted, self.held = path, wanted, held
        self.computed = 0
        self._fresh: list[tuple[NDArray[np.intp], Rows]] = []

    @property
    def size(self) -> int:
        """Bytes of computed rows in memory."""
        return sum(rows.nbytes for _, rows in self._fresh)

    def add(self, positions: NDArray[np.intp], rows: Rows) -> None:
        """Take computed rows but those that are held: a pass for several layers repeats some."""
        new = self.held.shard[positions] < 0
        if new.any():
            self._fresh.append((positions[new], rows[new]))
            self.computed += int(new.sum())

    def keep(self) -> None:
        """Write the rows computed so far as a part, from which an interrupted pass goes on."""
        if not self._fresh:
            return
        positions, rows = self._take()
        part = _Held(len(positions))
        part.add(rows, np.arange(len(rows)), np.arange(len(rows)))
        name = set_digest(self.wanted[positions])
        path = self.path.with_name(f"{PART}{name}.safetensors")
        _write(path, self.wanted[positions], part)
        self.held.add(map_rows(path), positions, part.place)
        self.held.parts.append(path)

    def finish(self) -> None:
        """Write the shard and remove its parts."""
        if self._fresh:
            positions, rows = self._take()
            self.held.add(rows, positions, np.arange(len(rows)))
        _write(self.path, self.wanted, self.held)
        for part in self.held.parts:
            part.unlink(missing_ok=True)

    def _take(self) -> tuple[NDArray[np.intp], Rows]:
        positions, rows = zip(*self._fresh, strict=True)
        self._fresh = []
        return np.concatenate(positions), np.concatenate(rows)


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

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.shards[0].shape[1:]

    def runs(self) -> Iterator[Rows]:
        """Yield the rows in order, each run of neighbours in a shard as it is mapped."""
        jumps = (np.diff(self.shard) != 0) | (np.diff(self.place) != 1)
        starts = [0, *(np.flatnonzero(jumps) + 1), len(self.shard)]
        for start, end in pairwise(starts):
            first = self.place[start]
            yield self.shards[self.shard[start]][first : first + end - start]


@contextmanager
def _claimed(paths: Sequence[Path], say: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to make shards; the system takes it back when the process dies.

    All take locks in one order, so that no two processes wait for each other.
    """
    from filelock import FileLock, Timeout

    with ExitStack() as held:
        for path in sorted(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            claim = FileLock(path.with_name(f".{path.stem}.lock"))
            try:
                claim.acquire(timeout=1)
            except Timeout:
                say("another process computes the same features; waiting for it")
                claim.acquire()
            held.callback(claim.release)
        yield


def _write(path: Path, digests: NDArray[np.bytes_], rows: _Held) -> None:
    """Write a safetensors file run by run; the library itself wants all of it in memory."""
    shape = [len(digests), *rows.row]
    names, values = len(digests) * DIGEST.itemsize, math.prod(shape) * 4
    header = json.dumps(
        {
            "digests": {
                "dtype": "U8",
                "shape": [len(digests), DIGEST.itemsize],
                "data_offsets": [0, names],
            },
            "rows": {
                "dtype": "F32",
                "shape": shape,
                "data_offsets": [names, names + values],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # the format asks for aligned tensors
    with atomic(path) as stream:
        stream.write(len(header).to_bytes(8, "little") + header + digests.tobytes())
        for run in rows.runs():
            stream.write(np.ascontiguousarray(run).data)


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
