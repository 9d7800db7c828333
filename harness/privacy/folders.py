"""The folders of an audit: images with their patients, of one size, that share nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.datasets.image_options import ImageOptions
from harness.datasets.pack import PackedSet, write_set
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.forge.source import Source, read_source

Say = Callable[[str], None]


class Role(StrEnum):
    """What a folder is to the audit; the value is how the command line calls it."""

    GENERATED = "--generated"  # the pool that is to be shared, or was
    ASKED = "IMAGES"  # real images: did they train the generator?
    REFERENCE = "--reference"  # real images that did not, of other patients
    MEMBERS = "--members"  # real images that did
    HOLDOUT = "--holdout"  # real images that could have, and did not


NOT_USED = (Role.REFERENCE, Role.HOLDOUT)


@dataclass(frozen=True)
class Reading:
    """How the files of an audit are read.

    Attributes:
        options: how images are decoded; without a size, reals are resized to the generated ones'.
        table: csv ``image,patient`` for all folders of reals; ``None`` takes their index.csv.
        pattern: finds the patient in a file's name, by its first group or as a whole.
    """

    options: ImageOptions
    table: Path | None = None
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, eq=False)
class Folder:
    """One folder, decoded."""

    role: Role
    path: Path
    images: PackedSet
    note: str  # how patients are known, in words
    known: bool  # whether they are

    @property
    def patients(self) -> int:
        """How many there are; as many as images where they are not known."""
        return len(set(self.images.groups or ()))


Folders = Mapping[Role, Folder]


def read_folders(
    paths: Mapping[Role, Path], reading: Reading, into: Path, say: Say
) -> dict[Role, Folder]:
    """Decode the folders of an audit.

    Args:
        paths: the folder of every role that is given; the generated images' among them.
        reading: how their files are read.
        into: an empty folder for the pixels.
        say: told which folder is read.

    Raises:
        BenchError: A folder, an image or the table of patients is not in order, or two folders
            share a patient or an image that they must not share.
    """
    if reading.table is not None and not reading.table.is_file():
        raise BenchError(f"--patients {reading.table}: there is no such file; correct the path")
    options, folders = reading.options, dict[Role, Folder]()
    for role in sorted(paths, key=list(Role).index):
        say(f"reading {paths[role]}")
        folders[role] = _read(role, paths[role], reading, options, into)
        if role is Role.GENERATED and options.size is None:
            height, width = folders[role].images.pixels().shape[1:]
            if height == width:
                options = options.model_copy(update={"size": height})
    _check_sizes(folders)
    for role in set(NOT_USED) & set(folders):
        for other in folders:
            if other not in (role, Role.GENERATED):
                _check_apart(folders[role], folders[other])
    return folders


def _read(role: Role, path: Path, reading: Reading, options: ImageOptions, into: Path) -> Folder:
    if not path.is_dir():
        raise BenchError(f"{role} {path}: there is no such folder; correct the path")
    real = role is not Role.GENERATED
    table = str(reading.table.resolve()) if real and reading.table is not None else None
    source = read_source(path, options, table)
    groups, note = source.groups, source.note
    if real and reading.pattern is not None:
        groups, note = _named(source, reading.pattern, path), "from the names of the files"
    raw = RawSet(source.ids, source.pixels, None, groups if real else None)
    images = write_set(into, role.value, raw)
    return Folder(role, path, images, note, known=not note.startswith("not known"))


def _named(source: Source, pattern: re.Pattern[str], path: Path) -> tuple[str, ...]:
    """Return the patient that each file's name holds."""
    found = [pattern.search(name) for name in source.ids]
    if None in found:
        name = source.ids[found.index(None)]
        raise BenchError(f"--patient-name {pattern.pattern}: finds no patient in {path / name}")
    return tuple((m[1] if pattern.groups else m[0]) or "" for m in found if m)


def _check_sizes(folders: Folders) -> None:
    size = folders[Role.GENERATED].images.pixels().shape[1:]
    for folder in folders.values():
        if folder.images.pixels().shape[1:] != size:
            raise BenchError(
                f"{folder.role} {folder.path}: its images have another size than the generated "
                f"ones, which are not square; give a common size: --image '{{size: 256}}'"
            )


def _check_apart(not_used: Folder, other: Folder) -> None:
    """Refuse images or patients that are said not to be used and stand elsewhere, too."""
    alike = set(not_used.images.digests) & set(other.images.digests)
    patients: set[str] = set()
    if not_used.known and other.known:
        patients = set(not_used.images.groups or ()) & set(other.images.groups or ())
    remedy = f"{not_used.role} is for other patients: take them out"
    where = f"{not_used.role} {not_used.path} and {other.role} {other.path}"
    if alike:
        at = other.images.digests.index(min(alike))
        example = other.images.ids[at]
        raise BenchError(f"{where} share {len(alike)} images, for example {example}; {remedy}")
    if patients:
        example = min(patients)
        raise BenchError(f"{where} share {len(patients)} patients, for example {example}; {remedy}")
