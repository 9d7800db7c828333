"""``bench fetch``: public data from the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, open_catalogue
from harness.errors import BenchError, did_you_mean

if TYPE_CHECKING:
    from harness.datasets.catalogue import Catalogue
    from harness.datasets.download import Download
    from harness.datasets.unpacking import Report


def fetch(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="DATASET", help="A data set or a source of images.")
    ],
    datasets: DatasetFiles = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what was fetched before.")
    ] = False,
) -> None:
    """Fetch public data: download, check, unpack.

    A download that breaks off is continued by the same command. What is there is kept.

    \b
    Examples:
      bench fetch organamnist
      bench fetch my-ct --datasets my.yaml
    """
    from harness.datasets.download import fetch as fetch_download

    catalogue, _ = open_catalogue(context, datasets)
    download, folder, about = _find(name, catalogue)
    for line in about:
        typer.echo(line, err=True)
    try:
        with _bars() as report:
            fetched = fetch_download(download, folder, report, force=force)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on where this one was", err=True)
        raise typer.Exit(130) from None
    if not fetched:
        typer.echo("already there, nothing to do (--force fetches it again)", err=True)
    typer.echo(folder)


def _find(name: str, catalogue: Catalogue) -> tuple[Download, Path, list[str]]:
    """Return what to fetch, where it belongs and what a person should know of it.

    Raises:
        BenchError: nothing has that name, or it cannot be fetched.
    """
    from harness.datasets.sources import SOURCES

    sources = {source.name: source for source in SOURCES}
    if name not in catalogue and name in sources:
        source = sources[name]
        about = [source.images, source.patients, source.licence, source.citation]
        return source.download, source.folder, about
    if name not in catalogue:
        hint = did_you_mean(name, [*catalogue.names(), *sources])
        known = "'bench list datasets' and 'bench list sources'"
        raise BenchError(f"nothing to fetch is called {name!r}{hint}; see {known}")
    entry = catalogue.get(name)
    if entry.download is None:
        made = "is made on first use and needs no fetching; use 'bench run'"
        how = f"get the data from {entry.source}" if entry.source else "put the data there"
        flaw = f"is missing, so there is nothing to fetch; {how}"
        raise entry.flaw("fetch", made if entry.is_made else flaw)
    return entry.download, entry.folder, [entry.licence] if entry.licence else []


@contextmanager
def _bars() -> Iterator[Report]:
    """Show bars with the remaining time where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:

        def report(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, completed=done)
            bars.update(tasks[what], completed=done, total=of)

        yield report
