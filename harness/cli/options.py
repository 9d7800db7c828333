"""Options that several verbs share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.datasets.catalogue import Catalogue
    from harness.plugins import Trusted
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
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, bf16 for feature extraction, or auto: bf16 where it is faster and as good."
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


def open_results(folder: Path | None) -> RecordStore:
    """Return the store of the working records."""
    from harness.files import results_dir
    from harness.running.records import RecordStore

    return RecordStore(folder or results_dir())
