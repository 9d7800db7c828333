"""Decoded data sets on disk: one memory-mapped array per set, written once.

A pack is the folder ``packs/<signature>`` of the cache, with one ``<set>.npy`` (uint8, N x H x W)
per set and an ``index.json``. It takes its name only when it is complete, so whoever finds it can
use it; one that was damaged since counts as absent. Within a set the images are ordered by the
digest of their pixels, so that their order tells nothing.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.datasets.images import pixel_digest
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.files import cache_dir, naming, read_json, write_json, write_text

SCHEMA: Final = (
    2  # raised whenever a pack would come out differently, for example by a new decoding rule
)
NAMES = "names.json"  # beside the index: what the data sets are called that are this pack


@dataclass(frozen=True, eq=False)
class PackedSet:
    """One set of a data set: what is known of its images, and their pixels on disk."""

    name: str  # canonical, for example train/generated
    ids: tuple[str, ...]  # one per image: the file's name, or what the recipe calls it
    digests: tuple[str, ...]  # SHA-256 of each image's pixels as hex, ascending
    labels: tuple[int, ...] | None  # membership 0/1, attribution class index; None: not known
    groups: tuple[str, ...] | None  # the patient of each image; None: not known
    path: Path  # the .npy file

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests of the images as hex: equal for sets of equal pixels."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    def pixels(self) -> NDArray[np.uint8]:
        """Return the images as a read-only memory map of shape (N, H, W)."""
        images: NDArray[np.uint8] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return images


@dataclass(frozen=True, eq=False)
class Pack:
    """The sets of one data set and the fingerprint of all that they hold."""

    fingerprint: str
    sets: dict[str, PackedSet]


class _Listing(BaseModel):
    """What index.json says of one set."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    shape: tuple[int, int, int]
    ids: tuple[str, ...]
    digests: tuple[str, ...]
    labels: tuple[int, ...] | None
    groups: tuple[str, ...] | None

    def opened(self, folder: Path) -> PackedSet:
        """Return the set, having checked that its array in ``folder`` is the one described.

        Raises:
            OSError: The array is not there.
            ValueError: It is damaged, or the columns are not of one length.
        """
        columns = [self.ids, self.digests, self.labels, self.groups]
        lengths = {len(column) for column in columns if column is not None}
        path = folder / f"{self.name.replace('/', '.')}.npy"
        array = open_memmap(path, mode="r")
        if array.dtype != np.uint8 or array.shape != self.shape or lengths != {len(array)}:
            raise ValueError(f"{path} is not what index.json says")
        return PackedSet(self.name, self.ids, self.digests, self.labels, self.groups, path)


class _Index(BaseModel):
    """The content of index.json."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: Literal[2] = Field(alias="schema")
    fingerprint: str
    sets: tuple[_Listing, ...]


def open_pack(
    signature: str,
    make: Callable[[], Iterable[tuple[str, RawSet]]],
    fingerprint: Callable[[Iterable[PackedSet]], str],
) -> Pack:
    """Return the pack of a signature, written first if it is not there.

    Several processes may do so at once: the first to finish gives the pack its name, the others
    use that one.

    Args:
        signature: names all that decides what ``make`` returns; the folder's name.
        make: gives the sets one after the other, so that only one need be in memory.
        fingerprint: names the content of the finished sets.

    Raises:
        BenchError: The cache cannot be written, or whatever ``make`` raises.
    """
    packs = cache_dir() / "packs"
    folder = packs / signature
    for _ in range(3):  # a pack may be taken away again between writing and reading it
        found = _read(folder)
        if found is not None:
            return found
        try:
            _build(folder, make, fingerprint)
        except OSError as error:
            remedy = "mend that or set BENCH_CACHE to another folder"
            raise BenchError(f"{packs}: the pack cannot be made ({error}); {remedy}") from error
    raise BenchError(f"{folder}: cannot be read back; check the disk or set BENCH_CACHE")


def write_set(folder: Path, name: str, raw: RawSet) -> PackedSet:
    """Write one set into ``folder``, its images ordered by their digests, outside any pack."""
    return _write(folder, name, raw).opened(folder)


def note_name(signature: str, name: str) -> None:
    """Write down what a data set is called whose pack it is, for whoever looks at the cache."""
    path = cache_dir() / "packs" / signature / NAMES
    known = _names(path.parent)
    if name not in known:
        with suppress(OSError):  # it matters to nothing else
            write_json(path, sorted({*known, name}))


def names_by_image(packs: Path) -> dict[str, set[str]]:
    """Return by the hex digest of its pixels what the data sets are called that hold an image."""
    found: dict[str, set[str]] = {}
    for folder in sorted(packs.glob("*")):
        pack, names = _read(folder), _names(folder)
        for packed in pack.sets.values() if pack else ():
            for digest in packed.digests:
                found.setdefault(digest, set()).update(names)
    return found


def stored_images(packs: Path) -> dict[str, Callable[[], NDArray[np.uint8]]]:
    """Return a reader of every image that some pack holds, by the hex digest of its pixels."""
    found: dict[str, Callable[[], NDArray[np.uint8]]] = {}
    for folder in sorted(packs.glob("*")):
        pack = _read(folder)
        for packed in pack.sets.values() if pack else ():
            for row, digest in enumerate(packed.digests):
                found[digest] = partial(_image, packed, row)
    return found


def _names(folder: Path) -> list[str]:
    known = read_json(folder / NAMES)
    return [str(name) for name in known] if isinstance(known, list) else []


def write_images(path: Path, pixels: NDArray[np.uint8], order: Iterable[int] | None = None) -> None:
    """Write images (N, H, W) as .npy, in another order if one is given.

    Raises:
        OSError: the disk is full, which a mapped file would tell by a signal, and ``np.save``
            without saying why.
    """
    described = {"descr": "|u1", "fortran_order": False, "shape": pixels.shape}
    with naming(path), path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, described)
        for row in range(len(pixels)) if order is None else order:
            stream.write(np.ascontiguousarray(pixels[row], np.uint8).data)


def _image(packed: PackedSet, row: int) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = packed.pixels()[row]
    return image


def _read(folder: Path) -> Pack | None:
    try:
        index = _Index.model_validate_json((folder / "index.json").read_bytes())
        sets = {listing.name: listing.opened(folder) for listing in index.sets}
    except (OSError, ValueError):
        return None
    return Pack(index.fingerprint, sets)


def _build(
    folder: Path,
    make: Callable[[], Iterable[tuple[str, RawSet]]],
    fingerprint: Callable[[Iterable[PackedSet]], str],
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building.") as temporary:
        building = Path(temporary, "pack")
        building.mkdir()
        listings = tuple(_write(building, name, raw) for name, raw in make())
        sets = [listing.opened(building) for listing in listings]
        index = _Index(schema=SCHEMA, fingerprint=fingerprint(sets), sets=listings)
        write_text(building / "index.json", index.model_dump_json(by_alias=True))
        _install(building, folder, aside=Path(temporary, "damaged"))


def _install(building: Path, folder: Path, aside: Path) -> None:
    """Give a finished pack its name, unless another process was first."""
    with suppress(OSError):
        building.rename(folder)
    if _read(folder) is None:
        with suppress(OSError):  # what is damaged may be gone by now
            folder.rename(aside)
        with suppress(OSError):
            building.rename(folder)


def _write(folder: Path, name: str, raw: RawSet) -> _Listing:
    digests = [pixel_digest(image).hex() for image in raw.pixels]
    order = sorted(range(len(digests)), key=lambda row: (digests[row], raw.ids[row]))
    path = folder / f"{name.replace('/', '.')}.npy"
    write_images(path, raw.pixels, order)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return _Listing(
        name=name,
        shape=raw.pixels.shape,
        ids=tuple(raw.ids[row] for row in order),
        digests=tuple(digests[row] for row in order),
        labels=raw.labels and tuple(raw.labels[row] for row in order),
        groups=raw.groups and tuple(raw.groups[row] for row in order),
    )
