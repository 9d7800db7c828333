"""``bench calibrate``: how much a generator must give away for a method to detect it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    BudgetOption,
    DatasetFiles,
    Device,
    Precision,
    ResultsFolder,
    Threads,
    WeightFiles,
    open_catalogue,
    open_results,
)
from harness.cli.run import (
    Everything,
    Headline,
    Method,
    choose_methods,
    make_cells,
    read_settings,
    read_weights,
)
from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.running.calibration import Calibration

WHERE = "phantom-null"


def calibrate(
    context: typer.Context,
    everything: Everything = False,
    method: Method = None,
    dataset: Annotated[
        str,
        typer.Option(
            "-d", "--dataset", help="A membership data set with truth and null pool, or its folder."
        ),
    ] = WHERE,
    datasets: DatasetFiles = None,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Of the members that is planted; repeatable [default: 0.1 to 0.7]."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Redrawn data sets with copies.")] = 6,
    blanks: Annotated[int, typer.Option(help="Redrawn data sets without copies.")] = 20,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen", help="Leave methods that detect nothing in 3 at the largest share."
        ),
    ] = False,
    headline: Headline = False,
    budget: BudgetOption = Budget.DEMO,
    weights: WeightFiles = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
    results: ResultsFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Find the smallest share of members that a method detects when copies of them are planted.

    The patients of the data set are dealt anew, to members and others, again and again, and copies
    of a share of the members are put into its null pool. The limit of detection is the share at
    which the AUC is above chance in 95 % of such data sets, with 5 % false alarms. It is a column
    of the board of these data. Trials that are made are kept: the same command goes on.

    \b
    Examples:
      bench calibrate -m nearest-pixel
      bench calibrate -m nearest-pixel -d my-ct --draws 10 --blanks 60
      bench calibrate --all --screen -d my-ct
    """
    from harness.cli.reporting import make_talker
    from harness.cli.steps import Steps
    from harness.running.calibrating import Calibrator, TrialError
    from harness.running.calibration import Design
    from harness.running.local import LocalEngine

    design = Design(draws=draws, blanks=blanks, **({"shares": tuple(share)} if share else {}))
    chosen, _ = choose_methods(everything, method or [], headline)
    catalogue, trusted = open_catalogue(context, datasets)
    opened = make_talker(as_json=as_json).open_dataset(catalogue.get(dataset), trusted.recipes())
    cells = make_cells(chosen, [opened], {}, budget, "official", [0], precision)
    settings = read_settings(device, precision, threads, read_weights(weights or []))
    folder = open_results(results).root / opened.entry.name
    found, failed = [], False
    with (
        Steps("trial") as steps,
        LocalEngine(settings) as engine,
        Calibrator(engine, folder, steps.tell) as calibrator,
    ):
        engine.warm_up(cells)
        for cell in cells:
            try:
                held = calibrator.calibrate(cell, design, screen=screen)
            except TrialError as error:
                failed = True
                steps.say(f"error: {error}")
            else:
                found.append(held)
    if as_json:
        typer.echo(json.dumps([held.model_dump(mode="json") for held in found], indent=1))
    elif found:
        _print(found)
    if failed:
        raise typer.Exit(1)


def _print(found: list[Calibration]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from harness.board.wording import alarms_text, limit_text
    from harness.running.calibration import FIDELITIES

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", overflow="fold")
    for title in ("false alarms", *(f"limit, {name} copies" for name in FIDELITIES)):
        table.add_column(title, no_wrap=True)
    for held in found:
        limits = [limit_text(held.limits[name]) for name in FIDELITIES]
        table.add_row(held.method, alarms_text(held), *limits)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "Limit: share of the members at which 95 % of data sets like these are detected, at 5 % "
        "false alarms [95 % interval over redrawn data]. False alarms: where nothing was planted.",
        style="dim",
    )
