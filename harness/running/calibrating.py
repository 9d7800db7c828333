"""Calibrating a method: how clearly it detects copies of a known share of the members.

Each trial has the method answer a redrawn data set (:mod:`harness.running.redrawing`). What came of
a trial is written at once, so an interrupted calibration goes on where it was.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

from harness.datasets.cases import Case
from harness.datasets.dataset import Dataset
from harness.errors import BenchError
from harness.features.store import set_digest
from harness.files import cache_dir, json_digest, write_json
from harness.forge.copies import Fidelity
from harness.running.calibration import (
    FIDELITIES,
    FORM,
    Calibration,
    Design,
    Tried,
    calibration_file,
    read_calibration,
)
from harness.running.local import LocalEngine
from harness.running.plan import Cell
from harness.running.records import Status
from harness.running.redrawing import Redrawn, redraw
from harness.scoring.detection import auc_z

Told = Callable[[str, int, int], None]


class TrialError(BenchError):
    """A method does not answer a redrawn data set."""


class Calibrator:
    """Has methods answer redrawn data sets; use as a context manager.

    The features of redrawn sets are shared by the methods and removed at the end. Another
    calibration on the same data may be reading them: what was handed out after the time at which
    this one was done with a set is left to the other one.
    """

    def __init__(self, engine: LocalEngine, folder: Path, tell: Told) -> None:
        """Begin.

        Args:
            engine: whose workers answer.
            folder: the results of the data set.
            tell: told how far it is.
        """
        self._engine, self._folder, self._tell = engine, folder, tell
        self._done: dict[str, float] = {}  # the time, by the digest of a redrawn set

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for digest, done in self._done.items():
            for path in (cache_dir() / "features").glob(f"*/{digest}.safetensors"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= done:
                        path.unlink()

    def calibrate(self, cell: Cell, design: Design, *, screen: bool = False) -> Calibration:
        """Make the trials of a method that were not made before, and conclude.

        Args:
            cell: the method on the data set that is dealt anew; the seed of a trial is its draw.
            design: how much is tried.
            screen: leave a method at the first draws of the largest share if it detects none of
                them. Of one that detects 95 in 100, three are missed once in 8,000 times.

        Raises:
            TrialError: the method fails.
            BenchError: the data set cannot be dealt anew.
        """
        path = calibration_file(self._folder, cell.budget, cell.card.name)
        held = _begun(cell, path)
        known = {(t.fidelity, t.share, t.draw): t for t in held.tried}

        def make(design: Design, doing: str = "") -> list[Tried]:
            wanted = list(design.trials())
            todo = [trial for trial in wanted if trial not in known]
            what = f"{doing}{cell.card.name} on {cell.dataset.entry.name}"
            for done, trial in enumerate(todo, start=len(wanted) - len(todo)):
                self._tell(what, done, len(wanted))
                known[trial] = self._try(cell, trial)
                write_json(path, _holding(held, known.values()).model_dump(mode="json"))
            if todo:
                self._tell(what, len(wanted), len(wanted))
            return [known[trial] for trial in wanted]

        whole = known.keys() >= set(design.trials())
        tried = make(design.screen(), "screening ") if screen and not whole else []
        if not tried or any(trial.detects for trial in tried):
            tried = make(design)
        concluded = _holding(held, tried).concluded()
        write_json(path, concluded.model_dump(mode="json"))
        return concluded

    def _try(self, cell: Cell, trial: tuple[str | None, float, int]) -> Tried:
        fidelity, share, draw = trial
        kind = FIDELITIES[fidelity] if fidelity else Fidelity()
        with _folder() as folder:
            drawn = redraw(cell.dataset, draw, share, kind, folder)
            z = _asked(cell, self._engine, drawn, draw)
        self._used(drawn.case, cell.dataset)
        return Tried(fidelity=fidelity, share=share, draw=draw, z=z)

    def _used(self, case: Case, dataset: Dataset) -> None:
        sets = (*case.training.values(), *case.questions.values())
        redrawn = {set_digest(images.digests) for images in sets}
        redrawn -= {set_digest(packed.digests) for packed in dataset.sets.values()}
        self._done.update(dict.fromkeys(redrawn, time.time()))


def _begun(cell: Cell, path: Path) -> Calibration:
    """Return what was tried already; nothing where method, parameters or data were others."""
    trial = [FORM, {name: asdict(value) for name, value in FIDELITIES.items()}]
    key = json_digest([cell.key, trial])
    held = read_calibration(path)
    if held is not None and held.key == key:
        return held
    return Calibration(
        key=key,
        method=cell.card.name,
        source_digest=cell.card.source_digest,
        parameters=cell.parameters,
        budget=cell.budget,
        fingerprint=cell.dataset.fingerprint,
    )


def _holding(held: Calibration, tried: Iterable[Tried]) -> Calibration:
    return held.model_copy(update={"tried": tuple(tried), "limits": {}, "false_alarms": None})


def _asked(cell: Cell, engine: LocalEngine, drawn: Redrawn, draw: int) -> float:
    answer = engine.run(replace(cell, seed=draw), drawn.case, lambda *_: None)
    if answer.status is not Status.OK or answer.scores is None:
        log = " | ".join(answer.log[-3:])
        raise TrialError(
            f"{cell.card.name} {answer.status.value} on redrawn {cell.dataset.entry.name}: "
            f"{answer.reason} ({log}); see: bench plugin check {cell.card.name}"
        )
    return auc_z(drawn.truth, answer.scores, drawn.groups)


@contextmanager
def _folder() -> Iterator[Path]:
    runs = cache_dir() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=runs) as folder:
        yield Path(folder)
