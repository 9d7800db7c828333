"""What runs on a node of a Ray cluster: it has the questions of one cell answered there.

A Ray process supervises sealed workers as the local engine does, for it is one; no plugin is ever
imported in it. It lives for many cells, and so does its template.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from harness.datasets.pack import write_images
from harness.kernel import protection
from harness.running.admission import Facts, admit_this
from harness.running.engine import Answer, Settings, Told
from harness.running.local import LocalEngine
from harness.running.question import Question
from harness.running.records import Status
from harness.running.services import ClusterFeatures, Services

OFTEN = 0.2  # seconds between two reports of how far a cell is


@dataclass(frozen=True, eq=False)
class Errand:
    """A cell as a node is told of it."""

    number: int
    questions: tuple[Question, ...]
    pixels: Mapping[Path, Any]  # by path at the driver, where the node does not see that
    ours: Facts | None  # what holds at the driver, and has to hold here


class Bulletin:
    """How far the cells are that are under way; an actor on the driver's node."""

    def __init__(self) -> None:
        self._news: dict[int, tuple[str, int, int | None]] = {}

    def tell(self, number: int, what: str, done: int, of: int | None) -> None:
        """Say how far a cell is."""
        self._news[number] = what, done, of

    def news(self) -> dict[int, tuple[str, int, int | None]]:
        """Return the last word on each cell that has said something since it was asked last."""
        news, self._news = self._news, {}
        return news


class _Station:
    """The local engine of this process, made for its first cell."""

    engine: LocalEngine | None = None
    features: ClusterFeatures


def run_errand(
    errand: Errand, settings: Settings, services: Services, bulletin: Any
) -> list[Answer]:
    """Answer the questions of a cell until one is not answered well.

    Raises:
        BenchError: as :meth:`LocalEngine.run`.
    """
    bulletin.tell.remote(errand.number, "", 0, None)
    if _Station.engine is None and errand.ours is not None:
        admit_this(errand.ours)
    engine, told = _engine(settings, services), 0.0

    def progress(what: str, done: int, of: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > OFTEN:
            told = time.monotonic()
            bulletin.tell.remote(errand.number, what, done, of)

    try:
        return _answers(errand, engine, settings, progress)
    except BaseException:  # a worker was left alone, and the template would tell of its end later
        engine.renew()
        raise


def _answers(
    errand: Errand, engine: LocalEngine, settings: Settings, progress: Told
) -> list[Answer]:
    answers: list[Answer] = []
    with engine.place() as folder:
        for place, question in enumerate(errand.questions):
            brought = _brought(question, errand.pixels, folder / str(place))
            answers.append(replace(engine.answer(brought, progress), machine=_machine(settings)))
            if answers[-1].status is not Status.OK:
                break
    return answers


def _engine(settings: Settings, services: Services) -> LocalEngine:
    if _Station.engine is None:
        _Station.features = ClusterFeatures(services)
        _Station.engine = LocalEngine(settings, lambda *_: _Station.features)
    _Station.features.services = services  # a node may have been lost since
    return _Station.engine


def _brought(question: Question, pixels: Mapping[Path, Any], folder: Path) -> Question:
    """Return the question with its pixels on this node."""
    if not pixels:
        return question
    folder.mkdir()
    sets = {}
    for name, sealed in question.sets.items():
        path = folder / sealed.path.name
        write_images(path, ray.get(pixels[sealed.path]))
        _Station.features.elsewhere[path] = sealed.path
        sets[name] = replace(sealed, path=path)
    return replace(question, sets=sets)


def _machine(settings: Settings) -> dict[str, Any]:
    return {
        "engine": "ray",
        "node": platform.node(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "protection": protection(settings.device),
    }
