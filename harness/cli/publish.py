"""``bench publish``: bring working records to the committed leaderboards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import ResultsFolder, open_results
from harness.errors import BenchError


def publish(
    to: Annotated[Path, typer.Option(help="The folder of the leaderboards.")] = Path(
        "leaderboards"
    ),
    results: ResultsFolder = None,
) -> None:
    """Write the leaderboards as Markdown, with the records behind them.

    Publishing again without a change gives no difference.

    \b
    Examples:
      bench publish --to leaderboards
    """
    from harness.board.markdown import publish as write_pages

    store = open_results(results)
    if not store.datasets():
        raise BenchError(f"{store.root}: no results there; run: bench run --all")
    for page in write_pages(store, to):
        typer.echo(page)
