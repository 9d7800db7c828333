"""``bench submit``: answer a data set whose truth is secret, as an ImageCLEF run file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
    Auxiliary,
    BudgetOption,
    Changes,
    DatasetFiles,
    Device,
    MemoryLimit,
    Precision,
    Threads,
    Timeout,
    WeightFiles,
    find_auxiliary,
    open_catalogue,
    read_limits,
)
from harness.cli.run import (
    choose_methods,
    make_cells,
    read_changes,
    read_settings,
    read_weights,
)
from harness.vocabulary import Budget

Method = Annotated[str, typer.Option("-m", "--method", help="The method that answers.")]
Dataset = Annotated[
    str, typer.Option("-d", "--dataset", help="The data set to answer, or its folder.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="The run file.")]
Seed = Annotated[int, typer.Option(help="The seed.")]


def submit(
    context: typer.Context,
    method: Method,
    dataset: Dataset,
    output: Output = Path("run.csv"),
    datasets: DatasetFiles = None,
    budget: BudgetOption = Budget.DEMO,
    seed: Seed = 0,
    changes: Changes = None,
    weights: WeightFiles = None,
    auxiliary: Auxiliary = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
) -> None:
    """Answer the questions of a data set and write them as a run file.

    The file holds image,label,score lines without a header, as ImageCLEF takes them; leave the
    third column out where a task refuses it.

    \b
    Examples:
      bench submit -m nearest-pixel -d phantom-planted -o run.csv
    """
    from harness.cli.reporting import make_talker
    from harness.datasets.cases import Protocol
    from harness.running.local import LocalEngine
    from harness.running.records import Status
    from harness.running.run import answer_submission
    from harness.scoring.runfile import write_run

    talker = make_talker(as_json=False)
    chosen, cards = choose_methods(everything=False, names=[method], headline=False)
    catalogue, trusted = open_catalogue(context, datasets)
    external = find_auxiliary(catalogue, auxiliary)
    opened = talker.open_dataset(catalogue.get(dataset), trusted.recipes())
    beside = None if external is None else talker.open_dataset(external, trusted.recipes())
    changed = read_changes(changes or [], cards)
    [cell] = make_cells(
        chosen, [opened], changed, budget, Protocol.SUBMIT, [seed], precision, beside
    )
    limits = read_limits(timeout, memory_limit)
    given = read_weights(weights or [])
    settings = read_settings(device, precision, threads, given, limits)
    with talker, LocalEngine(settings) as engine:
        for backbone in cell.backbones:
            engine.features.fetch(backbone)
        case, answer = answer_submission(cell, engine, talker)
    if answer.status is not Status.OK or answer.labels is None or answer.scores is None:
        talker.log(answer.log)
        talker.say(f"[red]{answer.status.value}[/]: {answer.reason}; nothing was written")
        raise typer.Exit(1)
    scores = answer.scores.tolist() if opened.entry.task == "membership" else None
    classes = opened.classes if scores is None else None
    write_run(output, case.asked.ids, answer.labels.tolist(), scores, classes)
    typer.echo(f"{output}: {len(case.asked)} answers by {method} for {dataset}", err=True)
