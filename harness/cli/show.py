"""``bench show``: the card of a method or a data set."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from harness.cli.options import DatasetFiles, open_catalogue
from harness.errors import BenchError


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A method, a data set, or its folder.")],
    datasets: DatasetFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Print the card of a method or a data set.

    \b
    Examples:
      bench show cosine-threshold
    """
    from harness.cards import read_cards
    from harness.datasets.catalogue import is_folder

    cards = read_cards()
    catalogue, _ = open_catalogue(context, datasets)
    if name in cards.methods:
        card = cards.methods[name].model_dump(mode="json")
    elif name in catalogue or is_folder(name):
        entry = catalogue.get(name)
        card = entry.model_dump(mode="json", exclude_none=True, exclude={"origin"})
        card["origin"] = f"{entry.origin.file}:{entry.origin.line}"
    else:
        from harness.errors import did_you_mean

        hint = did_you_mean(name, [*cards.methods, *catalogue.names()])
        raise BenchError(f"neither a method nor a data set is called {name!r}{hint}")
    if as_json:
        typer.echo(json.dumps(card, indent=1))
    elif name in cards.methods:
        _print_method(card)
    else:
        _print(card)


def _print_method(card: dict[str, Any]) -> None:
    fields, budgets = card.pop("fields"), card.pop("parameters")
    deviations = card.pop("deviations")
    _print(card)
    rows = [
        [key, budgets["paper"][key], budgets["demo"][key], fields[key].get("description", "")]
        for key in fields
    ]
    if rows:
        _table(["parameter", "paper", "demo", "meaning"], rows)
    if deviations:
        _table(["departs from its paper"], [[text] for text in deviations])


def _print(card: dict[str, Any]) -> None:
    flat = {key: value for key, value in card.items() if value not in (None, [], {}, "")}
    _table(
        ["", ""],
        [[key.replace("_", " "), value] for key, value in flat.items()],
    )


def _table(titles: list[str], rows: list[list[Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(titles))
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row))
    Console(highlight=False).print(table)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
