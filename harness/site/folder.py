"""The folder of a site: written whole or not at all, and replaced only where the site wrote it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import BenchError
from harness.files import read_json

MANIFEST = "site.json"  # names every file that was written, so that no other is ever removed
WRITER = "bench publish --site"


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but a site that was written before.

    Raises:
        BenchError: there is a file in it that the site did not write, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise BenchError(f"{folder}: is a file; name a folder for the site")
    if not folder.is_dir():
        return
    known = _listed(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in known:
            remedy = "name another folder or move it away"
            raise BenchError(f"{folder}: holds {name}, which {WRITER} did not write; {remedy}")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a site into ``folder``, in place of the one that is there.

    All is written beside it first; the folder takes its name when it is complete.

    Args:
        folder: where the site goes.
        files: content by path below the folder.

    Raises:
        BenchError: as :func:`check_folder`, or the disk will not take it.
    """
    check_folder(folder)
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as spare:
            made, old = Path(spare, "new"), Path(spare, "old")
            for name, content in {**files, MANIFEST: _manifest(files)}.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(content)
            if folder.exists():
                folder.rename(old)
            try:
                made.rename(folder)
            except BaseException:  # an interruption, too, must not take the old site away
                if old.exists() and not folder.exists():
                    old.rename(folder)
                raise
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written ({error}); mend that") from error


def _manifest(files: Mapping[str, bytes]) -> bytes:
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return (json.dumps({"written_by": WRITER, "files": digests}, indent=1) + "\n").encode()


def _listed(folder: Path) -> set[str]:
    """Return what the manifest of a site names, itself included; nothing where there is none."""
    content = read_json(folder / MANIFEST)
    if not isinstance(content, dict) or content.get("written_by") != WRITER:
        return set()
    return {MANIFEST, *content.get("files", {})}
