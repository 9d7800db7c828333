"""The local engine: runs one case after another on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.channel import Channel, ChannelClosedError, ProtocolError
from harness.datasets.cases import Case
from harness.errors import BenchError
from harness.features.client import FeatureClient, FeatureError
from harness.files import cache_dir, json_digest
from harness.method import Task
from harness.protocol import (
    Extract,
    Failed,
    FromWorker,
    Job,
    Lend,
    Log,
    Network,
    Predicted,
    Progress,
    Shards,
)
from harness.running.plan import Cell
from harness.running.processes import FEW, Spawned, Template, Worker
from harness.running.records import Status
from harness.running.sealing import SealedSet, seal, seen_digest
from harness.weights import Used, weights_of_file

LOG_LINES = 20  # of a worker's output, kept when it does not end well
KEPT_DAYS = 14  # checkpoints of a fit that was interrupted and never taken up again
Told = Callable[[str, int, int | None], None]  # how far it is: what, done, of how many
Heard = Progress | Log | Extract | Lend | Predicted | Failed


@dataclass(frozen=True)
class Settings:
    """How cells run on this machine."""

    device: str
    precision: str  # "fp32", "bf16", or "auto": each backbone what serves it best
    threads: int
    weights: Mapping[str, Path]  # given by --weights NAME=FILE
    watched: bool = False  # whether workers note what they write outside their own folders

    @property
    def training_precision(self) -> str:
        """What methods train in: nothing can be compared beforehand, so ``auto`` is fp32."""
        return "bf16" if self.precision == "bf16" else "fp32"


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one case."""

    status: Status
    reason: str | None = None
    log: tuple[str, ...] = ()  # what the feature service said, and the last words of the worker
    scores: NDArray[np.float64] | None = None  # (N,) or (N, C), in the order of the questions
    labels: NDArray[Any] | None = None  # (N,), int64 once they are checked
    backbones: tuple[Used, ...] = ()
    hits: int = 0
    misses: int = 0
    repeated: bool = False  # given to the same question before, and not asked for again
    seconds: Mapping[str, float] = field(default_factory=dict)
    written: tuple[str, ...] = ()  # paths outside the worker's own folders, where it is watched
    peak_bytes: int | None = None  # largest resident memory of a worker that ended well


class LocalEngine:
    """Feature service, template and workers of a run; use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        runs = cache_dir() / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        _sweep(runs)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
        self._fits = cache_dir() / "fits"
        _sweep_fits(self._fits)
        self._features: FeatureClient | None = None
        self._template: Template | None = None
        self._cases = 0

    @property
    def features(self) -> FeatureClient:
        """The feature service, started when first needed."""
        if self._features is None:
            s = self.settings
            self._features = FeatureClient(s.device, s.precision, s.threads, s.weights)
        return self._features

    def warm_up(self, cells: Sequence[Cell]) -> None:
        """Start the processes that will be needed, so that their imports overlap."""
        if self.settings.device == "cpu":
            self._template = Template(few=0 if len(cells) > FEW else FEW)
        if any(cell.backbones for cell in cells):
            _ = self.features

    def renew(self) -> None:
        """End the template, so that the next worker has nothing in common with those before it."""
        if self._template is not None:
            self._template.close()
            self._template = None

    def run(self, cell: Cell, case: Case, progress: Told) -> Answer:
        """Have one case answered by a worker.

        Args:
            cell: the method, its parameters and the seed.
            case: training part and questions.
            progress: told how far the worker or the feature service is.
        """
        self._cases += 1
        folder = self._folder / str(self._cases)
        scratch = folder / "scratch"
        scratch.mkdir(parents=True)
        try:
            sealed = seal(case, cell.task, cell.card.access, folder)
            job = self._job(cell, case, sealed, scratch)
            started = time.monotonic()
            answer = self._attend(job, sealed, folder / "log", progress)
            shutil.rmtree(job.checkpoints, ignore_errors=True)  # not when the run is interrupted
            seconds = {**answer.seconds, "seconds": time.monotonic() - started}
            checked = _checked(answer, case, cell.task, job.classes)
            return replace(checked, seconds=seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End all processes of the run and remove its folder."""
        self.renew()
        if self._features is not None:
            self._features.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _job(self, cell: Cell, case: Case, sealed: Mapping[str, SealedSet], scratch: Path) -> Job:
        return Job(
            plugin=cell.card.family,
            method=cell.card.name,
            parameters=cell.parameters,
            budget=cell.budget.value,
            seed=cell.seed,
            classes=len(case.classes),
            device=self.settings.device,
            precision=self.settings.training_precision,
            threads=self.settings.threads,
            scratch=scratch,
            checkpoints=self._checkpoints(cell, case),
            sets={name: s.path for name, s in sealed.items()},
            groups={name: s.groups for name, s in sealed.items() if s.groups is not None},
            watched=self.settings.watched,
        )

    def _checkpoints(self, cell: Cell, case: Case) -> Path:
        """Return the folder of this very fit, named by all that its course depends on."""
        seen = seen_digest(case, cell.task, cell.card.access)
        s = self.settings
        given = {
            name: weights_of_file(name, str(path), path).sha256
            for name, path in s.weights.items()
            if name in cell.backbones
        }
        settings = [s.device, s.precision, s.threads, given]
        folder = self._fits / json_digest([cell.doing, seen, settings])[:32]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _attend(
        self, job: Job, sealed: Mapping[str, SealedSet], log: Path, progress: Told
    ) -> Answer:
        """Start a worker and serve it until it has answered or is gone."""
        ours, theirs = socket.socketpair()
        channel = Channel[Heard](ours, FromWorker)
        with log.open("ab") as output:
            process = self._start(theirs, output.fileno())
        theirs.close()
        costs = Costs()
        last: Predicted | Failed | None = None
        opened = False
        try:
            channel.send(job)
            while last is None:
                match message := channel.receive():
                    case Progress():
                        progress(message.what, message.done, message.of)
                    case Log():
                        costs.said.append(message.text[:400])
                    case Extract():
                        if not opened:
                            self._open(sealed)
                            opened = True
                        channel.send(self._serve(message, costs, progress))
                    case Lend():
                        channel.send(self._lend(message.backbone, costs))
                    case _:
                        last = message
        except ChannelClosedError:
            pass
        except ProtocolError as error:
            last = Failed(reason=f"the worker broke the protocol: {error}")
            process.kill()
        finally:
            channel.close()
        code = process.wait()
        return _outcome(last, code, costs, _tail(log))

    def _open(self, sealed: Mapping[str, SealedSet]) -> None:
        self.features.open({n: (s.path, s.digests) for n, s in sealed.items()})

    def _serve(self, wanted: Extract, costs: Costs, progress: Told) -> Shards | Failed:
        def listen(event: Progress | Log) -> None:
            if isinstance(event, Progress):
                progress(event.what, event.done, event.of)
            else:
                costs.said.append(event.text)

        try:
            found = self.features.features(wanted.set_name, wanted.backbone, wanted.layers, listen)
        except (BenchError, FeatureError) as error:
            return Failed(reason=str(error))
        costs.hits += found.hits
        costs.misses += found.misses
        costs.used[found.used.weights.backbone] = found.used
        return Shards(paths=found.paths)

    def _lend(self, backbone: str, costs: Costs) -> Network | Failed:
        try:
            lent = self.features.network(backbone)
        except (BenchError, FeatureError) as error:
            return Failed(reason=str(error))
        used = Used(lent.weights, self.settings.training_precision, None)
        costs.used.setdefault(lent.weights.backbone, used)
        return lent.network

    def _start(self, channel: socket.socket, log: int) -> Worker:
        if self.settings.device == "cpu":
            return self._start_template().fork(channel, log)
        return Spawned(channel, log)

    def _start_template(self) -> Template:
        if self._template is None:
            self._template = Template()
        return self._template


class Costs:
    """What the features of a case cost, summed over its requests."""

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self.used: dict[str, Used] = {}
        self.said: list[str] = []


def _outcome(
    last: Predicted | Failed | None, code: int, costs: Costs, log: tuple[str, ...]
) -> Answer:
    spent: dict[str, Any] = {
        "backbones": tuple(costs.used[name] for name in sorted(costs.used)),
        "hits": costs.hits,
        "misses": costs.misses,
    }
    said = tuple(dict.fromkeys(costs.said))[-LOG_LINES:]
    log = said + log
    if last is None:
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        return Answer(Status.CRASHED, f"the worker's process ended ({how})", log, **spent)
    if isinstance(last, Failed):
        return Answer(Status.FAILED, last.reason[:500], log, **spent)
    return Answer(
        Status.OK,
        None,
        said,
        _array(last.scores),
        np.array(last.labels),
        seconds={"fit": last.fit, "score": last.score},
        written=last.written,
        peak_bytes=last.peak_bytes,
        **spent,
    )


def _array(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return numbers as an array; rows of differing lengths are an answer without a shape."""
    try:
        return np.array(values, np.float64)
    except ValueError:
        return np.empty((0, 0))


def _checked(answer: Answer, case: Case, task: Task, classes: int) -> Answer:
    """Return the answer, or the reason why it is none."""
    if answer.status is not Status.OK or answer.scores is None or answer.labels is None:
        return answer
    asked = len(case.asked)
    shape = (asked,) if task is Task.MEMBERSHIP else (asked, classes)
    if answer.scores.shape != shape or answer.labels.shape != (asked,):
        wrong = f"scores {answer.scores.shape} and labels {answer.labels.shape}"
        reason = f"{wrong}; expected {shape} and {(asked,)}"
    elif not np.isfinite(answer.scores).all():
        reason = f"{int((~np.isfinite(answer.scores)).sum())} scores are not finite"
    elif not np.isin(answer.labels, np.arange(classes)).all():
        reason = f"labels must be 0 to {classes - 1}"
    else:
        return replace(answer, labels=answer.labels.astype(np.int64))
    return replace(answer, status=Status.FAILED, reason=reason)


def _tail(log: Path) -> tuple[str, ...]:
    lines = log.read_text(errors="replace").splitlines()
    return tuple(line[:400] for line in lines[-LOG_LINES:])


def _sweep(runs: Path) -> None:
    """Remove the folders of runs whose process is gone."""
    for folder in runs.iterdir():
        pid = folder.name.partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _sweep_fits(fits: Path) -> None:
    """Remove checkpoints that nobody came back for."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for folder in fits.glob("*"):
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
