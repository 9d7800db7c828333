"""The local engine: runs one case after another on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.channel import Channel, ChannelClosedError, ProtocolError
from harness.datasets.cases import Case
from harness.errors import BenchError, StorageError, printable
from harness.features.client import FeatureClient, FeatureError, Features
from harness.files import cache_dir
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
from harness.running.answers import Answers
from harness.running.claims import OwnFolder, claimed, sweep_fits
from harness.running.engine import Answer, Cases, Hearing, Settings, Told
from harness.running.limits import OverrunError, Watch
from harness.running.plan import Cell, Plan
from harness.running.processes import FEW, Spawned, Template, Worker, ending
from harness.running.question import Question, pose
from harness.running.records import Status
from harness.running.sealing import SealedSet
from harness.weights import Used, weights_of_file

LOG_LINES = 20  # of a worker's output, kept when it does not end well
LOG_BYTES = 1 << 16  # the end of the output, in which they are looked for
MODULES = "Extension modules: "  # begins the last line of Python's stacks, which helps nobody
STALLED = 30.0  # seconds after which a worker that takes no answer counts as gone
Service = Callable[[str, str, int, Mapping[str, Path]], Features]  # started, as FeatureClient is
Heard = Progress | Log | Extract | Lend | Predicted | Failed


class LocalEngine:
    """Feature service, template and workers of a run; use as a context manager."""

    def __init__(self, settings: Settings, service: Service = FeatureClient) -> None:
        self.settings = settings
        self._service = service
        self._folder = OwnFolder(cache_dir() / "runs", f"{os.getpid()}-")
        self._fits = cache_dir() / "fits"
        sweep_fits(self._fits)
        self._features: Features | None = None
        self._template: Template | None = None
        self._readable = (cache_dir() / "features", cache_dir() / "networks")
        for shared in self._readable:
            shared.mkdir(parents=True, exist_ok=True)

    @property
    def slots(self) -> int:
        """See :class:`harness.running.engine.Engine`."""
        return 1

    @property
    def features(self) -> Features:
        """The feature service, started when first needed, and again where it has ended."""
        if self._features is None or self._features.ended:
            s = self.settings
            self._features = self._service(s.device, s.precision, s.threads, s.weights)
        return self._features

    def warm_up(self, cells: Sequence[Cell]) -> None:
        """Start the processes that will be needed, so that their imports overlap."""
        self.expect(len(cells))
        if any(cell.backbones for cell in cells):
            _ = self.features

    def expect(self, workers: int) -> None:
        """Start what so many workers will be forked from; many have their imports made for them."""
        if self.settings.device == "cpu":
            self._template = Template(self.settings.threads, 0 if workers > FEW else FEW)

    def renew(self) -> None:
        """End the template, so that the next worker has nothing in common with those before it."""
        if self._template is not None:
            self._template.close()
            self._template = None

    def fetch(self, backbone: str) -> None:
        """See :meth:`harness.running.engine.Engine.fetch`."""
        self.features.fetch(backbone)

    def answers(
        self, plan: Plan, cases: Cases, hearing: Hearing
    ) -> Iterator[tuple[Cell, list[Answer]]]:
        """See :meth:`harness.running.engine.Engine.answers`: quick cells go first."""
        memory = Answers()
        for cell in plan.todo:
            hearing.cell(cell)
            given: list[Answer] = []
            for case in cases(cell):
                key = memory.key(cell, case)
                given.append(memory.known(key) or self.run(cell, case, hearing.progress))
                memory.keep(key, given[-1])
                if given[-1].status is not Status.OK:
                    break
            yield cell, given

    def run(self, cell: Cell, case: Case, progress: Told) -> Answer:
        """Have one case answered by a worker.

        Args:
            cell: the method, its parameters and the seed.
            case: training part and questions.
            progress: told how far the worker or the feature service is.

        Raises:
            StorageError: a disk is full or read-only.
            BenchError: no worker can be started.
        """
        with self.place() as folder:
            return self._answer(pose(cell, case, folder), folder, progress)

    def answer(self, question: Question, progress: Told) -> Answer:
        """Have a case answered that was sealed elsewhere; see :meth:`run`."""
        with self.place() as folder:
            return self._answer(question, folder, progress)

    def _answer(self, question: Question, folder: Path, progress: Told) -> Answer:
        scratch = folder / "scratch"
        scratch.mkdir()
        fit = question.checkpoints(self._fits, self._fitting(question))
        with claimed(fit, folder / "fit") as checkpoints:
            job = self._job(question, scratch, checkpoints)
            started = time.monotonic()
            answer = self._attend(job, question.sets, folder / "log", progress)
        seconds = {**answer.seconds, "seconds": time.monotonic() - started}
        return replace(_checked(answer, question), seconds=seconds)

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Give an empty folder of this run for the block."""
        folder = Path(tempfile.mkdtemp(dir=self._folder.path))  # a name that counts nothing
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End all processes of the run and remove its folder."""
        self.renew()
        if self._features is not None:
            self._features.close()
        self._folder.remove()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _job(self, question: Question, scratch: Path, checkpoints: Path) -> Job:
        sets = question.sets
        return Job(
            plugin=question.plugin,
            method=question.method,
            parameters=dict(question.parameters),
            budget=question.budget,
            seed=question.seed,
            classes=question.classes,
            device=self.settings.device,
            precision=self.settings.training_precision,
            threads=self.settings.threads,
            scratch=scratch,
            checkpoints=checkpoints,
            sets={name: s.path for name, s in sets.items()},
            groups={name: s.groups for name, s in sets.items() if s.groups is not None},
            readable=self._readable,
        )

    def _fitting(self, question: Question) -> list[Any]:
        """Return what of this machine's settings the course of a fit depends on."""
        s = self.settings
        given = {
            name: weights_of_file(name, str(path), path).sha256
            for name, path in s.weights.items()
            if name in question.backbones
        }
        return [s.device, s.precision, s.threads, given]

    def _attend(
        self, job: Job, sealed: Mapping[str, SealedSet], log: Path, progress: Told
    ) -> Answer:
        """Start a worker and serve it until it has answered or is gone."""
        ours, theirs = socket.socketpair()
        channel = Channel[Heard](ours, FromWorker, STALLED)
        with log.open("a+b") as output:
            process = self._start(theirs, output.fileno())
            theirs.close()
            watch, costs = Watch(process.pid, output, self.settings.limits), Costs()
            last: Predicted | Failed | OverrunError | None = None
            try:
                channel.send(job)
                last = self._converse(channel, watch, sealed, costs, progress)
            except ChannelClosedError:
                pass
            except ProtocolError as error:
                last = Failed(reason=f"the worker broke the protocol: {error}")
                process.kill()
            except OverrunError as overrun:
                last = overrun
                process.abort()
            except BaseException:
                process.kill()
                raise
            finally:
                channel.close()
            return _outcome(last, self._code(process), costs, _tail(output))

    def _code(self, process: Worker) -> int | None:
        """Return a worker's exit code; ``None`` where it had to be ended."""
        try:
            return process.wait()
        except (TimeoutError, ChannelClosedError):
            self.renew()  # the template is gone or stopped, and the worker with it
            return None

    def _converse(
        self,
        channel: Channel[Heard],
        watch: Watch,
        sealed: Mapping[str, SealedSet],
        costs: Costs,
        progress: Told,
    ) -> Predicted | Failed:
        """Give a worker what it asks for until it has answered."""
        opened = False
        while True:
            match message := watch.hear(channel):
                case Progress():
                    progress(message.what, message.done, message.of)
                case Log():
                    costs.say(message.text)
                case Extract():
                    with watch.excused():
                        if not opened:
                            self._open(sealed)
                            opened = True
                        channel.send(self._serve(message, costs, progress))
                case Lend():
                    with watch.excused():
                        channel.send(self._lend(message.backbone, costs))
                case _:
                    return message

    def _open(self, sealed: Mapping[str, SealedSet]) -> None:
        self.features.open({n: (s.path, s.digests) for n, s in sealed.items()})

    def _serve(self, wanted: Extract, costs: Costs, progress: Told) -> Shards | Failed:
        def listen(event: Progress | Log) -> None:
            if isinstance(event, Progress):
                progress(event.what, event.done, event.of)
            else:
                costs.say(event.text)

        try:
            found = self.features.features(wanted.set_name, wanted.backbone, wanted.layers, listen)
        except StorageError:
            raise
        except (BenchError, FeatureError) as error:
            return Failed(reason=str(error))
        costs.hits += found.hits
        costs.misses += found.misses
        costs.used[found.used.weights.backbone] = found.used
        return Shards(paths=found.paths)

    def _lend(self, backbone: str, costs: Costs) -> Network | Failed:
        try:
            lent = self.features.network(backbone)
        except StorageError:
            raise
        except (BenchError, FeatureError) as error:
            return Failed(reason=str(error))
        used = Used(lent.weights, self.settings.training_precision, None)
        costs.used.setdefault(lent.weights.backbone, used)
        return lent.network

    def _start(self, channel: socket.socket, log: int) -> Worker:
        if self.settings.device == "cpu":
            return self._start_template().fork(channel, log)
        return Spawned(channel, log, self.settings.threads)

    def _start_template(self) -> Template:
        if self._template is None or self._template.ended:
            self.renew()
            self._template = Template(self.settings.threads)
        return self._template


class Costs:
    """What the features of a case cost, summed over its requests, and what was said meanwhile."""

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self.used: dict[str, Used] = {}
        self.said: dict[str, None] = {}  # the last distinct lines

    def say(self, text: str) -> None:
        """Keep a line; of many the last."""
        self.said[printable(text)[:400]] = None
        if len(self.said) > LOG_LINES:
            del self.said[next(iter(self.said))]


def _outcome(
    last: Predicted | Failed | OverrunError | None,
    code: int | None,
    costs: Costs,
    log: tuple[str, ...],
) -> Answer:
    spent: dict[str, Any] = {
        "backbones": tuple(costs.used[name] for name in sorted(costs.used)),
        "hits": costs.hits,
        "misses": costs.misses,
    }
    said = tuple(costs.said)
    log = said + log
    if last is None:
        return Answer(Status.CRASHED, f"the worker's process ended ({ending(code)})", log, **spent)
    if isinstance(last, Failed):
        status = Status.REFUSED if last.refused else Status.FAILED
        return Answer(status, printable(last.reason)[:500], log, **spent)
    if isinstance(last, OverrunError):
        return Answer(last.status, str(last), log, **spent)
    return Answer(
        Status.OK,
        None,
        said,
        _array(last.scores),
        np.array(last.labels),
        seconds={"fit": last.fit, "score": last.score},
        peak_bytes=last.peak_bytes,
        **spent,
    )


def _array(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return numbers as an array; rows of differing lengths are an answer without a shape."""
    try:
        return np.array(values, np.float64)
    except ValueError:
        return np.empty((0, 0))


def _checked(answer: Answer, question: Question) -> Answer:
    """Return the answer, or the reason why it is none."""
    if answer.status is not Status.OK or answer.scores is None or answer.labels is None:
        return answer
    asked, classes = question.asked, question.classes
    shape = (asked,) if question.task is Task.MEMBERSHIP else (asked, classes)
    status = Status.FAILED
    if len(answer.scores) != asked or len(answer.labels) != asked:
        given = f"{len(answer.scores)} scores and {len(answer.labels)} labels"
        status, reason = (
            Status.REFUSED,
            f"answered another number of questions: {given} for {asked}",
        )
    elif answer.scores.shape != shape or answer.labels.shape != (asked,):
        wrong = f"scores {answer.scores.shape} and labels {answer.labels.shape}"
        reason = f"{wrong}; expected {shape} and {(asked,)}"
    elif not np.isfinite(answer.scores).all():
        reason = f"{int((~np.isfinite(answer.scores)).sum())} scores are not finite"
    elif not np.isin(answer.labels, np.arange(classes)).all():
        reason = f"labels must be 0 to {classes - 1}"
    else:
        return replace(answer, labels=answer.labels.astype(np.int64))
    return replace(answer, status=status, reason=reason)


def _tail(log: BinaryIO) -> tuple[str, ...]:
    """Return the last lines of a worker's output, whatever it did to the name of the file."""
    start = max(0, os.fstat(log.fileno()).st_size - LOG_BYTES)
    text = os.pread(log.fileno(), LOG_BYTES, start).decode(errors="replace")
    lines = [line for line in text.splitlines() if not line.startswith(MODULES)]
    return tuple(printable(line)[:400] for line in lines[-LOG_LINES:])
