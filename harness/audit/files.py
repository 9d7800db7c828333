"""The files behind a data set: whether they can be read, and what is odd about them.

What a file says of itself besides its pixels is read here; whether that gives the label away is
tested in :mod:`harness.audit.properties`. The files of a data set that a recipe makes do not exist.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.verdict import Finding, Level
from harness.datasets.entry import Entry, Layout
from harness.datasets.images import Track, decode
from harness.datasets.layouts import find_images
from harness.errors import BenchError
from harness.machine import cores

SHOWN = 20  # examples of one finding
Tables = Mapping[int, Sequence[int]]  # of JPEG quantisation
_STRUCTURE = frozenset({"jfif_unit", "jfif_density", "jfif_version", "compression"})


@dataclass(frozen=True)
class FileFacts:
    """What one readable image file says of itself."""

    bytes: int
    modified: int  # nanoseconds
    dimensions: str  # as stored, width x height
    pixels: str  # format, mode and raw mode: bit depth and order of channels
    coding: str  # compression; of JPEG the digest of its quantisation tables
    metadata: str  # names of the text, EXIF and other fields, without their values
    blank: bool  # whether all pixels are equal


@dataclass(frozen=True)
class Files:
    """All files of a data set."""

    facts: Mapping[str, Mapping[str, FileFacts]]  # set, then file name in natural order
    unreadable: tuple[str, ...]  # one line each


def read_files(entry: Entry, track: Track | None = None) -> Files | None:
    """Read every file of a data set.

    Args:
        entry: what datasets.yaml says of it.
        track: wraps the files of a set, to show progress.

    Returns:
        ``None`` where the data are made by a recipe.

    Raises:
        BenchError: A folder is missing, empty or holds something that is no image.
    """
    if entry.layout is Layout.PACK:
        return None
    facts, unreadable = {}, []
    with ThreadPoolExecutor(min(8, cores())) as pool:
        for name, paths in find_images(entry).items():
            found = zip(track(paths) if track else paths, pool.map(_read, paths), strict=True)
            each = {path.name: read for path, read in found}
            facts[name] = {i: read for i, read in each.items() if isinstance(read, FileFacts)}
            unreadable += [read for read in each.values() if isinstance(read, str)]
    return Files(facts, tuple(unreadable))


def file_findings(files: Files | None) -> list[Finding]:
    """Return what is wrong or odd with the files of a data set."""
    if files is None:
        made = "the images are made, not read: there are no files to look at"
        return [Finding("files", Level.SKIPPED, "no files", made)]
    count = sum(len(facts) for facts in files.facts.values()) + len(files.unreadable)
    if files.unreadable:
        result = f"{len(files.unreadable)} of {count} files cannot be read"
        meaning = "nothing else can be checked before they are mended"
        return [Finding("files", Level.FLAW, result, meaning, files.unreadable[:SHOWN])]
    findings = [Finding("files", Level.FINE, f"{count} files", "all can be read")]
    return findings + [odd for odd in (_mixture(files), _blanks(files)) if odd]


def _mixture(files: Files) -> Finding | None:
    """Return a warning where the files are of several kinds."""
    kinds = Counter(f"{f.pixels} {f.dimensions}" for f in _all(files))
    if len(kinds) == 1:
        return None
    common = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(3))
    result = f"{len(kinds)} kinds of file: {common}"
    meaning = "all become 8-bit grey; check that no kind belongs to one class"
    return Finding("odd files", Level.WARNING, result, meaning)


def _blanks(files: Files) -> Finding | None:
    blank = [f"{s}/{i}" for s, facts in files.facts.items() for i, f in facts.items() if f.blank]
    if not blank:
        return None
    result = f"{len(blank)} images of one grey level only"
    return Finding("odd files", Level.WARNING, result, "they show nothing", tuple(blank[:SHOWN]))


def _all(files: Files) -> Iterable[FileFacts]:
    return (fact for facts in files.facts.values() for fact in facts.values())


def _read(path: Path) -> FileFacts | str:
    """Return the facts of a file, or why it cannot be read."""
    from PIL import Image

    try:
        pixels = decode(path)
    except BenchError as error:
        return str(error)
    stat = path.stat()
    with Image.open(path) as image:
        exif = [f"exif {tag}" for tag in image.getexif()] if image.format == "JPEG" else []
        raw = [str(tile[3]) for tile in image.tile[:1]]
        return FileFacts(
            bytes=stat.st_size,
            modified=stat.st_mtime_ns,
            dimensions=f"{image.width}x{image.height}",
            pixels=" ".join([str(image.format), image.mode, *raw]),
            coding=_coding(path, image.info, getattr(image, "quantization", None)),
            metadata=", ".join(sorted({*map(str, image.info), *exif} - _STRUCTURE)),
            blank=bool(pixels.min() == pixels.max()),
        )


def _coding(path: Path, info: Mapping[Any, Any], tables: Tables | None) -> str:
    if tables:
        text = repr([list(table) for table in tables.values()])
        turns = "progressive " if info.get("progressive") else ""
        return f"{turns}JPEG tables {hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if path.suffix.lower() == ".png":
        with path.open("rb") as stream:
            head = stream.read(65536)
        at = head.find(b"IDAT")
        return f"zlib {head[at + 4 : at + 6].hex()}"  # its second byte tells the level
    return str(info.get("compression", ""))
