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
