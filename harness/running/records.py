"""Records: what one cell gave, written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.datasets.entry import PlainName
from harness.errors import BenchError
from harness.files import json_digest, write_json, write_text
from harness.method import Access, Budget, Task
from harness.running.claims import alone

SCHEMA: Literal[1] = 1


class Status(StrEnum):
    """How a cell ended."""

    OK = "ok"
    FAILED = "failed"  # the method raised, or answered something that is no answer
    TIMEOUT = "timeout"
    CRASHED = "crashed"  # its process died
    REFUSED = "refused"  # it tried what a method may not do


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MethodFacts(_Facts):
    """The method of a cell, as it ran."""

    name: Annotated[str, Field(pattern=r"^[^/\x00-\x1f]+$")]  # a file is called by it
    family: str
    version: str
    source_digest: str
    parameters: dict[str, Any]  # in force
    changed: dict[str, Any]  # given by --set
    budget: Budget
    access: tuple[Access, ...]
    control: bool
    stands_for: tuple[str, ...] = ()  # variants that these parameters make equal to it


class DatasetFacts(_Facts):
    """The data set of a cell."""

    name: PlainName
    fingerprint: str


class Figure(_Facts):
    """A metric with its 95 % interval; without a value or an interval, ``note`` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    groups: int
    note: str | None = None


class PredictionFacts(_Facts):
    """The file with the answers, beside the record."""

    path: str
    sha256: str


class WeightFacts(_Facts):
    """A backbone that the cell used."""

    backbone: str
    source: str
    sha256: str
    precision: str = "fp32"  # that it computed in


class CacheFacts(_Facts):
    """Images whose features were in the store, and those computed; each layer counts them anew."""

    hits: int = 0
    misses: int = 0
    answers: int = 0  # taken from an earlier cell of the run, whose worker saw the very same


class Record(_Facts):
    """One cell: method x parameters x budget x data set x protocol x seed."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_version: Literal[1] = Field(alias="schema")
    key: str  # digest of all that the cell depends on, but for the weights named below
    task: Task
    method: MethodFacts
    dataset: DatasetFacts
    auxiliary: DatasetFacts | None = None  # the external labelled set that the method was given
    protocol: str
    seed: int
    status: Status
    reason: str | None = None
    log: tuple[str, ...] = ()  # what went unusually; the last lines of a cell that did not end well
    metrics: dict[str, Figure] = {}
    predictions: PredictionFacts | None = None
    weights: tuple[WeightFacts, ...] = ()
    environment: dict[str, Any] = {}
    timing: dict[str, float] = {}
    cache: CacheFacts = CacheFacts()

    def comparable(self) -> dict[str, Any]:
        """Return the record without what differs between two runs of the same cell."""
        return self.model_dump(mode="json", exclude={"environment", "timing", "cache", "log"})


class RecordStore:
    """The working records in a folder: ``<dataset>/<method>@<protocol>-<budget>-<seed>.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """Make the folder; an OSError where nothing can be written there, before hours of work."""
        self.root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=self.root).close()

    def stem(
        self,
        *,
        dataset: str,
        method: str,
        changed: dict[str, Any],
        protocol: str,
        budget: Budget,
        seed: int,
    ) -> Path:
        """Return where a cell's files lie, without their ending."""
        mark = f"+{json_digest(changed)[:8]}" if changed else ""
        return self.root / dataset / f"{method}{mark}@{protocol}-{budget}-{seed}"

    def read(self, stem: Path) -> Record | None:
        """Return a record; one that is absent, damaged or of another schema is ``None``."""
        try:
            return Record.model_validate_json(with_ending(stem, ".json").read_bytes())
        except (OSError, ValueError):
            return None

    def write(self, stem: Path, record: Record, predictions: str | None = None) -> None:
        """Write a record whole or not at all, after the answers that it names.

        No record ever stands beside the answers of another: the old one goes first, and of several
        processes each writes both before the next one does.
        """
        with alone(stem.parent):
            if predictions is not None:
                with_ending(stem, ".json").unlink(missing_ok=True)
                write_text(with_ending(stem, ".csv"), predictions)
            write_json(with_ending(stem, ".json"), record.model_dump(mode="json"))

    def datasets(self) -> list[str]:
        """Return the names of the data sets that have records."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if any(path.glob("*@*.json")))

    def of(self, dataset: str) -> Iterator[Record]:
        """Yield the readable records of a data set, by file name."""
        records = map(self.read, self._stems(dataset))
        yield from (record for record in records if record is not None)

    def sorted_out(self, dataset: str) -> tuple[list[Record], list[Path]]:
        """Return the readable records of a data set, and the files that only are called so."""
        found = [(with_ending(stem, ".json"), self.read(stem)) for stem in self._stems(dataset)]
        readable = [record for _, record in found if record is not None]
        return readable, [path for path, record in found if record is None]

    def unreadable(self, dataset: str) -> list[Path]:
        """Return the files of a data set that are called like records and cannot be read."""
        stems = self._stems(dataset)
        return [with_ending(stem, ".json") for stem in stems if self.read(stem) is None]

    def _stems(self, dataset: str) -> list[Path]:
        folder = self.root / dataset
        names = sorted(path.name for path in folder.glob("*@*.json"))
        return [folder / name.removesuffix(".json") for name in names]


def unreadable(path: Path) -> BenchError:
    """Return the error that a file is called like a record and is none."""
    return BenchError(f"{path}: is no record that can be read; run its method again or remove it")


def method_name(record: Record) -> str:
    """Return what a board calls the method of a record: its name, and what was changed."""
    changes = ", ".join(f"{key}={value}" for key, value in sorted(record.method.changed.items()))
    return record.method.name + (f" [{changes}]" if changes else "")


def run_name(record: Record) -> str:
    """Return what tells a record from the others of its board: its method and a seed not 0."""
    return method_name(record) + (f" seed {record.seed}" if record.seed else "")


def with_ending(stem: Path, ending: str) -> Path:
    """Return ``stem`` with an ending; names may hold dots, so ``Path.with_suffix`` will not do."""
    return stem.with_name(stem.name + ending)
