"""``bench publish``: bring working records to the committed leaderboards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DatasetFiles, ResultsFolder, open_catalogue, open_results
from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.datasets.catalogue import Catalogue
    from harness.plugins import Trusted
    from harness.running.records import RecordStore


def publish(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="The folder of the leaderboards.")] = Path(
        "leaderboards"
    ),
    site: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write pages with charts, which need no network, to a folder."
        ),
    ] = None,
    datasets: DatasetFiles = None,
    results: ResultsFolder = None,
) -> None:
    """Write the leaderboards as Markdown, with the records behind them.

    Publishing again without a change gives no difference. A site shows all published records; it
    draws curves and, of data sets with publish_images, pictures where the answers of a run are
    among the working records.

    \b
    Examples:
      bench publish --to leaderboards
      bench publish --site pages
    """
    from harness.board.markdown import publish as write_pages
    from harness.running.records import RecordStore

    store, published = open_results(results), RecordStore(to / "records")
    if not store.datasets() and (site is None or not published.datasets()):
        raise BenchError(f"{store.root}: no results there; run: bench run --all")
    if site is not None:
        from harness.site.folder import check_folder

        check_folder(site)
    catalogue, trusted = open_catalogue(context, datasets)
    for page in write_pages(store, to, {entry.name: entry.comparable_to for entry in catalogue}):
        typer.echo(page)
    if site is not None:
        _write_site(catalogue, trusted, published, store, site)


def _write_site(
    catalogue: Catalogue,
    trusted: Trusted,
    published: RecordStore,
    working: RecordStore,
    folder: Path,
) -> None:
    from rich.console import Console

    from harness.board.published import read_published
    from harness.cards import read_cards
    from harness.datasets.dataset import open_dataset
    from harness.site.site import write_site
    from harness.site.sources import Sources

    recipes = trusted.recipes()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    sources = Sources(
        published=published,
        working=working,
        cards=read_cards().methods,
        entries={entry.name: entry for entry in catalogue},
        open=lambda entry: open_dataset(entry, recipes),
        runs=read_published(),
        say=lambda text: console.print(text, markup=False),
    )
    files = write_site(sources, folder)
    typer.echo(f"{folder / 'index.html'}: {files} files")
