"""The processes that run workers: forked from a template, or spawned where a fork will not do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

from harness.cards import THREADS
from harness.channel import Channel, ChannelClosedError
from harness.errors import BenchError
from harness.protocol import Ended, FromTemplate, Started

MOMENT = 10.0  # seconds that a worker has for ending by itself
CLOSING = 1.0  # seconds that the template has: after Ctrl-C a person waits for it
FEW = 4  # workers, before the imports that many methods share are worth their seconds
_CRASH = ": compiled code crashed; the log shows where it was called"
SIGNALS = {  # what usually sends it
    "SIGABRT": ": compiled code gave up; the log shows where it was called",
    "SIGBUS": ": a mapped file was cut off, or a disk or /dev/shm is full",
    "SIGFPE": _CRASH,
    "SIGILL": _CRASH,
    "SIGKILL": ": killed from outside, most often because the system ran out of memory",
    "SIGSEGV": _CRASH,
}
KEPT_ENVIRONMENT = (
    "PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY", "BENCH_DISABLE_PLUGINS",
)  # fmt: skip


class Worker(ABC):
    """A started worker, which leads a process group of its own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        with suppress(OSError):  # where memory runs out the system takes it before the harness
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")

    def wait(self) -> int | None:
        """Wait a moment for its end, then end it.

        Returns:
            The exit code, negative for a signal; ``None`` where it had to be ended.

        Raises:
            TimeoutError, ChannelClosedError: whoever should report its end does not.
        """
        with suppress(TimeoutError, ChannelClosedError):
            return self._code(MOMENT)
        self.kill()
        self._code(MOMENT)
        return None

    def abort(self) -> None:
        """Have it show in its log where it is, and end."""
        _signal(self.pid, signal.SIGABRT)

    def kill(self) -> None:
        """End it and its children now."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _signal(self.pid, signal.SIGKILL)

    @abstractmethod
    def _code(self, within: float) -> int:
        """Return its exit code, or raise TimeoutError, or ChannelClosedError: nobody knows it."""


class Template:
    """The process that CPU workers are forked from.

    Args:
        threads: that the libraries of a worker may use; several workers may share a machine.
        few: workers that are forked before it imports what many methods share.
    """

    def __init__(self, threads: int, few: int = FEW) -> None:
        ours, theirs = socket.socketpair()
        command = [
            sys.executable, "-P", "-m", "harness.running.template", str(theirs.fileno()), str(few)
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            env=_environment(threads), start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._control = ours
        self._reports = Channel[Started | Ended](ours, FromTemplate)

    @property
    def ended(self) -> bool:
        """Whether it is no more; a method can do that."""
        return self._process.poll() is not None

    def fork(self, channel: socket.socket, log: int) -> Worker:
        """Fork a worker onto one end of a channel, its output going to ``log``.

        Raises:
            BenchError: it cannot.
        """
        try:
            socket.send_fds(self._control, [b"F"], [channel.fileno(), log])
            started = self._reports.receive()
        except (OSError, ChannelClosedError):
            code = self._process.wait()
            raise BenchError(f"no worker can be started (exit {code}); see above why") from None
        assert isinstance(started, Started)
        return Forked(started.pid, self._reports)

    def close(self) -> None:
        """End the template and its workers."""
        self._control.close()
        try:
            self._process.wait(CLOSING)
        except subprocess.TimeoutExpired:  # it imports, or a method has stopped it
            for pid in descendants(self._process.pid):
                _signal(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()


class Forked(Worker):
    """A worker forked from the template, which reports its end."""

    def __init__(self, pid: int, reports: Channel[Started | Ended]) -> None:
        super().__init__(pid)
        self._reports = reports

    def _code(self, within: float) -> int:
        report = self._reports.receive(within)
        assert isinstance(report, Ended)
        return report.code


class Spawned(Worker):
    """A worker of its own, for devices whose state does not survive a fork."""

    def __init__(self, channel: socket.socket, log: int, threads: int) -> None:
        command = [sys.executable, "-P", "-m", "harness.running.worker", str(channel.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[channel.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=_environment(threads), start_new_session=True,
        )  # fmt: skip
        super().__init__(self._process.pid)

    def _code(self, within: float) -> int:
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None


def descendants(pid: int) -> list[int]:
    """Return the children of a process and theirs; none where the system does not tell them."""
    family = [pid]
    for parent in family:
        with suppress(OSError):  # it has just ended
            for file in Path(f"/proc/{parent}/task").glob("*/children"):
                family += map(int, file.read_text().split())
    return family[1:]


def ending(code: int | None) -> str:
    """Say how a worker ended that gave no answer, and what that most likely means."""
    if code is None:
        return "it gave up its channel to the harness, went on, and was killed"
    if code >= 0:
        return f"exit {code}; a method returns or raises, it does not end its process"
    known = {number.value: number.name for number in signal.Signals}
    name = known.get(-code, "unknown")
    return f"signal {-code}, {name}{SIGNALS.get(name, '')}"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _environment(threads: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return {
        **kept,
        **dict.fromkeys(THREADS, str(threads)),
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
        "PYTHONFAULTHANDLER": "1",  # whoever crashes shows in its log where it was
        "PYTHONWARNINGS": "ignore",
    }
