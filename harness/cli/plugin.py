"""``bench plugin``: begin a package with a method of your own, and check how a method behaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Changes, MemoryLimit, Timeout, WeightFiles, read_limits
from harness.vocabulary import Task

if TYPE_CHECKING:
    from harness.cards import Card, Cards

app = typer.Typer(no_args_is_help=True, help="Begin a method of your own; check how it behaves.")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Of the method and its package, as my-method.")],
    task: Annotated[Task, typer.Option(help="What the method answers.")] = Task.MEMBERSHIP,
) -> None:
    """Write a package with a method that works into ./NAME, for you to change.

    \b
    Examples:
      bench plugin new my-method
      bench plugin new my-attributor --task attribution
    """
    from harness.skeleton import write_skeleton

    folder = write_skeleton(name, task, Path())
    data = "" if task is Task.MEMBERSHIP else ' -d "phantom-attribution-*"'
    commands = (
        f"pip install --editable ./{folder}",
        f"bench plugin check {name}",
        f"bench run -m {name}{data}",
    )
    typer.echo("\n  ".join([f"{folder}: made. To try it:", *commands]), err=True)


@app.command("check")
def check(
    name: Annotated[
        str, typer.Argument(help="A plugin, for all of its variants, or one installed method.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CHECK", help="Only this check; may be repeated."),
    ] = None,
    changes: Changes = None,
    weights: WeightFiles = None,
    timeout: Timeout = 600.0,
    memory_limit: MemoryLimit = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Check how a method behaves: on small data, at the demo budget, on the CPU.

    Exits 1 when a check fails; docs/plugins.md says what each of them means.

    \b
    Examples:
      bench plugin check my-method
      bench plugin check cosine-logistic --set cosine-logistic.k=3
      bench plugin check my-method --check seed --check order
    """
    from harness.cards import read_cards
    from harness.cli.checking import Progress, print_report
    from harness.cli.run import read_changes, read_weights
    from harness.testing.kit import Kit, chosen_checks

    limits = read_limits(timeout, memory_limit)
    cards = read_cards()
    chosen = _methods(name, cards)
    changed, checks = read_changes(changes or [], cards), chosen_checks(only)
    reports, given = [], read_weights(weights or [])
    progress = Progress(len(chosen) * len(checks))
    with progress, Kit(given, progress.step, limits) as kit:
        for card in chosen:
            progress.begin(card.name)
            reports.append(kit.check(card.name, changed.get(card.name), checks, progress.checked))
    passed = all(report.passed for report in reports)
    if as_json:
        found = {"plugin": chosen[0].family, "passed": passed}
        methods = [report.as_json() for report in reports]
        typer.echo(json.dumps({**found, "methods": methods}, indent=1))
    else:
        for report in reports:
            print_report(report)
    if not passed:
        raise typer.Exit(1)


def _methods(name: str, cards: Cards) -> list[Card]:
    """Return the methods of a plugin, or the one method of that name."""
    of_plugin = [card for card in cards.methods.values() if card.family == name]
    return of_plugin or [cards.get(name)]
