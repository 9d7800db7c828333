"""How a run is told: live bars for a person, plain lines for a log, JSON lines for a program."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.board.board import Board, read_boards
from harness.board.comparison import refresh
from harness.board.table import print_board
from harness.board.wording import figure_text
from harness.plugins import Broken
from harness.running.forecast import makespan
from harness.running.records import Record, RecordStore, Status
from harness.vocabulary import Budget

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.datasets.entry import Entry
    from harness.datasets.recipe import Recipe
    from harness.running.plan import Cell, Plan

Stored = Mapping[str, tuple[int, int]]  # by backbone: sets that are in the store, of how many
LONG = 3.0  # seconds of reading a data set after which a line is due
FIRST_BOARD = 15  # seconds of work after which the board is shown once while the run goes on


class Talker:
    """Plain lines on standard error, boards on standard output: for a log."""

    def __init__(self) -> None:
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)
        self.total = 0
        self.ended = 0
        self.store: RecordStore | None = None
        self.first_board = math.inf  # when the board is shown as far as it goes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        """Say a line."""
        self.err.print(text)

    def log(self, lines: Iterable[str]) -> None:
        """Show what a method left in its log."""
        for line in lines:
            self.err.print(f"  | {line}", markup=False, style="dim")

    def broken(self, plugins: Iterable[Broken]) -> None:
        """Tell of plugins that could not be used."""
        for plugin in plugins:
            reason = escape(plugin.reason)
            self.say(f"[yellow]plugin {escape(plugin.plugin)} is broken and left out:[/] {reason}")

    def open_dataset(
        self, entry: Entry, recipes: Mapping[str, Callable[[dict[str, Any]], Recipe]]
    ) -> Dataset:
        """Open a data set; say so where its images had to be decoded or drawn for a while."""
        from harness.datasets.dataset import open_dataset

        began = time.monotonic()
        opened = open_dataset(entry, recipes)
        seconds = time.monotonic() - began
        if seconds >= LONG:
            self.say(f"read   {escape(entry.name)} in {_duration(seconds)}")
        return opened

    def plan(self, plan: Plan, stored: Sequence[Stored], slots: int) -> None:
        """Say what would run.

        Args:
            plan: what would run.
            stored: of each unfinished cell, how many of its sets are in the store, by backbone.
            slots: how many cells would run at a time.
        """
        for cell, seconds, held in zip(plan.todo, plan.seconds, stored, strict=True):
            sets = "".join(f", {name}: {n} of {of} sets stored" for name, (n, of) in held.items())
            self.say(f"to do  {escape(_name(cell))}  about {_duration(seconds)}{escape(sets)}")
        for cell in plan.done:
            self.say(f"done   {escape(_name(cell))}")
        self.say(_summary(plan, slots))

    def nothing_to_do(self, plan: Plan) -> None:
        """Say that every cell is finished."""
        self.say(f"nothing to do: all {len(plan.done)} cells are up to date (--fresh runs them)")

    def begin(self, plan: Plan, store: RecordStore) -> None:
        """The plan is about to be run."""
        self.total, self.store = len(plan.todo), store
        self.first_board = time.monotonic() + FIRST_BOARD
        self.say(_summary(plan))

    def cell(self, cell: Cell) -> None:
        """A cell begins; a log does not show it."""

    def progress(self, what: str, done: int, of: int | None) -> None:
        """A cell is at a step; a log does not show it."""

    def finished(self, cell: Cell, record: Record) -> None:
        """A cell has its record."""
        self.ended += 1
        count = f"{self.ended}/{self.total}"
        self.say(f"{count:>7}  {_name(cell)}  {_result(record)}")
        if self.store and time.monotonic() > self.first_board and self.ended < self.total:
            self.first_board = math.inf
            self.say("The board so far; the run goes on.")
            for board in _boards(self.store, [cell.dataset], cell.protocol, cell.budget):
                print_board(board, self.err)

    def interrupted(self, command: str) -> None:
        """The run was interrupted."""
        self.say(f"interrupted; finished cells are kept. To go on: {escape(command)}")

    def boards(
        self, store: RecordStore, datasets: Sequence[Dataset], protocol: str, budget: Budget
    ) -> None:
        """Show the boards of a run."""
        for board in _boards(store, datasets, protocol, budget):
            print_board(board)


class LiveTalker(Talker):
    """Bars on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
        )
        self.overall = self.bars.add_task("cells", total=None)
        self.step = self.bars.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def open_dataset(
        self, entry: Entry, recipes: Mapping[str, Callable[[dict[str, Any]], Recipe]]
    ) -> Dataset:
        """Open a data set with a note of what takes so long."""
        with self.err.status(f"reading {escape(entry.name)}"):
            return super().open_dataset(entry, recipes)

    def begin(self, plan: Plan, store: RecordStore) -> None:
        """Set the overall bar to the number of cells."""
        super().begin(plan, store)
        self.bars.update(self.overall, total=len(plan.todo))

    def cell(self, cell: Cell) -> None:
        """Name the cell at hand."""
        self.bars.update(self.overall, description=escape(_name(cell)))
        self.bars.update(self.step, visible=False)

    def progress(self, what: str, done: int, of: int | None) -> None:
        """Move the bar of the step at hand."""
        self.bars.update(
            self.step, description=f"  {escape(what)}", completed=done, total=of, visible=True
        )

    def finished(self, cell: Cell, record: Record) -> None:
        """Move the overall bar and say the result."""
        super().finished(cell, record)
        self.bars.update(self.overall, advance=1)


class JsonTalker(Talker):
    """One JSON object a line on standard output: for a program."""

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event."""
        sys.stdout.write(json.dumps({"event": event, "time": time.time(), **facts}) + "\n")
        sys.stdout.flush()

    def broken(self, plugins: Iterable[Broken]) -> None:
        """Tell of plugins that could not be used."""
        for plugin in plugins:
            self.tell("broken", plugin=plugin.plugin, reason=plugin.reason)

    def plan(self, plan: Plan, stored: Sequence[Stored], slots: int) -> None:
        """Tell what would run; see :meth:`Talker.plan`."""
        self._plan(plan, seconds=plan.seconds, stored=stored, slots=slots)

    def begin(self, plan: Plan, store: RecordStore) -> None:
        """Tell what will run."""
        self._plan(plan)

    def _plan(self, plan: Plan, **more: Any) -> None:
        todo, done = ([_name(cell) for cell in cells] for cells in (plan.todo, plan.done))
        facts = {"todo": todo, "done": done, "estimate": plan.estimate, "guessed": plan.guessed}
        self.tell("plan", **facts, **more)

    def nothing_to_do(self, plan: Plan) -> None:
        """Tell that every cell is finished."""
        self.tell("nothing to do", done=[_name(cell) for cell in plan.done])

    def finished(self, cell: Cell, record: Record) -> None:
        """Tell a record."""
        self.tell("cell", record=record.model_dump(mode="json"))

    def interrupted(self, command: str) -> None:
        """Tell that the run was interrupted."""
        self.tell("interrupted", resume=command)

    def boards(
        self, store: RecordStore, datasets: Sequence[Dataset], protocol: str, budget: Budget
    ) -> None:
        """Tell the boards."""
        for board in _boards(store, datasets, protocol, budget):
            self.tell("board", board=board.as_json())


def make_talker(*, as_json: bool) -> Talker:
    """Return who tells of a run, by what standard error is."""
    if as_json:
        return JsonTalker()
    return LiveTalker() if sys.stderr.isatty() else Talker()


def _boards(
    store: RecordStore, datasets: Sequence[Dataset], protocol: str, budget: Budget
) -> Iterable[Board]:
    for dataset in datasets:
        refresh(store, dataset, protocol, budget)
        for board in read_boards(store, dataset.entry.name):
            if (board.protocol, board.budget) == (protocol, budget):
                yield _with_published(board, dataset.entry.comparable_to)


def _with_published(board: Board, tables: Sequence[str]) -> Board:
    if not tables:
        return board
    from harness.board.verdicts import beside_published  # takes scikit-learn, which is slow to load

    return beside_published(board, tables)[0]


def _name(cell: Cell) -> str:
    marks = "".join(f" {key}={value}" for key, value in sorted(cell.changed.items()))
    seed = f" seed {cell.seed}" if cell.seed else ""
    return f"{cell.card.name}{marks}{seed} on {cell.dataset.entry.name}"


def _summary(plan: Plan, slots: int = 1) -> str:
    text = f"{len(plan.todo)} cells to run"
    if plan.done:
        text += f", {len(plan.done)} already finished"
    if plan.guessed and any(cell.budget is Budget.PAPER for cell in plan.todo):
        return f"{text}; {plan.guessed} never ran here, so how long they take is not known"
    if plan.todo:
        text += f"; about {_duration(makespan(plan.seconds, slots))}"
        text += f", {slots} at a time" if slots > 1 else ""
    if plan.guessed:
        text += f" ({plan.guessed} never ran here: a guess)"
    return text


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"


def _result(record: Record) -> str:
    if record.status is not Status.OK:
        return f"[red]{record.status.value}[/]: {escape(record.reason or '')}"
    official = "kappa" if "kappa" in record.metrics else "accuracy"
    text = f"{official} {figure_text(record.metrics[official])}"
    if "auc" in record.metrics:
        text += f"  AUC {figure_text(record.metrics['auc'])}"
    return escape(f"{text}  {record.timing['seconds']:.1f} s")
