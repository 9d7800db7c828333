"""Options that several verbs share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import BenchError
from harness.vocabulary import Budget, Task

if TYPE_CHECKING:
    from harness.datasets.catalogue import Catalogue
    from harness.datasets.entry import Entry
    from harness.plugins import Trusted
    from harness.running.limits import Limits
    from harness.running.records import RecordStore

DatasetFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--datasets", metavar="FILE", help="A datasets.yaml of your own; may be repeated."
    ),
]
ResultsFolder = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Where the working records are [default: $BENCH_RESULTS or results].",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="METHOD.KEY=VALUE", help="Change one parameter."),
]
WeightFiles = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="NAME=FILE", help="Weights of a backbone, from a file."),
]
Auxiliary = Annotated[
    str | None,
    typer.Option(
        "--auxiliary",
        metavar="DATASET",
        help="A data set whose labelled reals methods with access auxiliary may pre-train on.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, bf16 for feature extraction, or auto: bf16 where it is faster and as good."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="On the CPU; all cores by default. What a method trains depends on their number.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="For one fit and its answers (each fold and each pool); the features do not count.",
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="Memory that the processes of a method may hold together, as 8GB; on Linux.",
    ),
]
EngineName = Annotated[
    str, typer.Option("--engine", help="local, or ray: side by side on a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster [default: auto, the one that this machine is a part of].",
    ),
]
Carry = Annotated[
    bool,
    typer.Option(
        "--carry", help="The nodes do not see this machine's cache: send all through Ray."
    ),
]
BudgetOption = Annotated[
    Budget, typer.Option(help="The paper's parameters, or smaller ones for a laptop.")
]


def open_catalogue(context: typer.Context, files: list[Path] | None) -> tuple[Catalogue, Trusted]:
    """Return the data sets of built-in and given files, and the trusted plugins."""
    from harness.datasets.catalogue import Catalogue
    from harness.plugins import load_trusted

    trusted = load_trusted()
    return Catalogue([*trusted.dataset_files(), *context.obj, *(files or [])]), trusted


def find_auxiliary(catalogue: Catalogue, name: str | None) -> Entry | None:
    """Return the entry of the data set that ``--auxiliary`` names.

    Raises:
        BenchError: it is unknown, several, or has no labelled reals of several classes.
    """
    if name is None:
        return None
    found = catalogue.select([name])
    if len(found) != 1 or found[0].task is not Task.ATTRIBUTION:
        raise BenchError(
            f"--auxiliary {name}: give one data set of the task attribution, whose real images "
            f"are labelled; see: bench list datasets"
        )
    return found[0]


def read_limits(timeout: float | None, memory: str | None) -> Limits:
    """Return what a method may take.

    Raises:
        BenchError: the memory is no size, or this system does not tell what processes hold.
    """
    from harness.features.inventory import parse_size
    from harness.running.limits import Limits, memory_is_told

    if memory is None:
        return Limits(timeout)
    if not memory_is_told():
        raise BenchError("--memory-limit: only Linux tells what processes hold; leave it out")
    return Limits(timeout, parse_size(memory, "--memory-limit"))


def open_results(folder: Path | None) -> RecordStore:
    """Return the store of the working records."""
    from harness.files import results_dir
    from harness.running.records import RecordStore

    return RecordStore(folder or results_dir())
