"""A data set that is ready for use: decoded, packed, labelled, grouped and fingerprinted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.datasets.entry import OTHER_SLICES, Entry, Layout, is_set_name
from harness.datasets.images import Track, read_images
from harness.datasets.layouts import classes_of, find_images, inside, missing_set, set_names
from harness.datasets.medical import is_dicom, is_nifti
from harness.datasets.pack import Pack, PackedSet, note_name, open_pack
from harness.datasets.recipe import OptionError, RawSet, Recipe
from harness.datasets.table import Table
from harness.errors import BenchError, did_you_mean
from harness.files import json_digest
from harness.method import Task

__all__ = ["Dataset", "PackedSet", "open_dataset"]

T = TypeVar("T")
Recipes = Mapping[str, Callable[[dict[str, Any]], Recipe]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set on the trusted side: it knows names, labels and groups."""

    entry: Entry
    fingerprint: str  # of tasks, names, pixels, labels and groups, wherever the files lie
    sets: dict[str, PackedSet]  # by canonical name; harness.datasets.layouts lists them
    classes: tuple[str, ...]  # what the labels 0, 1, ... stand for


def open_dataset(entry: Entry, recipes: Recipes, track: Track | None = None) -> Dataset:
    """Open a data set; its images are decoded the first time and after a change.

    Args:
        entry: what datasets.yaml says of it.
        recipes: makers of data sets by the name under ``fetch``.
        track: wraps the files of a set while they are decoded, to show progress.

    Raises:
        BenchError: The entry, a folder, an image, the truth or the groups are not in order.
    """
    try:
        if entry.layout is Layout.PACK:
            pack = _from_recipe(entry, recipes)
        else:
            pack = _from_folders(entry, track)
    except OSError as error:
        raise entry.flaw((), f"cannot be read ({error}); mend that") from error
    return Dataset(entry, pack.fingerprint, pack.sets, classes_of(entry.task, pack.sets))


def _from_recipe(entry: Entry, recipes: Recipes) -> Pack:
    ((name, options),) = (entry.fetch or {}).items()
    if name not in recipes:
        hint = did_you_mean(name, list(recipes))
        known = ", ".join(sorted(recipes)) or "none"
        raise entry.flaw(("fetch", name), f"unknown recipe{hint}; installed recipes: {known}")
    try:
        recipe = recipes[name](dict(options))
    except OptionError as error:
        raise entry.flaw(("fetch", name, *error.keys), error.text) from error
    except BenchError as error:
        raise entry.flaw(("fetch", name), str(error)) from error
    signature = json_digest(["recipe", entry.task, recipe.digest])
    pack = open_pack(
        signature,
        lambda: _made(entry, name, recipe),
        lambda sets: _fingerprint(entry.task, sets),
    )
    note_name(signature, entry.name)
    return pack


def _made(entry: Entry, recipe_name: str, recipe: Recipe) -> Iterator[tuple[str, RawSet]]:
    sets = recipe.make()
    flaw = _recipe_flaw(entry.task, sets)
    if flaw is not None:
        raise entry.flaw(("fetch", recipe_name), f"{flaw}; mend the recipe")
    classes = classes_of(entry.task, sets)
    for name in [name for name in (*set_names(entry.task, classes), "null") if name in sets]:
        raw = sets[name]
        yield name, replace(raw, labels=_known_labels(name, classes, len(raw.ids)) or raw.labels)


def _recipe_flaw(task: Task, sets: Mapping[str, RawSet]) -> str | None:
    """Return what is wrong with the sets that a recipe made, if anything is."""
    for name in sets:
        if not (is_set_name(task, name) or (name == "null" and task is Task.MEMBERSHIP)):
            return f"makes the unknown set {name!r}"
    lacking = missing_set(task, sets)
    if lacking is not None:
        return f"makes no set {lacking}"
    if len({raw.pixels.shape[1:] for raw in sets.values()}) > 1:
        return "makes images of differing sizes"
    classes = classes_of(task, sets)
    flaws = (_set_flaw(name, raw, classes) for name, raw in sets.items())
    return next((flaw for flaw in flaws if flaw is not None), None)


def _set_flaw(name: str, raw: RawSet, classes: tuple[str, ...]) -> str | None:
    if not raw.ids:
        return f"makes the set {name} without images"
    if not set(raw.labels or ()) <= set(range(len(classes))):
        return f"gives the set {name} labels outside 0..{len(classes) - 1}"
    known = _known_labels(name, classes, len(raw.ids))
    if None not in (known, raw.labels) and known != raw.labels:
        return f"gives the set {name} other labels than its name says"
    return None


def _from_folders(entry: Entry, track: Track | None) -> Pack:
    root, files = entry.folder, find_images(entry)
    tables = _tables(entry, files)
    _check_options(entry, files)
    keys = {"task", "layout", "splits", "truth", "groups", "null_pool", "image"}
    written = entry.model_dump(mode="json", include=keys)
    stats = [_stat(path) for path in tables if path is not None]
    signature = json_digest([written, str(root), _state(files, root), stats])
    pack = open_pack(
        signature,
        lambda: read_sets(entry, files, track),
        lambda sets: _fingerprint(entry.task, sets),
    )
    note_name(signature, entry.name)
    return pack


def read_sets(
    entry: Entry, files: Mapping[str, list[Path]], track: Track | None = None
) -> Iterator[tuple[str, RawSet]]:
    """Decode the sets of an entry one after the other, with what is known of their images.

    Args:
        entry: what datasets.yaml says.
        files: the image files of every set, as :func:`harness.datasets.layouts.find_images` gives.
        track: wraps the files of a set while they are decoded, to show progress.

    Raises:
        BenchError: An image, the truth or the groups are not in order.
    """
    truth, groups = _tables(entry, files)
    labels = _labels(entry, files, truth)
    patients = _groups(entry, files, groups)
    like = next(iter(files.values()))[0]
    for name, paths in files.items():
        images = read_images(paths, entry.image, track, like)
        columns = (
            _each(labels.get(name), images.files),
            _each(patients.get(name), images.files),
        )
        yield name, RawSet(images.ids, images.pixels, *columns)


def _tables(entry: Entry, files: Mapping[str, list[Path]]) -> tuple[Path | None, Path | None]:
    """Return the paths of truth and groups."""
    truth = _table_path(entry, "truth")
    if truth is not None and _questions(entry.task) not in files:
        raise entry.flaw("truth", "there is no test part for it; add its folders or drop the key")
    return truth, _table_path(entry, "groups")


def _check_options(entry: Entry, files: Mapping[str, list[Path]]) -> None:
    """Refuse image options that no file would heed."""
    paths = [path for paths in files.values() for path in paths]
    volumes = any(map(is_nifti, paths))
    medical = volumes or any(map(is_dicom, paths))
    heeded = {"window": medical, "percentiles": medical, "slices": volumes}
    for key, used in heeded.items():
        if getattr(entry.image, key) is not None and not used:
            kinds = "NIfTI" if key == "slices" else "DICOM and NIfTI"
            raise entry.flaw(("image", key), f"is for {kinds} files, and there is none; remove it")


def _each(values: tuple[T, ...] | None, files: Iterable[int]) -> tuple[T, ...] | None:
    """Return the value of each image, from that of each file."""
    return None if values is None else tuple(values[file] for file in files)


def _state(files: Mapping[str, list[Path]], root: Path) -> dict[str, Any]:
    """Return what would change if the image files did, without reading them."""
    return {
        name: [paths[0].parent.relative_to(root).as_posix(), [_stat(path) for path in paths]]
        for name, paths in files.items()
    }


def _stat(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return path.name, stat.st_size, stat.st_mtime_ns


def _fingerprint(task: Task, sets: Iterable[PackedSet]) -> str:
    """Name the content of a data set, wherever its files lie and however old they are."""
    content = {part.name: [part.ids, part.digests, part.labels, part.groups] for part in sets}
    return json_digest([task, content])


def _questions(task: Task) -> str:
    return "test/unknown" if task is Task.MEMBERSHIP else "test/generated"


def _known_labels(name: str, classes: tuple[str, ...], n: int) -> tuple[int, ...] | None:
    """Return the labels that a set has by its name alone."""
    membership = {"train/used": 1, "train/not_used": 0, OTHER_SLICES: 0}
    label = membership.get(name)
    if name.startswith(("train/real/", "train/generated/")):
        label = classes.index(name.split("/")[2])
    return None if label is None else (label,) * n


def _labels(
    entry: Entry, files: Mapping[str, list[Path]], truth: Path | None
) -> dict[str, tuple[int, ...] | None]:
    """Return the labels of every set, as far as they are known."""
    classes, asked = classes_of(entry.task, files), _questions(entry.task)
    labels = {name: _known_labels(name, classes, len(paths)) for name, paths in files.items()}
    if truth is not None:
        words, wanted = _label_words(entry.task, classes)
        table = Table(truth, "label", wanted, words.get, complete=True)
        values = table.read(files[asked], entry.folder)
        labels[asked] = tuple(values[path] for path in files[asked])
    return labels


def _label_words(task: Task, classes: tuple[str, ...]) -> tuple[dict[str, int], str]:
    """Return what the truth may call each label, and the same said in words."""
    if task is Task.MEMBERSHIP:
        return {"0": 0, "1": 1}, "0 or 1"
    words = {str(index + 1): index for index in range(len(classes))}
    words |= {f"gen_{name}": index for index, name in enumerate(classes)}
    words |= {name: index for index, name in enumerate(classes)}
    return words, f"one of {', '.join(classes)} or a number from 1 to {len(classes)}"


def _groups(
    entry: Entry, files: Mapping[str, list[Path]], groups: Path | None
) -> dict[str, tuple[str, ...]]:
    """Return the patient of each real file, by set; without a table, where a volume is one."""
    reals = {
        name: paths
        for name, paths in files.items()
        if name in ("train/used", "train/not_used", "test/unknown", OTHER_SLICES)
        or name.startswith("train/real/")
    }
    values: Mapping[Path, str]
    if groups is not None:
        table = Table(groups, "group", "the name of a group", lambda text: text or None)
        values = table.read([path for paths in reals.values() for path in paths], entry.folder)
    elif any(is_nifti(path) for paths in reals.values() for path in paths):
        values = {p: p.relative_to(entry.folder).as_posix() for ps in reals.values() for p in ps}
    else:
        return {}
    return {name: tuple(values[path] for path in paths) for name, paths in reals.items()}


def _table_path(entry: Entry, key: str) -> Path | None:
    """Return the path of a csv file that the entry names."""
    name: str | None = getattr(entry, key)
    if name is None:
        return None
    path = entry.folder / name
    try:
        inside(entry.folder, path)
    except BenchError as error:
        raise entry.flaw(key, str(error)) from error
    if not path.is_file():
        raise entry.flaw(key, f"there is no file {path}; add it or remove the key")
    return path
