"""The Ray engine: cells of a plan side by side on the nodes of a Ray cluster.

The driver, this process, keeps the truth: it seals each case, sends it to whichever node has room,
and gets answers back (:mod:`harness.running.node`). Long cells start first.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import (
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)

from harness.datasets.cases import Case
from harness.errors import BenchError
from harness.files import cache_dir
from harness.running.admission import Facts, Node, admit, alive
from harness.running.answers import Answers, Key
from harness.running.claims import OwnFolder
from harness.running.engine import Answer, Cases, Hearing, Settings
from harness.running.node import Bulletin, Errand, run_errand
from harness.running.plan import Cell, Plan
from harness.running.question import Question, pose
from harness.running.records import Status
from harness.running.services import FeatureActor, Services, asked

TICK = 0.5  # seconds between two looks at what the nodes have to say
SOON = 5.0  # seconds in which a cluster that is there takes a connection
LOSSES = 2  # times that a cell may take its process or node along before it is given up
GPU_SHARE = 0.25  # of a cell that trains nothing; one that trains has a device to itself
PASSED_ON = (
    "BENCH_CACHE_LIMIT", "BENCH_DISABLE_PLUGINS", "HF_HUB_OFFLINE", "OMP_WAIT_POLICY",
)  # fmt: skip
LOST = (
    LocalRayletDiedError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError,
)  # fmt: skip


@dataclass(eq=False)
class _Underway:
    """A cell that is being answered."""

    cell: Cell
    number: int
    keys: list[Key]
    known: dict[int, Answer]  # by the place of the case: given to another cell before
    questions: list[Question]  # of the other cases
    folder: Path
    losses: int = 0
    pixels: dict[Path, Any] = field(default_factory=dict)

    def put_together(self, given: Sequence[Answer]) -> list[Answer]:
        """Return the answers to its cases, those known before among them, up to a bad one."""
        new, answers = iter(given), []
        for place in range(len(self.keys)):
            answer = self.known.get(place) or next(new)
            answers.append(answer)
            if answer.status is not Status.OK:
                break
        return answers


class RayEngine:
    """Cells on a Ray cluster; see :class:`harness.running.engine.Engine`.

    Args:
        settings: how cells run; the device ``auto`` is ``cuda`` if some node has one.
        address: HOST:PORT of the cluster; ``None`` or ``auto`` for that of this machine.
        carry: the nodes do not see this machine's cache folder.

    Raises:
        BenchError: the cluster is not there, is of another version, or has no such device.
    """

    def __init__(self, settings: Settings, address: str | None, *, carry: bool) -> None:
        if carry and settings.precision == "auto":
            remedy = "the nodes would choose each for themselves; name one"
            raise BenchError(f"--precision auto with --carry: {remedy}")
        _connect(address, carry=carry)
        self._carry = carry
        self._nodes = alive()
        self.settings = replace(settings, device=_device(settings.device, self._nodes))
        self._folder = OwnFolder(cache_dir().resolve() / "runs", f"{os.getpid()}-")
        self._underway: dict[Any, _Underway] = {}
        self._put: dict[tuple[str, ...], Any] = {}  # pixels in Ray's store, by their digests
        self._actors: dict[str, list[Any]] = {}
        self._bulletin: Any = None
        self._news: Any = None  # asked for and not come yet
        self._ours: Facts | None = None

    @property
    def slots(self) -> int:
        """As many as have their threads, or a GPU each."""
        if self.settings.device == "cuda":
            return sum(int(node.gpus) for node in self._nodes)
        return sum(int(node.cpus // self.settings.threads) for node in self._nodes)

    def warm_up(self, cells: Sequence[Cell]) -> None:
        """Check the nodes and start a feature service for each device.

        Raises:
            BenchError: a node is not as this one, or none has what a cell asks for.
        """
        families = sorted({cell.card.family for cell in cells})
        weights = self.settings.weights
        self._ours = admit(self._nodes, families, weights, carry=self._carry)
        for cell in cells:
            _fits(cell, self.settings, self._nodes)
        here = ray.get_runtime_context().get_node_id()
        [home] = [node.here for node in self._nodes if node.id == here]
        board = ray.remote(Bulletin).options(num_cpus=0, scheduling_strategy=home)
        self._bulletin = board.remote()
        for node in self._nodes:
            devices = range(int(node.gpus)) if self.settings.device == "cuda" else [None]
            own = {"BENCH_CACHE": str(cache_dir().resolve())} if node.id == here else {}
            service = ray.remote(FeatureActor).options(
                num_cpus=0,
                max_restarts=-1,
                scheduling_strategy=node.here,
                runtime_env={"env_vars": own},  # the store of this machine is this process's
            )
            self._actors[node.id] = [service.remote(self.settings, gpu) for gpu in devices]

    def fetch(self, backbone: str) -> None:
        """See :meth:`harness.running.engine.Engine.fetch`; every node has its own copy."""
        for reference in [one.fetch.remote(backbone) for one in self._services().every]:
            asked(reference)

    def answers(
        self, plan: Plan, cases: Cases, hearing: Hearing
    ) -> Iterator[tuple[Cell, list[Answer]]]:
        """See :meth:`harness.running.engine.Engine.answers`: long cells go first."""
        waiting, memory = list(enumerate(plan.longest_first)), Answers()
        most = 2 * int(sum(node.cpus for node in self._nodes))  # some wait, so no node is idle
        while waiting or self._underway:
            while len(self._underway) < most and (begun := self._next(waiting, cases, memory)):
                if begun.questions:
                    self._submit(begun)
                else:
                    yield begun.cell, begun.put_together([])
            done, _ = ray.wait(list(self._underway), num_returns=1, timeout=TICK)
            self._hear(hearing)
            for reference in done:
                ended = self._underway.pop(reference)
                given = self._given(reference, ended)
                if given is None:
                    self._submit(ended)
                    continue
                answers = ended.put_together(given)
                for key, answer in zip(ended.keys, answers, strict=False):
                    memory.keep(key, answer)
                yield ended.cell, answers

    def close(self) -> None:
        """End all that runs for this driver on the cluster, and remove its folder."""
        left = list(self._underway)
        for reference in left:
            ray.cancel(reference, force=True)
        if left:  # a driver that goes at once takes its orders along
            ray.wait(left, num_returns=len(left), timeout=SOON)
        ray.shutdown()
        self._folder.remove()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(
        self, waiting: list[tuple[int, Cell]], cases: Cases, memory: Answers
    ) -> _Underway | None:
        """Take the first cell none of whose questions is being answered for another one."""
        busy = {key for other in self._underway.values() for key in other.keys}
        for place, (number, cell) in enumerate(waiting):
            asked_of = cases(cell)
            keys = [memory.key(cell, case) for case in asked_of]
            if busy.isdisjoint(keys):
                del waiting[place]
                return self._begin(number, cell, asked_of, keys, memory)
        return None

    def _begin(
        self, number: int, cell: Cell, cases: Sequence[Case], keys: list[Key], memory: Answers
    ) -> _Underway:
        folder = self._folder.path / str(number)
        begun = _Underway(cell, number, keys, {}, [], folder)
        for place, (case, key) in enumerate(zip(cases, keys, strict=True)):
            known = memory.known(key)
            if known is not None:
                begun.known[place] = known
                continue
            sealed = folder / str(place)
            sealed.mkdir(parents=True)
            begun.questions.append(pose(cell, case, sealed))
        if self._carry:
            begun.pixels = self._carried(begun.questions)
        return begun

    def _carried(self, questions: Sequence[Question]) -> dict[Path, Any]:
        """Put pixels into Ray's object store, a set once."""
        pixels = {}
        for sealed in (sealed for question in questions for sealed in question.sets.values()):
            if sealed.digests not in self._put:
                self._put[sealed.digests] = ray.put(np.load(sealed.path, mmap_mode="r"))
            pixels[sealed.path] = self._put[sealed.digests]
        return pixels

    def _submit(self, begun: _Underway) -> None:
        _fits(begun.cell, self.settings, self._nodes)
        errand = Errand(begun.number, tuple(begun.questions), begun.pixels, self._ours)
        wants = _wants(begun.cell, self.settings)
        task = ray.remote(run_errand).options(**wants, max_retries=0)
        reference = task.remote(errand, self.settings, self._services(), self._bulletin)
        self._underway[reference] = begun

    def _given(self, reference: Any, ended: _Underway) -> list[Answer] | None:
        """Return what a node answered; ``None`` where the cell has to be run again."""
        try:
            given: list[Answer] = asked(reference)
        except (RayActorError, ActorUnschedulableError):  # of a service on a node that is lost
            self._nodes = alive()
            return None
        except LOST as error:
            self._nodes = alive()
            ended.losses += 1
            if ended.losses < LOSSES:
                return None
            how = str(error).strip().splitlines()[0]
            reason = f"its process on a node was lost {LOSSES} times ({how[:200]})"
            return [Answer(Status.CRASHED, reason)]
        return given

    def _hear(self, hearing: Hearing) -> None:
        self._news = self._news or self._bulletin.news.remote()
        if not ray.wait([self._news], timeout=0)[0]:
            return  # whoever collects them has not started yet
        news, self._news = asked(self._news), None
        numbered = {begun.number: begun.cell for begun in self._underway.values()}
        for number, (what, done, of) in news.items():
            if number not in numbered:
                continue
            if what:
                hearing.progress(f"{numbered[number].card.name}: {what}", done, of)
            else:
                hearing.cell(numbered[number])

    def _services(self) -> Services:
        here = {node.id for node in self._nodes}
        home = ray.get_runtime_context().get_node_id() if self._carry else None
        return Services({node: a for node, a in self._actors.items() if node in here}, home)


def _wants(cell: Cell, settings: Settings) -> dict[str, Any]:
    """Return what a cell asks of a node: no more cores than help it."""
    card = cell.card
    memory = card.memory or settings.limits.memory
    gpus = card.gpus or (1.0 if card.trains else GPU_SHARE)
    return {
        "num_cpus": min(settings.threads, card.cpus or settings.threads),
        "num_gpus": gpus if settings.device == "cuda" else 0,
        **({"memory": memory} if memory else {}),
    }


def _fits(cell: Cell, settings: Settings, nodes: Sequence[Node]) -> None:
    """Refuse a cell that no node has room for, and which would wait for ever."""
    wants = _wants(cell, settings)
    cpus, gpus, memory = wants["num_cpus"], wants["num_gpus"], wants.get("memory", 0)
    if any(cpus <= n.cpus and gpus <= n.gpus and memory <= n.memory for n in nodes):
        return
    asked_for = f"{cpus} cores, {gpus:g} GPUs and {memory / 1e9:.1f} GB"
    remedy = "lower --threads or --memory-limit, or add a node"
    raise BenchError(f"--engine ray: no node has {asked_for} for {cell.card.name}; {remedy}")


def _device(wanted: str, nodes: Sequence[Node]) -> str:
    has_gpus = any(node.gpus > 0 for node in nodes)
    if wanted == "auto":
        return "cuda" if has_gpus else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise BenchError(f"--device {wanted}: with --engine ray choose auto, cpu or cuda")
    if wanted == "cuda" and not has_gpus:
        raise BenchError("--device cuda: no node of the Ray cluster has a GPU; see: ray status")
    return wanted


def _connect(address: str | None, *, carry: bool) -> None:
    """Make this process a driver of the cluster.

    Raises:
        BenchError: it is not there, or of another version of Ray or Python.
    """
    remedy = "start one with: ray start --head; or name it: --address HOST:PORT"
    found = _find(address)
    if found is not None and not _takes_connections(found):
        raise BenchError(f"--engine ray: there is no Ray cluster at {found}; {remedy}")
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if not carry:
        passed["BENCH_CACHE"] = str(cache_dir().resolve())
    try:
        ray.init(
            address=found or "auto",
            runtime_env={"env_vars": passed},
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except ConnectionError:
        raise BenchError(f"--engine ray: there is no Ray cluster here; {remedy}") from None
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        remedy = "install the same here and there, and run this on a node of the cluster"
        raise BenchError(f"--engine ray: {text}; {remedy}") from None


def _find(address: str | None) -> str | None:
    """Return HOST:PORT of the cluster; ``None`` where Ray has to look for it."""
    if address not in (None, "auto"):
        return address
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    here = noted.read_text().strip() if noted.is_file() else None
    return os.environ.get("RAY_ADDRESS") or here


def _takes_connections(address: str) -> bool:
    """Tell whether anyone listens; Ray itself would try for minutes.

    Raises:
        BenchError: that is no address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise BenchError(f"--address {address}: write HOST:PORT, as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host, int(port)), SOON).close()
    except (OSError, OverflowError):
        return False
    return True
