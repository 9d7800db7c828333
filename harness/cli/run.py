"""``bench run``: run methods on data sets, resume what was interrupted, show the boards."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import (
    Address,
    Auxiliary,
    BudgetOption,
    Carry,
    Changes,
    DatasetFiles,
    Device,
    EngineName,
    MemoryLimit,
    Precision,
    ResultsFolder,
    Threads,
    Timeout,
    WeightFiles,
    find_auxiliary,
    open_catalogue,
    open_results,
    read_limits,
)
from harness.errors import BenchError
from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.cards import Card, Cards
    from harness.cli.reporting import Talker
    from harness.datasets.catalogue import Catalogue
    from harness.datasets.dataset import Dataset
    from harness.datasets.entry import Entry
    from harness.running.engine import Engine, Settings
    from harness.running.limits import Limits
    from harness.running.plan import Cell, Plan
    from harness.running.records import Record, RecordStore


Everything = Annotated[bool, typer.Option("--all", help="Every installed method.")]
Method = Annotated[
    list[str] | None, typer.Option("-m", "--method", help="A method; may be repeated.")
]
DatasetOption = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--dataset",
        help="A data set, a glob, or a data set's folder [default: those marked default].",
    ),
]
ProtocolOption = Annotated[
    str, typer.Option(help="official (train to test) or cv (5 folds of the labelled reals).")
]
Seed = Annotated[
    list[int] | None,
    typer.Option(help="A seed; of several the board shows the mean and how far they are apart."),
]
Headline = Annotated[
    bool, typer.Option("--headline", help="Only the variant that stands for its family.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run finished cells again.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]


def run(
    context: typer.Context,
    everything: Everything = False,
    method: Method = None,
    dataset: DatasetOption = None,
    datasets: DatasetFiles = None,
    protocol: ProtocolOption = "official",
    seed: Seed = None,
    budget: BudgetOption = Budget.DEMO,
    headline: Headline = False,
    changes: Changes = None,
    weights: WeightFiles = None,
    auxiliary: Auxiliary = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    engine: EngineName = "local",
    address: Address = None,
    carry: Carry = False,
    fresh: Fresh = False,
    dry_run: DryRun = False,
    results: ResultsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run methods on data sets and rank them; finished work is not done again.

    \b
    Examples:
      bench run --all
      bench run -m nearest-pixel -d phantom-planted
      bench run --all --datasets my.yaml -d my-ct --protocol cv
      bench run -m cosine-threshold --set cosine-threshold.alpha=0.7
      bench run --all --budget paper --weights resnet50.tv_in1k=resnet50.safetensors
      bench run --all --auxiliary phantom-attribution-content
      bench run --all --timeout 3600 --memory-limit 12GB
      bench run --all --engine ray --address 10.0.0.1:6379
    """
    from harness.cli.reporting import make_talker
    from harness.running.engines import open_engine
    from harness.running.plan import WeightsAtHand, make_plan

    if protocol not in ("official", "cv"):
        raise BenchError(f"--protocol {protocol}: choose official or cv (or use: bench submit)")
    limits = read_limits(timeout, memory_limit)
    talker = make_talker(as_json=as_json)
    chosen, cards = choose_methods(everything, method or [], headline)
    talker.broken(cards.broken)
    catalogue, trusted = open_catalogue(context, datasets)
    talker.broken(trusted.broken)
    entries = choose_datasets(catalogue, dataset or [], chosen)
    external = find_auxiliary(catalogue, auxiliary)
    opened = [talker.open_dataset(entry, trusted.recipes()) for entry in entries]
    beside = None if external is None else talker.open_dataset(external, trusted.recipes())
    given = read_weights(weights or [])
    store = open_results(results)
    changed = read_changes(changes or [], cards)
    cells = make_cells(chosen, opened, changed, budget, protocol, seed or [0], precision, beside)
    plan = make_plan(cells, store, WeightsAtHand(trusted.backbones(), given), fresh=fresh)
    here = engine == "local"
    settings = read_settings(device, precision, threads, given, limits, here=here)
    named = [] if everything else sorted({name for c in plan.todo for name in c.backbones})

    def opened_engine() -> Engine:
        return open_engine(engine, settings, address, carry=carry)

    if dry_run:
        slots = 1 if here or not plan.todo else _slots(plan, opened_engine)
        talker.plan(plan, _stored(plan), slots)
        return
    records = _work(plan, store, opened_engine, talker, named)
    talker.boards(store, opened, protocol, budget)
    if any(record.status != "ok" for record in records):
        raise typer.Exit(1)


def choose_methods(everything: bool, names: list[str], headline: bool) -> tuple[list[Card], Cards]:
    """Return the methods that a command names, and all that are installed.

    Raises:
        BenchError: neither or both of ``--all`` and ``-m``, or a name that nothing has.
    """
    from harness.cards import read_cards

    if everything == bool(names):
        raise BenchError("say which methods: either --all or -m METHOD; see: bench list methods")
    cards = read_cards()
    chosen = [cards.get(name) for name in names] or list(cards.methods.values())
    return [card for card in chosen if card.headline or not headline], cards


def choose_datasets(catalogue: Catalogue, names: list[str], cards: list[Card]) -> list[Entry]:
    """Return the data sets that a command names, else the default ones of the methods' tasks.

    Raises:
        BenchError: a name that nothing has, or no default data set is of the methods' tasks.
    """
    if names:
        return catalogue.select(names)
    tasks = {card.task for card in cards}
    entries = [entry for entry in catalogue.defaults() if entry.task in tasks]
    if not entries:
        said = ", ".join(sorted(tasks))
        raise BenchError(f"no default data set is of the task {said}; name one with -d")
    return entries


def make_cells(
    cards: list[Card],
    datasets: list[Dataset],
    changed: dict[str, dict[str, Any]],
    budget: Budget,
    protocol: str,
    seeds: list[int],
    precision: str,
    auxiliary: Dataset | None = None,
) -> list[Cell]:
    """Return every cell that methods, data sets and seeds make together, equal ones once."""
    from harness.cards import resolve
    from harness.datasets.cases import Protocol, make_cases
    from harness.running.plan import Cell, applicable, without_twins
    from harness.vocabulary import Access

    cells = []
    for dataset in datasets:
        for seed in seeds:
            make_cases(dataset, Protocol(protocol), seed)  # said before anything runs, not after
        for card in applicable(cards, dataset):
            changes = changed.get(card.name, {})
            parameters = resolve(card, budget, changes)
            for seed in seeds:
                cells.append(
                    Cell(
                        card=card,
                        parameters=parameters,
                        changed=changes,
                        budget=budget,
                        dataset=dataset,
                        protocol=Protocol(protocol),
                        seed=seed,
                        precision=precision,
                        auxiliary=auxiliary if Access.AUXILIARY in card.access else None,
                    )
                )
    return without_twins(cells)


def read_changes(given: list[str], cards: Cards) -> dict[str, dict[str, Any]]:
    """Return ``--set METHOD.KEY=VALUE`` options by method; values are read as YAML.

    Raises:
        BenchError: an option has another form, or names no method.
    """
    import yaml

    changes: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        method, dot, key = name.rpartition(".")
        if not (equals and dot):
            raise BenchError(f"--set {text}: write METHOD.KEY=VALUE, as cosine-threshold.alpha=0.7")
        cards.get(method)
        try:
            changes.setdefault(method, {})[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise BenchError(f"--set {text}: {value!r} is no value") from None
    return changes


def read_weights(given: list[str]) -> dict[str, Path]:
    """Return ``--weights NAME=FILE`` options by backbone.

    Raises:
        BenchError: an option has another form, or its file is not there.
    """
    files = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals:
            raise BenchError(f"--weights {text}: write NAME=FILE")
        if not Path(file).is_file():
            raise BenchError(f"--weights {name}: {file}: no such file")
        files[name] = Path(file).resolve()
    return files


def read_settings(
    device: str,
    precision: str,
    threads: int | None,
    weights: dict[str, Path],
    limits: Limits | None = None,
    *,
    here: bool = True,
) -> Settings:
    """Return how cells run; of a cluster (not ``here``) the engine finds out the device.

    Raises:
        BenchError: the device is unknown or not on this machine, or the precision is unknown.
    """
    from harness.machine import choose_device, cores
    from harness.running.engine import Settings
    from harness.running.limits import Limits

    if precision not in ("auto", "fp32", "bf16"):
        raise BenchError(f"--precision {precision}: choose auto, fp32 or bf16")
    chosen = choose_device(device) if here else device
    return Settings(chosen, precision, threads or cores(), weights, limits or Limits())


def _slots(plan: Plan, open_engine: Callable[[], Engine]) -> int:
    """Return how many cells would run at a time, having seen that they could."""
    with open_engine() as engine:
        engine.warm_up(plan.todo)
        return engine.slots


def _stored(plan: Plan) -> list[dict[str, tuple[int, int]]]:
    from harness.files import cache_dir
    from harness.running.run import asked_of
    from harness.running.stock import Stock

    stock = Stock(cache_dir() / "features")
    return [stock.of(cell, asked_of(cell)) for cell in plan.todo]


def _work(
    plan: Plan,
    store: RecordStore,
    open_engine: Callable[[], Engine],
    talker: Talker,
    named: list[str],
) -> list[Record]:
    if not plan.todo:
        talker.nothing_to_do(plan)
        return []
    from harness.running.run import run_plan

    try:
        with talker:
            return run_plan(plan, store, open_engine(), talker, named)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all has been stopped; what is left is a line
        talker.interrupted(shlex.join(["bench", *sys.argv[1:]]))
        raise typer.Exit(130) from None
