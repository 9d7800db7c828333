"""``bench list``: what there is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DatasetFiles, open_catalogue
from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.datasets.entry import Entry

app = typer.Typer(no_args_is_help=True, help="List what there is, for example the methods.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.command("methods")
def methods(as_json: AsJson = False) -> None:
    """List the installed methods, and the plugins that are broken."""
    _list_methods(as_json, controls_only=False)


@app.command("controls")
def controls(as_json: AsJson = False) -> None:
    """List the methods that show what can be had without detecting anything."""
    _list_methods(as_json, controls_only=True)


@app.command("datasets")
def datasets(
    context: typer.Context, datasets: DatasetFiles = None, as_json: AsJson = False
) -> None:
    """List the data sets of the built-in and the given files."""
    catalogue, trusted = open_catalogue(context, datasets)
    rows = [
        {
            "name": entry.name,
            "task": entry.task.value,
            "layout": entry.layout,
            "default": entry.default,
            "available": _is_available(entry, trusted.recipes()),
            "licence": entry.licence,
        }
        for entry in catalogue
    ]
    _show(rows, as_json)


@app.command("sources")
def sources(as_json: AsJson = False) -> None:
    """List the public images that bench fetch gets, to train a generator on."""
    from harness.datasets.sources import SOURCES

    rows = [
        {
            "name": source.name,
            "available": source.folder.is_dir(),
            "images": source.images,
            "patients": source.patients,
            "licence": source.licence,
            "folder": str(source.folder),
            "citation": source.citation,
        }
        for source in SOURCES
    ]
    _show(rows, as_json)


@app.command("backbones")
def backbones(as_json: AsJson = False) -> None:
    """List the backbones, where their weights come from and which work without a network."""
    from harness.features.backbones import known_backbones
    from harness.plugins import load_trusted

    rows = []
    for name, backbone in sorted(known_backbones(load_trusted().backbones()).items()):
        weights = backbone.at_hand()
        rows.append(
            {
                "name": name,
                "weights": backbone.origin,
                "available": weights is not None,
                "sha256": weights.sha256[:16] if weights else None,
            }
        )
    _show(rows, as_json)
    if not as_json:
        typer.echo(
            "Every other timm model is a backbone too. What is not available is fetched from the "
            "hub when first used, or given as a file: --weights NAME=FILE. NAME@random:SEED is any "
            "of these networks untrained.",
            err=True,
        )


@app.command("published")
def published(as_json: AsJson = False) -> None:
    """List the published ImageCLEF runs and which method here re-implements each."""
    from harness.board.published import read_published

    rows = [
        {
            "edition": run.edition,
            "task": run.task,
            "team": run.team,
            "run": run.run,
            "metrics": run.metrics(),
            "method": run.method,
            "why_not": run.why_not,
        }
        for run in read_published()
    ]
    _show(rows, as_json)


def _is_available(entry: Entry, recipes: Mapping[str, Any]) -> bool:
    if entry.is_made:
        return recipes.keys() >= (entry.fetch or {}).keys()
    try:
        return entry.folder.is_dir()
    except BenchError:
        return False


def _list_methods(as_json: bool, *, controls_only: bool) -> None:
    from harness.cards import read_cards

    cards = read_cards()
    rows = [
        {
            "name": card.name,
            "family": card.family,
            "task": card.task.value,
            "control": card.control,
            "broken": None,
            "access": [access.value for access in card.access],
            "runs": list(card.runs),
            "summary": card.summary,
        }
        for card in cards.methods.values()
        if card.control or not controls_only
    ]
    if not controls_only:
        rows += [_broken_row(plugin.plugin, plugin.reason) for plugin in cards.broken]
    _show(rows, as_json, leave_out="family")


def _broken_row(plugin: str, reason: str) -> dict[str, Any]:
    return {
        "name": plugin,
        "family": plugin,
        "task": None,
        "control": False,
        "broken": reason,
        "access": [],
        "runs": [],
        "summary": "",
    }


def _show(rows: Sequence[dict[str, Any]], as_json: bool, leave_out: str = "") -> None:
    """Print rows as JSON, or as a table without the column that is left out for want of room."""
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    filled = [key for key in rows[0] if any(_text(row[key]) for row in rows)] if rows else []
    shown = [key for key in filled if key != leave_out]
    widest = [_longest_word(key, rows) for key in shown]
    fits = sum(widest) + len(widest) + 1 <= console.width  # one space between two
    for number, (key, width) in enumerate(zip(shown, widest, strict=True)):
        title = key.replace("_", " ")
        least = width if fits else None  # too narrow a terminal breaks words, and shows all
        table.add_column(title, no_wrap=number == 0, overflow="fold", min_width=least)
    for row in rows:
        table.add_row(*(escape(_text(row[key])) for key in shown))
    console.print(table)


def _longest_word(key: str, rows: Sequence[dict[str, Any]]) -> int:
    words = [word for row in rows for word in _text(row[key]).split()] + key.split("_")
    return max(map(len, words))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "  ".join(f"{key} {figure}" for key, figure in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
