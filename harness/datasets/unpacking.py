"""Archives from the network, unpacked with suspicion.

No member may leave the folder, be a link or take the place of another, and the whole may not be
out of proportion to the archive. Nothing in an npz file is unpickled.
"""

import errno
import lzma
import math
import shutil
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO

from harness.errors import BenchError, said_by, short

Report = Callable[[str, int, int | None], None]  # what is done, bytes so far, of how many

MAX_RATIO = 200  # unpacked to packed bytes; scans reach a tenth of that
ALWAYS_ALLOWED = 2**30  # bytes that an archive may unpack to at any ratio

LONGEST_NAME, LONGEST_PATH = 255, 1024  # bytes, on most disks
DAMAGE = (  # what reading a damaged archive raises, the header of an array included
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    ValueError,
)

_ENCRYPTED = 1  # a flag of zip members


class Unpack(StrEnum):
    """How a file becomes a folder."""

    ZIP = "zip"
    NPZ = "npz"  # arrays of images become folders of PNG files
    NONE = "none"  # the folder holds the file itself


def unpack_zip(archive: Path, into: Path, report: Report, below: str | None = None) -> None:
    """Unpack a zip file into an empty folder.

    Args:
        archive: the file.
        into: the folder.
        report: is told of the progress in bytes.
        below: the folder in the archive that is taken, without its own name; all by default.

    Raises:
        BenchError: The archive is damaged, unsafe, too large or lacks that folder.
        OSError: The disk is in the way.
    """
    with _opened(archive) as source:
        root = PurePosixPath(below or ".")
        members = {
            into / path.relative_to(root): member
            for path, member in _members(archive, source).items()
            if path.is_relative_to(root)
        }
        if not members:
            raise BenchError(f"{archive}: holds no files below {str(root)!r}; correct 'folder'")
        for target, member, done, total in _in_turn(members):
            report("unpacking", done, total)
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(member) as packed, target.open("xb") as stream:
                shutil.copyfileobj(packed, stream)


def unpack_npz(archive: Path, into: Path, report: Report) -> None:
    """Turn every array of images in an npz file into a folder of PNG files, named by position.

    Arrays of images are uint8 of shape (N, H, W) or, in colour, (N, H, W, 3); others are left out.

    Raises:
        BenchError: The archive is damaged, unsafe, too large or holds no images.
        OSError: The disk is in the way.
    """
    with _opened(archive) as source:
        found = _members(archive, source)
        members = {into / path.stem: member for path, member in found.items()}
        if len(members) < len(found):
            raise BenchError(f"{archive}: holds two arrays of one name; use another archive")
        for folder, member, done, total in _in_turn(members):
            with source.open(member) as stream:
                shape = _shape_of_images(stream)
                if shape is not None:
                    folder.mkdir()
                    for number in range(shape[0]):
                        report("unpacking", done + number * math.prod(shape[1:]), total)
                        _write_image(stream, shape[1:], folder / f"{number:06d}.png")
    if not any(into.iterdir()):
        raise BenchError(f"{archive}: holds no arrays of images; correct 'unpack'")


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as source:
            yield source
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk is in the way
        reason = said_by(error)
        remedy = "correct 'unpack' or the url"
        raise BenchError(f"{archive}: cannot be unpacked ({reason}); {remedy}") from error


def _members(archive: Path, source: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Return the files of an archive by their paths, all of them harmless."""
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    taken: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for member in source.infolist():
        path, flaw = PurePosixPath(member.filename), _flaw(member)
        folded = PurePosixPath(member.filename.casefold())  # some disks ignore case
        if flaw is None and not member.is_dir():
            if folded in folders or taken.intersection((folded, *folded.parents)):
                flaw = "takes the place of another file"
            members[path] = member
            taken.add(folded)
            folders.update(folded.parents)
        if flaw is not None:
            what = f"the file {short(member.filename)} in it {flaw}, so nothing was unpacked"
            raise BenchError(f"{archive}: {what}; use another archive")
    total = sum(member.file_size for member in members.values())
    if total > max(ALWAYS_ALLOWED, MAX_RATIO * archive.stat().st_size):
        what = f"would unpack to {total} bytes, more than {MAX_RATIO} times its size"
        raise BenchError(f"{archive}: {what}; use another archive")
    free = shutil.disk_usage(archive.parent).free
    if total > free:
        raise BenchError(f"{archive}: unpacks to {total} bytes, {free} are free; free some space")
    return members


def _flaw(member: zipfile.ZipInfo) -> str | None:
    """Return what is unsafe about a member, if anything is."""
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name.isprintable() or set(name) & set("\\:"):
        return "leads out of the folder"
    if not path.parts and not name.endswith("/"):
        return "has no name"
    longest = max((len(part.encode()) for part in path.parts), default=0)
    if longest > LONGEST_NAME or len(name.encode()) > LONGEST_PATH:
        return "has too long a name"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "needs a password" if member.flag_bits & _ENCRYPTED else None


def _in_turn(
    members: dict[Path, zipfile.ZipInfo],
) -> Iterator[tuple[Path, zipfile.ZipInfo, int, int]]:
    """Yield each target with its member, the bytes before it and those of all."""
    total, done = sum(member.file_size for member in members.values()), 0
    for target, member in members.items():
        yield target, member, done, total
        done += member.file_size


def _shape_of_images(stream: IO[bytes]) -> tuple[int, ...] | None:
    """Read the header of an array; return its shape if it holds images."""
    import numpy as np
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, columns_first, dtype = read(stream)
    grey_or_colour = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
    images = dtype == np.uint8 and grey_or_colour and not columns_first and math.prod(shape) > 0
    return tuple(shape) if images else None


def _write_image(stream: IO[bytes], shape: tuple[int, ...], path: Path) -> None:
    from PIL import Image

    values = stream.read(math.prod(shape))
    if len(values) < math.prod(shape):
        raise EOFError("an array is shorter than it says")
    mode = "L" if len(shape) == 2 else "RGB"
    Image.frombytes(mode, (shape[1], shape[0]), values).save(path)
