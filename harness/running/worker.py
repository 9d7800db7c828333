"""The worker: imports one plugin and answers one case. It is not trusted and holds no truth.

It is given pixels by path, a channel to the parent, an empty scratch folder, and nothing else. What
it needs of the system it finds before the plugin is imported; from then on it reaches no more
(:mod:`harness.reach`).
"""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from harness.channel import Channel
from harness.discovery import find_method, find_plugin
from harness.errors import describe
from harness.features.neighbours import nearest, row_statistics
from harness.features.residency import Residency
from harness.features.store import map_rows
from harness.machine import ask_for_repeatable_kernels, keep_freed_memory
from harness.method import (
    Budget,
    ImageSet,
    Layers,
    Metric,
    Prediction,
    Questions,
    Rows,
    RowStatistics,
    Tools,
    Training,
)
from harness.network import Backbone
from harness.plugins import Plugin
from harness.protocol import (
    Extract,
    Failed,
    Job,
    Lend,
    Log,
    Network,
    Predicted,
    Progress,
    Shards,
    ToWorker,
)
from harness.reach import reach_of
from harness.running.watching import peak_bytes, watch

T = TypeVar("T")
FromParent = Job | Shards | Network | Failed


class WorkerTools(Tools):
    """The tools of one cell, on this side of the channel."""

    def __init__(self, job: Job, channel: Channel[FromParent]) -> None:
        self.device = job.device
        self.precision = job.precision
        self.seed = job.seed
        self.rng = np.random.default_rng(job.seed)
        self.budget = Budget(job.budget)
        self.classes = job.classes
        self.scratch = job.scratch
        self.checkpoints = job.checkpoints
        self._channel = channel
        self._made: dict[str, Any] = {}
        self._maps: dict[Path, NDArray[np.float32]] = {}  # one of each shard: its tiles may stay
        self._residency = Residency(job.device)

    def features(self, images: ImageSet, backbone: str, layer: Layers = "pool") -> Any:
        """See :meth:`harness.method.Tools.features`."""
        layers = (layer,) if isinstance(layer, str) else tuple(layer)
        wanted = Extract(set_name=images.name, backbone=backbone, layers=layers)
        answer = self._ask(wanted, Shards)
        whole = [self._map(path) for path in answer.paths]
        found = tuple(rows if images.rows is None else rows[images.rows] for rows in whole)
        return found[0] if isinstance(layer, str) else found

    def _map(self, shard: Path) -> NDArray[np.float32]:
        if shard not in self._maps:
            self._maps[shard] = map_rows(shard)
        return self._maps[shard]

    def network(self, backbone: str) -> Backbone:
        """See :meth:`harness.method.Tools.network`."""
        answer = self._ask(Lend(backbone=backbone), Network)
        return Backbone(**answer.model_dump(exclude={"say"})).to(self.device)

    def _ask(self, request: Extract | Lend, wanted: type[T]) -> T:
        self._channel.send(request)
        answer = self._channel.receive()
        if isinstance(answer, Failed):
            raise ValueError(answer.reason)
        assert isinstance(answer, wanted)
        return answer

    def neighbours(
        self,
        queries: Rows,
        pool: Rows,
        metric: Metric = "cosine",
        k: int = 1,
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """See :meth:`harness.method.Tools.neighbours`."""
        return nearest(queries, pool, metric, k, self._residency)

    def row_statistics(
        self, queries: Rows, pool: Rows, metric: Metric = "cosine", radius: float | None = None
    ) -> RowStatistics:
        """See :meth:`harness.method.Tools.row_statistics`."""
        return row_statistics(queries, pool, metric, radius, self._residency)

    def progress(self, steps: Iterable[T], what: str) -> Iterator[T]:
        """See :meth:`harness.method.Tools.progress`."""
        of = len(steps) if isinstance(steps, Sized) else None
        told = 0.0
        for done, step in enumerate(steps):
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                self._channel.send(Progress(what=what, done=done, of=of))
            yield step

    def log(self, text: str) -> None:
        """See :meth:`harness.method.Tools.log`."""
        self._channel.send(Log(text=text))

    def cached(self, key: str, make: Callable[[], T]) -> T:
        """See :meth:`harness.method.Tools.cached`."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made


def main(end: socket.socket) -> None:
    """Do the job that the parent sends, then answer it."""
    channel = Channel[FromParent](end, ToWorker)
    job = channel.receive()
    assert isinstance(job, Job)
    _settle(job)
    tried: list[str] = []
    answer: Predicted | Failed
    try:
        plugin = find_plugin(job.plugin)
        tried = _confine(job, plugin)
        answer = _answer(job, plugin, channel)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        answer = Failed(reason=describe(error))
    channel.send(Failed(reason=tried[0], refused=True) if tried else answer)


def _confine(job: Job, plugin: Plugin) -> list[str]:
    """Shut everything else away from this process; return the list of what it tries."""
    own = (job.scratch, job.checkpoints)
    reach = reach_of([plugin.package], own, job.sets.values(), job.readable)
    sys.dont_write_bytecode = True
    reach.shut_in(job.device)
    return watch(reach)


def _settle(job: Job) -> None:
    """Make the scratch folder this process's world, and its randomness the cell's own."""
    os.chdir(job.scratch)
    os.environ.update(HOME=str(job.scratch), TMPDIR=str(job.scratch))
    tempfile.tempdir = None  # an import before the fork may have settled on another folder
    torch.set_num_threads(job.threads)
    keep_freed_memory()
    if job.device != "cpu":
        ask_for_repeatable_kernels()
    torch.manual_seed(job.seed)
    np.random.seed(job.seed % 2**32)
    random.seed(job.seed)


def _answer(job: Job, plugin: Plugin, channel: Channel[FromParent]) -> Predicted:
    method = find_method(plugin, job.method)(**job.parameters)
    tools = WorkerTools(job, channel)
    start = time.monotonic()
    method.fit(Training(_part(job, "training")), tools)
    fitted = time.monotonic()
    prediction = method.score(Questions(_part(job, "questions")), tools)
    if not isinstance(prediction, Prediction):
        raise TypeError(f"score returned {type(prediction).__name__}, not a Prediction")
    return Predicted(
        scores=_numbers("scores", prediction.scores).tolist(),
        labels=_numbers("labels", prediction.labels).tolist(),
        fit=fitted - start,
        score=time.monotonic() - fitted,
        peak_bytes=peak_bytes(),
    )


def _numbers(what: str, given: Any) -> NDArray[np.float64]:
    """Return a column of an answer; text, objects and complex numbers are none."""
    values = np.asarray(given)
    if values.dtype.kind not in "biuf" or values.ndim == 0:
        kind = f"of dtype {values.dtype} and shape {values.shape}"
        raise TypeError(f"{what} are {kind}; Prediction takes an array of real numbers")
    return values.astype(np.float64)


def _image_set(name: str, path: Path, groups: list[int] | None) -> ImageSet:
    told = None if groups is None else np.array(groups, np.int64)
    return ImageSet(np.load(path, mmap_mode="r"), name, groups=told)


def _part(job: Job, part: str) -> dict[str, ImageSet]:
    return {
        name.removeprefix(f"{part}."): _image_set(name, path, job.groups.get(name))
        for name, path in job.sets.items()
        if name.startswith(f"{part}.")
    }


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
