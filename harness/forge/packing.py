"""Packs: data sets of a forged folder as one zip file that travels with the harness."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from harness.datasets.catalogue import read_entries
from harness.datasets.entry import Entry
from harness.datasets.layouts import find_images
from harness.errors import BenchError
from harness.files import atomic, read_json
from harness.forge.folder import CARD, CARD_TEXT, ENTRIES

KEPT = ("sets", "files")  # keys of a card of which a pack has a part
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member, so that equal folders give equal files


def pack(folder: Path, out: Path, only: Sequence[str] = ()) -> list[str]:
    """Pack the data sets of a forged folder, with the part of its card that concerns them.

    Args:
        folder: made by ``bench forge``.
        out: the zip file to be made; its stem names the folder inside.
        only: names or patterns of the data sets that are packed; all by default.

    Returns:
        The names of the packed data sets.

    Raises:
        BenchError: The folder was not forged, or a pattern matches none of its data sets.
    """
    folder = folder.absolute()
    card = read_json(folder / CARD)
    if not isinstance(card, dict) or not all(isinstance(card.get(k), dict) for k in KEPT):
        raise BenchError(f"{folder}: holds no {CARD}; name a folder that bench forge made")
    entries = read_entries(folder / ENTRIES)
    chosen = _chosen(folder, list(entries), only)
    files = {
        path.relative_to(folder).as_posix() for name in chosen for path in _files(entries[name])
    }
    written = yaml.safe_load((folder / ENTRIES).read_text())
    kept = {
        **card,
        "sets": {name: card["sets"].get(name) for name in chosen},
        "files": {name: digest for name, digest in card["files"].items() if name in files},
    }
    texts = {
        CARD: json.dumps(kept, indent=1, sort_keys=True),
        ENTRIES: yaml.safe_dump({name: written[name] for name in chosen}, sort_keys=False),
        CARD_TEXT: (folder / CARD_TEXT).read_text(),
    }
    with atomic(out) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(files):
            _add(archive, f"{out.stem}/{name}", (folder / name).read_bytes(), zipfile.ZIP_STORED)
        for name, text in texts.items():
            _add(archive, f"{out.stem}/{name}", text.encode(), zipfile.ZIP_DEFLATED)
    return chosen


def _chosen(folder: Path, names: Sequence[str], only: Sequence[str]) -> list[str]:
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise BenchError(f"--only {pattern}: {folder} has {', '.join(names)}; choose of these")
    return [n for n in names if not only or any(fnmatchcase(n, pattern) for pattern in only)]


def _files(entry: Entry) -> Iterator[Path]:
    """Yield every file that a data set is read from."""
    for paths in find_images(entry).values():
        yield from paths
    for table in (entry.truth, entry.groups):
        if table is not None:
            yield entry.folder / table


def _add(archive: zipfile.ZipFile, name: str, content: bytes, how: int) -> None:
    member = zipfile.ZipInfo(name, EPOCH)
    member.external_attr = 0o644 << 16
    archive.writestr(member, content, how)
