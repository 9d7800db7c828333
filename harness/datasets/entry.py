"""One entry of datasets.yaml: its keys, where it was written, and what is wrong with it.

Whatever is wrong is said in one line as ``FILE:LINE: entry 'x', key 'y': what is wrong; remedy``.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from harness.datasets.download import Download
from harness.datasets.image_options import ImageOptions, Slices, Window
from harness.errors import BenchError, did_you_mean, short
from harness.method import Task

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MEMBERSHIP_SETS = (
    "train/generated",
    "train/used",
    "train/not_used",
    "test/generated",
    "test/unknown",
)
OTHER_SLICES = "test/other_slice"  # not used, of patients of whom another image was; may be absent
_FOLDER_KEYS = ("root", "splits", "truth", "groups", "null_pool", "image")

Keys = tuple[str, ...]
M = TypeVar("M", bound=BaseModel)


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
        key = f", key {short('.'.join(keys))}" if keys else ""
        return BenchError(
            f"{self.file}:{[*written, self.line][0]}: entry {short(name)}{key}: {text}"
        )


Text = Annotated[str, Field(min_length=1)]
PlainName = Annotated[str, Field(pattern=f"^{SAFE_NAME.pattern}$")]  # files may be called by it


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
    fetch: dict[str, dict[str, JsonValue]] | None = None  # download or recipe name: its options
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
    def is_made(self) -> bool:
        """Whether the data set is made by a recipe, not read from a folder."""
        return self.layout is Layout.PACK

    @property
    def download(self) -> Download | None:
        """What ``bench fetch`` gets, if the entry says so."""
        if self.is_made or self.fetch is None:
            return None
        keys = ("fetch", "download")
        return validated(Download, self.fetch["download"], self.origin, self.name, keys)

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
            raise self.flaw(keys, f"must be a folder below root, not {short(value)}; correct it")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        task = _TASKS.get(self.layout, self.task)
        if self.task is not task:
            raise self.flaw("task", f"the layout {self.layout} is for the task {task}; change one")
        if self.is_made:
            self._check_pack()
        else:
            self._check_folders()
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
                raise self.flaw(keys, f"must lie below root, not at {short(path)}; move it there")
        for keys, path in {**paths, ("root",): self.root or ""}.items():
            if not path.isprintable():
                raise self.flaw(keys, f"holds unprintable characters: {short(path)}; correct it")
        return self

    def _check_pack(self) -> None:
        for key in _FOLDER_KEYS:
            if key in self.model_fields_set:
                raise self.flaw(key, "has no meaning for the layout pack; remove it")
        if self.fetch is None or len(self.fetch) != 1:
            raise self.flaw("fetch", "must name one recipe; write 'fetch: {RECIPE: {its options}}'")

    def _check_folders(self) -> None:
        if self.root is None:
            raise self.flaw("root", "is missing; name the folder that holds the images")
        if self.fetch is not None and list(self.fetch) != ["download"]:
            wanted = "write 'fetch: {download: {url: ..., sha256: ..., unpack: zip}}'"
            raise self.flaw("fetch", f"recipes are for the layout pack; {wanted}")
        _ = self.download  # wrong options are said when the file is read

    def _check_set(self, name: str) -> None:
        if not is_set_name(self.task, name):
            keys = ("splits", *name.split("/"))
            known = [*MEMBERSHIP_SETS, OTHER_SLICES]
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
    "a valid dictionary": "a map of keys",
    "a valid tuple": "a list",
    "a valid string": "text",
    "a valid boolean": "true or false",
}
_MODELS: dict[Keys, type[BaseModel]] = {  # what may stand below a key
    ("image",): ImageOptions,
    ("image", "window"): Window,
    ("image", "slices"): Slices,
    ("fetch", "download"): Download,
}
_KEYS = [key for key in Entry.model_fields if key not in ("name", "origin")]


def is_set_name(task: Task, name: str) -> bool:
    """Return whether a data set of ``task`` may have a set (other than ``null``) of that name."""
    if task is Task.MEMBERSHIP:
        return name in (*MEMBERSHIP_SETS, OTHER_SLICES)
    match name.split("/"):
        case ["train", "real" | "generated", subset]:
            return SAFE_NAME.fullmatch(subset) is not None
    return name == "test/generated"


def parse_entry(origin: Origin, name: str, value: Any) -> Entry:
    """Return the entry called ``name`` from what is written below its name.

    Raises:
        BenchError: The name is not allowed, or a key is unknown, missing or has a wrong value.
    """
    if not SAFE_NAME.fullmatch(name):
        raise origin.flaw(
            name, (), "is no name; use letters, digits, '.', '_' and '-', a letter or digit first"
        )
    if not isinstance(value, dict):
        raise origin.flaw(name, (), f"is {short(value)}; write keys such as task below it")
    for key in value:
        if key not in _KEYS:
            raise origin.flaw(name, (key,), _unknown_key(key, _KEYS))
    return validated(Entry, {**value, "name": name, "origin": origin}, origin, name)


def validated(
    model: type[M], value: dict[str, Any], origin: Origin, name: str, above: Keys = ()
) -> M:
    """Return what is written below the keys ``above`` of the entry ``name``, as a ``model``.

    Raises:
        BenchError: A key is unknown, missing or has a wrong value.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        flaws = error.errors(include_url=False)  # a key that is missing may have been misspelt
        first = min(flaws, key=lambda flaw: flaw["type"] != "extra_forbidden")
        keys = (*above, *(str(key) for key in first["loc"] if key != "[key]"))
        raise origin.flaw(name, _written(keys, origin), _sentence(keys, first)) from error


def _written(keys: Keys, origin: Origin) -> Keys:
    """Cut what pydantic adds to a place to say which alternative of a type it tried."""
    while len(keys) > 1 and keys not in origin.keys:
        keys = keys[:-1]
    return keys


def _sentence(keys: Keys, error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    *above, key = keys
    if error["type"] == "missing":
        return f"lacks {key}; add it" if above else "is missing; add it"
    if error["type"] == "extra_forbidden":
        return _unknown_key(key, list(_MODELS[tuple(above)].model_fields))
    wanted = re.sub(r" or instance of \w+", "", error["msg"])
    wanted = re.sub(r"^(Input|String) should", "must", wanted)
    for theirs, ours in _WORDS.items():
        wanted = wanted.replace(theirs, ours)
    return f"{wanted}, not {short(error['input'])}; correct it"


def _unknown_key(key: str, known: list[str]) -> str:
    return f"unknown key{did_you_mean(key, known)}; the keys are {', '.join(known)}"
