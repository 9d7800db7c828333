"""What it costs to run a method in a sealed worker of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure, Side, Size, Step, alternate
from benchmarks.world import own_cache
from harness.cards import read_cards
from harness.datasets.cases import Case, Protocol
from harness.discovery import find_method, find_plugin
from harness.features.neighbours import nearest
from harness.features.store import map_rows
from harness.kernel import protection
from harness.machine import cores
from harness.method import Budget, ImageSet, Method, Questions, Task, Training
from harness.running.engine import Settings
from harness.running.local import LocalEngine
from harness.running.plan import Cell
from harness.running.records import Status
from harness.running.sealing import seal
from harness.testing.data import draw, make_case

METHOD = "nearest-pixel"
COUNT = 10


def sealing_cost(size: Size) -> Figure:
    """Ten trivial cells on cached features in sealed workers, against the same in one process.

    A cell is ``nearest-pixel`` on the kit's small data. Both sides have imported what they need and
    the features are stored; timed on the sealed side is all between asking the engine and its
    checked answer.
    """
    count = size(COUNT, 2)
    with own_cache() as cache:
        folder = cache.parent / "images"
        folder.mkdir()
        cell, case = _question(folder)
        with LocalEngine(Settings("cpu", "fp32", cores(), {})) as engine:
            cells = [replace(cell, seed=seed) for seed in range(count)]
            engine.warm_up(cells)

            def sealed() -> None:
                for asked in cells:
                    answer = engine.run(asked, case, lambda what, done, of: None)
                    assert answer.status is Status.OK, answer.reason

            sealed()
            sets = seal(case, Task.MEMBERSHIP, cell.card.access, folder)
            engine.features.open({name: (s.path, s.digests) for name, s in sets.items()})
            shards = {
                name: engine.features.features(name, "pixels", ["pool"]).paths[0] for name in sets
            }
            pixels = {name: s.path for name, s in sets.items()}
            with Side(_in_one_process, pixels, shards, count) as plain:
                found = alternate(sealed, plain, size.repeats)
    first, second = found.medians()
    note = f"{count} cells, {protection('cpu')}: {first:.2f} s, in one process {second:.3f} s"
    return Figure((first - second) / count, "s per cell", "<= 0.5", size.repeats, note)


def _question(folder: Path) -> tuple[Cell, Case]:
    dataset, case = make_case(Task.MEMBERSHIP, draw(Task.MEMBERSHIP), folder)
    card = read_cards().get(METHOD)
    cell = Cell(
        card=card,
        parameters=card.parameters[Budget.DEMO],
        changed={},
        budget=Budget.DEMO,
        dataset=dataset,
        protocol=Protocol.OFFICIAL,
        seed=0,
        precision="fp32",
    )
    return cell, case


class _Tools:
    """What the method needs of its tools, in this process."""

    def __init__(self, shards: Mapping[str, Path]) -> None:
        self._shards = shards

    def features(self, images: ImageSet, backbone: str) -> Any:
        """Map the stored features of a set."""
        return map_rows(self._shards[images.name])

    def neighbours(self, queries: Any, pool: Any, metric: Any) -> Any:
        """Search as a worker does."""
        return nearest(queries, pool, metric)


def _in_one_process(pixels: Mapping[str, Path], shards: Mapping[str, Path], count: int) -> Step:
    """Return the step that answers all cells here."""
    made: type[Method] = find_method(find_plugin(METHOD), METHOD)

    def sets(part: str) -> dict[str, ImageSet]:
        return {
            name.removeprefix(f"{part}."): ImageSet(np.load(path, mmap_mode="r"), name)
            for name, path in pixels.items()
            if name.startswith(f"{part}.")
        }

    def step() -> None:
        for _ in range(count):
            method = made()
            tools: Any = _Tools(shards)
            method.fit(Training(sets("training")), tools)
            method.score(Questions(sets("questions")), tools)

    return step
