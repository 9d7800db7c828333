"""Where the images of an entry lie: from a layout to a list of files for every set.

Canonical set names are ``train/generated``, ``train/used``, ``train/not_used``, ``test/generated``,
``test/unknown`` and ``null`` for membership, and ``train/real/<class>``,
``train/generated/<class>`` and ``test/generated`` for attribution. The test part and the null pool
may be absent.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.datasets.entry import MEMBERSHIP_SETS, OTHER_SLICES, SAFE_NAME, Entry, Layout
from harness.datasets.images import IMAGE_ENDINGS
from harness.errors import BenchError
from harness.method import Task

_KINDS = "PNG, JPEG, TIFF, DICOM or NIfTI"
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_REAL, _GENERATED = "train/real", "train/generated"
_USUAL = {  # set name → the folders that the ImageCLEF editions call it by
    Layout.MEMBERSHIP_2025: {
        "train/generated": ["train/generated"],
        "train/used": ["train/real_used"],
        "train/not_used": ["train/real_not_used"],
        "test/generated": ["test/generated"],
        "test/unknown": ["test/real_unknown"],
        OTHER_SLICES: ["test/real_other_slice"],
    },
    Layout.MEMBERSHIP_2023: {
        "train/generated": ["train/generated"],
        "train/used": ["train/real_used", "train/real/used"],
        "train/not_used": ["train/real_not_used", "train/real/not_used"],
        "test/generated": ["test/generated"],
        "test/unknown": ["test/real_unknown"],
    },
    Layout.ATTRIBUTION_2025: {"test/generated": ["test/generated", "test/generated_unknown"]},
}


def find_images(entry: Entry) -> dict[str, list[Path]]:
    """Return the image files of every set of an entry, sets in canonical order.

    Raises:
        BenchError: The root or a folder is missing, empty or leads outside the root, or holds
            something that is no image.
    """
    root = entry.folder
    if not root.is_dir():
        source = " ".join((entry.source or "").split())
        how = f"get the data from {source}" if source else "correct the path"
        if entry.download is not None:
            how = f"get it by: bench fetch {entry.name}"
        raise entry.flaw("root", f"there is no folder {root}; {how}")
    tables = [root / table for table in (entry.truth, entry.groups) if table is not None]
    found = {}
    for name, folder in _folders(entry, root).items():
        try:
            found[name] = list_images(folder, root, tables)
        except BenchError as error:
            keys = ("null_pool",) if name == "null" else ("splits", *name.split("/"))
            written = keys if keys in entry.origin.keys else ("root",)
            raise entry.flaw(written, str(error)) from error
    return found


def classes_of(task: Task, names: Iterable[str]) -> tuple[str, ...]:
    """Return what the labels 0, 1, ... of a data set with these set names stand for."""
    if task is Task.MEMBERSHIP:
        return ("not used", "used")
    real = f"{_REAL}/"
    classes = [name.removeprefix(real) for name in names if name.startswith(real)]
    return tuple(sorted(classes, key=_natural))


def set_names(task: Task, classes: Iterable[str]) -> list[str]:
    """Return the names that the sets of a data set may have, in canonical order."""
    if task is Task.MEMBERSHIP:
        return [*MEMBERSHIP_SETS, OTHER_SLICES]
    ordered = sorted(classes, key=_natural)
    return [f"{kind}/{c}" for kind in (_REAL, _GENERATED) for c in ordered] + ["test/generated"]


def missing_set(task: Task, names: Iterable[str]) -> str | None:
    """Return a set that a data set with these set names lacks, or ``None`` if it is complete.

    The test part may be absent as a whole, the other slices always. Attribution has two classes or
    more.
    """
    present = set(names)
    classes = {name.split("/")[2] for name in present if name.count("/") == 2}
    wanted = [name for name in set_names(task, classes) if name != OTHER_SLICES]
    if not any(name.startswith("test/") for name in present):
        wanted = [name for name in wanted if name.startswith("train/")]
    if task is Task.ATTRIBUTION and len(classes) < 2:
        wanted.append(f"{_REAL}/<a {'second' if classes else 'first'} class>")
    return next((name for name in wanted if name not in present), None)


def list_images(folder: Path, root: Path, leave_out: Sequence[Path] = ()) -> list[Path]:
    """Return the image files that lie directly in ``folder``, in natural order.

    Hidden files, the litter of file managers and the files in ``leave_out`` are passed over.

    Raises:
        BenchError: The folder is missing, cannot be read, has no image or holds something else.
    """
    inside(root, folder)
    paths = []
    stems: dict[str, str] = {}
    for item in _visible(folder):
        path = folder / item.name
        if item.name.lower() not in _LITTER and path not in leave_out:
            _check_image(item, path, root)
            stem = path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem
            if stem in stems:
                twins = f"{stems[stem]} and {item.name}"
                raise BenchError(f"{folder}: {twins} differ in their endings only; rename one")
            stems[stem] = item.name
            paths.append(path)
    if not paths:
        raise BenchError(f"the folder {folder} holds no images; put {_KINDS} files there")
    return paths


def inside(root: Path, path: Path) -> None:
    """Check that ``path`` lies below ``root``, links followed.

    Raises:
        BenchError: It leads outside or in a circle.
    """
    try:
        leads = path.resolve()
    except (OSError, RuntimeError) as error:
        raise BenchError(f"{path} is a link that leads nowhere; remove it") from error
    if not leads.is_relative_to(root.resolve()):
        raise BenchError(f"{path} leads outside the root {root}; copy the data below the root")


def _folders(entry: Entry, root: Path) -> dict[str, Path]:
    mapped = entry.mapping
    names = set_names(entry.task, _classes(entry, root))
    folders = {}
    for name in names:
        path = root / mapped[name] if name in mapped else _usual_folder(entry, root, name)
        if path is not None:
            folders[name] = path
    lacking = missing_set(entry.task, folders)
    if lacking is not None:
        usual = _usual(entry.layout, lacking)
        where = f"there is no folder {root / usual[0]} for" if usual else "no folder is given for"
        raise entry.flaw("splits", f"{where} the set {lacking}; add it or name it in 'splits'")
    if entry.null_pool is not None:
        folders["null"] = root / entry.null_pool
    return folders


def _classes(entry: Entry, root: Path) -> set[str]:
    """Return the classes of an attribution entry: those in ``splits`` and the layout's folders."""
    classes = {name.split("/")[2] for name in entry.mapping if name.count("/") == 2}
    if entry.layout is not Layout.ATTRIBUTION_2025:
        return classes
    classes |= set(_subfolders(root / _REAL))
    for name in classes:
        if not SAFE_NAME.fullmatch(name):
            raise entry.flaw(
                "root", f"the class folder {root / _REAL}/{name!a} is no plain name; rename it"
            )
    for name in _subfolders(root / _GENERATED):
        if name not in classes and name.removeprefix("gen_") not in classes:
            stray = root / _GENERATED / name
            raise entry.flaw("root", f"{stray} has no counterpart in {root / _REAL}; add it there")
    return classes


def _usual(layout: Layout, name: str) -> list[str]:
    """Return the folders below the root where a layout may keep a set."""
    if layout is Layout.ATTRIBUTION_2025 and name.startswith("train/"):
        kind, _, subset = name.rpartition("/")
        return [name] if kind == _REAL else [f"{kind}/gen_{subset}", name]
    return _USUAL.get(layout, {}).get(name, [])


def _usual_folder(entry: Entry, root: Path, name: str) -> Path | None:
    there = [root / path for path in _usual(entry.layout, name) if (root / path).is_dir()]
    if len(there) > 1:
        both = f"{there[0]} and {there[1]}"
        raise entry.flaw("root", f"{both} could both be the set {name}; keep one of them")
    return there[0] if there else None


def _subfolders(folder: Path) -> list[str]:
    return [item.name for item in _visible(folder) if item.is_dir()] if folder.is_dir() else []


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, hidden files aside, ``t2`` before ``t10``."""
    try:
        with os.scandir(folder) as items:
            visible = [item for item in items if not item.name.startswith(".")]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BenchError(f"cannot read the folder {folder} ({reason}); correct the path") from error
    return sorted(visible, key=lambda item: _natural(item.name))


def _natural(name: str) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)], name


def _check_image(item: os.DirEntry[str], path: Path, root: Path) -> None:
    if not item.name.isprintable():
        raise BenchError(f"{path.parent} holds the unprintable name {item.name!a}; rename it")
    if item.is_symlink():
        inside(root, path)
    if not path.name.lower().endswith(IMAGE_ENDINGS) or not item.is_file():
        raise BenchError(f"{path} is no {_KINDS} file by its ending; move it elsewhere")
