"""Calibrating a method: how clearly it detects copies of a known share of the members.

Each trial has the method answer a redrawn data set (:mod:`harness.running.redrawing`). What came of
a trial is written at once, so an interrupted calibration goes on where it was.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

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


def calibrate(
    cell: Cell, design: Design, engine: LocalEngine, folder: Path, tell: Told
) -> Calibration:
    """Make the trials of a method that were not made before, and conclude.

    Args:
        cell: the method on the data set that is dealt anew; the seed of a trial is its draw.
        design: how much is tried.
        engine: whose workers answer.
        folder: the results of the data set.
        tell: told how far it is.

    Raises:
        BenchError: the data set cannot be dealt anew, or the method fails.
    """
    path = calibration_file(folder, cell.budget, cell.card.name)
    held = _begun(cell, path)
    wanted = list(design.trials())
    known = {(t.fidelity, t.share, t.draw): t for t in held.tried}
    made: dict[str, float] = {}
    what = f"{cell.card.name} on {cell.dataset.entry.name}"
    todo = [trial for trial in wanted if trial not in known]
    try:
        for done, trial in enumerate(todo, start=len(wanted) - len(todo)):
            tell(what, done, len(wanted))
            known[trial] = _try(cell, engine, trial, made)
            write_json(path, _holding(held, known.values()).model_dump(mode="json"))
    finally:
        for packed in cell.dataset.sets.values():
            made.pop(set_digest(packed.digests), None)
        _forget(made)
    concluded = _holding(held, (known[trial] for trial in wanted)).concluded()
    write_json(path, concluded.model_dump(mode="json"))
    tell(what, len(wanted), len(wanted))
    return concluded


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


def _try(
    cell: Cell, engine: LocalEngine, trial: tuple[str | None, float, int], made: dict[str, float]
) -> Tried:
    fidelity, share, draw = trial
    kind = FIDELITIES[fidelity] if fidelity else Fidelity()
    with _folder() as folder:
        drawn = redraw(cell.dataset, draw, share, kind, folder)
        z = _asked(cell, engine, drawn, draw)
    sets = (*drawn.case.training.values(), *drawn.case.questions.values())
    made.update((set_digest(images.digests), time.time()) for images in sets)
    return Tried(fidelity=fidelity, share=share, draw=draw, z=z)


def _asked(cell: Cell, engine: LocalEngine, drawn: Redrawn, draw: int) -> float:
    answer = engine.run(replace(cell, seed=draw), drawn.case, lambda *_: None)
    if answer.status is not Status.OK or answer.scores is None:
        log = " | ".join(answer.log[-3:])
        raise BenchError(
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


def _forget(made: Mapping[str, float]) -> None:
    """Remove the features of redrawn sets, which nobody asks for again.

    Another calibration on the same data may be reading them: what was handed out after the time at
    which this one was done with a set is left to the other one.
    """
    for digest, done in made.items():
        for path in (cache_dir() / "features").glob(f"*/{digest}.safetensors"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime <= done:
                    path.unlink()
