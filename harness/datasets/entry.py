"""Entries of datasets.yaml: read, checked, and looked up by name.

The format is plain YAML without anchors or tags. Whatever is wrong is said in one line as
``FILE:LINE: entry 'x', key 'y': what is wrong; remedy``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from harness.errors import BenchError, did_you_mean
from harness.method import Task

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MEMBERSHIP_SETS = (
    "train/generated",
    "train/used",
    "train/not_used",
    "test/generated",
    "test/unknown",
)
_YAML = "tag:yaml.org,2002:"
_TAGS = {
    yaml.ScalarNode: [f"{_YAML}{kind}" for kind in ("str", "int", "float", "bool", "null")],
    yaml.SequenceNode: [f"{_YAML}seq"],
    yaml.MappingNode: [f"{_YAML}map"],
}
_FOLDER_KEYS = ("root", "splits", "truth", "groups", "null_pool", "image")

Keys = tuple[str, ...]


class Layout(StrEnum):
    """How the images of a data set are laid out in folders."""

    MEMBERSHIP_2025 = "imageclef-2025-membership"
    ATTRIBUTION_2025 = "imageclef-2025-attribution"
    MEMBERSHIP_2023 = "imageclef-2023-membership"
    FOLDERS = "folders"  # any names, mapped by ``splits``
    PACK = "pack"  # no folders: made by a recipe


@dataclass(frozen=True)
class Origin:
    """Where an entry was written."""

    file: Path
    line: int  # of the entry's name, counted from 1
    keys: Mapping[Keys, int]  # line of every key below the entry

    def flaw(self, name: str, keys: Keys, text: str) -> BenchError:
        """Return the error that says ``text`` about the value under ``keys`` of entry ``name``."""
        written = [self.keys[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.keys]
        key = f", key {'.'.join(keys)!r}" if keys else ""
        return BenchError(f"{self.file}:{[*written, self.line][0]}: entry {name!r}{key}: {text}")


class ImageOptions(BaseModel):
    """How the images of an entry are decoded."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: PositiveInt | None = None  # side length in pixels that all images are resized to


Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """One data set as datasets.yaml describes it; docs/datasets.md explains every key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    origin: Origin
    task: Annotated[Task, Field(strict=False)]
    layout: Annotated[Layout, Field(strict=False)]
    root: Text | None = None  # folder, relative to the yaml file; may hold ${VARIABLES}
    splits: dict[str, JsonValue] | None = None  # folders below root that differ from the layout's
    truth: Text | None = None  # csv image,label of the test part, below root
    groups: Text | None = None  # csv image,group of the real images, below root
    null_pool: Text | None = None  # folder of images of a generator that saw none of the reals
    image: ImageOptions = ImageOptions()
    default: bool = False  # taken when no data set is named
    publish_images: bool = False  # whether pixels and ids may leave the machine
    licence: Text | None = None
    source: Text | None = None  # where people get it
    fetch: dict[str, dict[str, JsonValue]] | None = None  # recipe name: its options
    comparable_to: Annotated[tuple[str, ...], Field(strict=False)] = ()  # published tables

    def flaw(self, keys: str | Keys, text: str) -> BenchError:
        """Return the error that says ``text`` about ``keys``, with the line they are written on."""
        return self.origin.flaw(self.name, (keys,) if isinstance(keys, str) else keys, text)

    @property
    def folder(self) -> Path:
        """The absolute folder of the data set, its ``${VARIABLES}`` filled in.

        Raises:
            BenchError: A variable is not set.
        """

        def value(match: re.Match[str]) -> str:
            found = os.environ.get(match[1])
            if not found:
                raise self.flaw(
                    "root", f"the variable {match[1]} is not set; set it or write the path"
                )
            return found

        root = re.sub(r"\$\{([^}]*)\}", value, self.root or "")
        return self.origin.file.absolute().parent / root

    @property
    def mapping(self) -> dict[str, str]:
        """``splits`` as canonical set name → folder below root, for example ``train/used``."""
        return {"/".join(keys): path for keys, path in self._leaves(("splits",), self.splits or {})}

    def _leaves(self, keys: Keys, value: JsonValue) -> Iterator[tuple[Keys, str]]:
        if isinstance(value, dict) and (value or keys == ("splits",)):
            for key, below in value.items():
                if "/" in key:
                    raise self.flaw(
                        (*keys, key), "must not hold '/'; write one level below another"
                    )
                yield from self._leaves((*keys, key), below)
        elif isinstance(value, str) and value:
            yield keys[1:], value
        else:
            raise self.flaw(keys, f"must be a folder below root, not {_short(value)}; correct it")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        task = _TASKS.get(self.layout, self.task)
        if self.task is not task:
            raise self.flaw("task", f"the layout {self.layout} is for the task {task}; change one")
        if self.layout is Layout.PACK:
            self._check_pack()
        elif self.root is None:
            raise self.flaw("root", "is missing; name the folder that holds the images")
        if self.layout is Layout.FOLDERS and not self.splits:
            raise self.flaw("splits", "is missing; the layout folders needs a folder for each set")
        if self.null_pool is not None and self.task is Task.ATTRIBUTION:
            raise self.flaw("null_pool", "belongs to the task membership; remove it")
        for name in self.mapping:
            self._check_set(name)
        paths = {("splits", *name.split("/")): path for name, path in self.mapping.items()}
        paths |= {(key,): getattr(self, key) or "" for key in ("truth", "groups", "null_pool")}
        for keys, path in paths.items():
            if Path(path).is_absolute() or ".." in Path(path).parts:
                raise self.flaw(keys, f"must lie below root, not at {_short(path)}; move it there")
        for keys, path in {**paths, ("root",): self.root or ""}.items():
            if not path.isprintable():
                raise self.flaw(keys, f"holds unprintable characters: {_short(path)}; correct it")
        return self

    def _check_pack(self) -> None:
        for key in _FOLDER_KEYS:
            if key in self.model_fields_set:
                raise self.flaw(key, "has no meaning for the layout pack; remove it")
        if self.fetch is None or len(self.fetch) != 1:
            raise self.flaw("fetch", "must name one recipe; write 'fetch: {RECIPE: {its options}}'")

    def _check_set(self, name: str) -> None:
        if not is_set_name(self.task, name):
            keys = ("splits", *name.split("/"))
            known = list(MEMBERSHIP_SETS)
            if self.task is Task.ATTRIBUTION:
                known = ["train/real/CLASS", "train/generated/CLASS", "test/generated"]
            sets = ", ".join(known)
            raise self.flaw(
                keys, f"unknown set {name!r}{did_you_mean(name, known)}; the sets are {sets}"
            )


_TASKS = {
    Layout.MEMBERSHIP_2025: Task.MEMBERSHIP,
    Layout.MEMBERSHIP_2023: Task.MEMBERSHIP,
    Layout.ATTRIBUTION_2025: Task.ATTRIBUTION,
}
_WORDS = {  # pydantic's words for what a YAML author writes
    " or instance of ImageOptions": "",
    "a valid dictionary": "a map of keys",
    "a valid tuple": "a list",
    "a valid string": "text",
    "a valid boolean": "true or false",
}
_KEYS = [key for key in Entry.model_fields if key not in ("name", "origin")]


def is_set_name(task: Task, name: str) -> bool:
    """Return whether a data set of ``task`` may have a set (other than ``null``) of that name."""
    if task is Task.MEMBERSHIP:
        return name in MEMBERSHIP_SETS
    match name.split("/"):
        case ["train", "real" | "generated", subset]:
            return SAFE_NAME.fullmatch(subset) is not None
    return name == "test/generated"


class Catalogue:
    """The entries of several files by name, in the order in which they are written."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Read ``files``; a file that is named twice is read once.

        Raises:
            BenchError: A file is not valid, or two files have an entry of the same name.
        """
        self._entries: dict[str, Entry] = {}
        for file in {path.resolve(): path for path in files}.values():
            for name, entry in read_entries(file).items():
                if name in self._entries:
                    first = self._entries[name].origin
                    there = f"{first.file}:{first.line}"
                    raise entry.flaw((), f"is already in {there}; rename one of the two")
                self._entries[name] = entry

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str) -> Entry:
        """Return the entry called ``name``.

        Raises:
            BenchError: There is none.
        """
        if name not in self._entries:
            hint = did_you_mean(name, list(self._entries))
            raise BenchError(f"no data set is called {name!r}{hint}; see 'bench list datasets'")
        return self._entries[name]

    def select(self, patterns: Iterable[str]) -> list[Entry]:
        """Return the entries that any of ``patterns`` (names or globs) matches, each once.

        Raises:
            BenchError: A pattern matches nothing.
        """
        chosen: dict[str, Entry] = {}
        for pattern in patterns:
            matches = [entry for entry in self if fnmatchcase(entry.name, pattern)]
            for entry in matches or [self.get(pattern)]:
                chosen[entry.name] = entry
        return list(chosen.values())

    def defaults(self) -> list[Entry]:
        """Return the entries marked ``default: true``."""
        return [entry for entry in self if entry.default]


def read_entries(file: Path) -> dict[str, Entry]:
    """Read one datasets.yaml.

    Raises:
        BenchError: The file cannot be read, is not plain YAML, or an entry is not valid.
    """
    text = _read(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = _Document(file)
        values = document.value(root, ())
    except yaml.YAMLError as error:
        raise BenchError(_yaml_flaw(file, text, error)) from error
    except RecursionError as error:
        raise BenchError(f"{file}: is nested too deeply; entries need a few levels only") from error
    if not isinstance(values, dict):
        wanted = "at least one entry: a name, and below it keys such as task and layout"
        line = root.start_mark.line + 1 if root else 1
        raise BenchError(f"{file}:{line}: holds no entries; write {wanted}")
    return {name: _entry(document.origin(name), name, value) for name, value in values.items()}


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BenchError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BenchError(f"{file}:{line}: is not UTF-8 text; save it as UTF-8") from error


class _Document:
    """The values of a YAML file and the line of every key.

    Refuses whatever would make YAML read something else than what a person sees: keys that are
    given twice, tags, dates, and aliases (a few of them can stand for gigabytes).
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[Keys, int] = {}
        self.seen: set[int] = set()

    def value(self, node: yaml.Node | None, keys: Keys) -> Any:
        """Return the value of ``node``, which stands under ``keys``."""
        if node is None:
            return None
        line = self.lines.get(keys, node.start_mark.line + 1)
        if id(node) in self.seen:
            self._refuse(keys, line, "aliases are not allowed; write the value again")
        self.seen.add(id(node))
        if node.tag not in _TAGS[type(node)]:
            kind = _short(node.tag.removeprefix(_YAML))
            self._refuse(keys, line, f"YAML reads this as {kind}; put it in quotes")
        if isinstance(node, yaml.MappingNode):
            return {
                (below := self._key(keys, key))[-1]: self.value(value, below)
                for key, value in node.value
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.value(value, (*keys, str(n))) for n, value in enumerate(node.value)]
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._refuse(keys, line, f"{_short(node.value)} is not valid here; put it in quotes")

    def origin(self, name: str) -> Origin:
        """Return the origin of the entry called ``name``."""
        below = {keys[1:]: line for keys, line in self.lines.items() if keys[0] == name}
        return Origin(self.file, below.pop(()), below)

    def _key(self, above: Keys, node: yaml.Node) -> Keys:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(above, line, "a key must be text, not a list or map; write a name")
        # The key as it is written: to YAML the words null, no and 1 are no text.
        keys = (*above, str(node.value))
        if keys in self.lines:
            self._refuse(keys, line, f"is already on line {self.lines[keys]}; keep one of the two")
        self.lines[keys] = line
        return keys

    def _refuse(self, keys: Keys, line: int, text: str) -> NoReturn:
        if not keys:
            raise BenchError(f"{self.file}:{line}: {text}")
        raise Origin(self.file, line, {}).flaw(keys[0], keys[1:], text)


def _entry(origin: Origin, name: str, value: Any) -> Entry:
    if not SAFE_NAME.fullmatch(name):
        raise origin.flaw(
            name, (), "is no name; use letters, digits, '.', '_' and '-', a letter or digit first"
        )
    if not isinstance(value, dict):
        raise origin.flaw(name, (), f"is {_short(value)}; write keys such as task below it")
    for key in value:
        if key not in _KEYS:
            raise origin.flaw(name, (key,), _unknown_key(key, _KEYS))
    try:
        return Entry.model_validate({**value, "name": name, "origin": origin})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = tuple(str(key) for key in first["loc"] if key != "[key]")
        raise origin.flaw(name, _written(keys, origin), _sentence(first)) from error


def _written(keys: Keys, origin: Origin) -> Keys:
    """Cut what pydantic adds to a place to say which alternative of a type it tried."""
    while len(keys) > 1 and keys not in origin.keys:
        keys = keys[:-1]
    return keys


def _sentence(error: ErrorDetails) -> str:
    key = str(error["loc"][-1])
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        return _unknown_key(key, list(ImageOptions.model_fields))
    wanted = error["msg"].replace("Input should", "must")
    for theirs, ours in _WORDS.items():
        wanted = wanted.replace(theirs, ours)
    return f"{wanted}, not {_short(error['input'])}; correct it"


def _unknown_key(key: str, known: list[str]) -> str:
    return f"unknown key{did_you_mean(key, known)}; the keys are {', '.join(known)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _yaml_flaw(file: Path, text: str, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{file}:{line}: holds the character {chr(error.character)!r}; remove it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{file}:{line}: is not plain YAML ({problem}); mend this line or the one above it"
