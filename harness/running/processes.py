"""The processes that run workers: forked from a template, or spawned where a fork will not do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Protocol

from harness.channel import Channel
from harness.protocol import Ended

FEW = 4  # workers, before the imports that many methods share are worth their seconds
KEPT_ENVIRONMENT = (
    "PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY", "BENCH_DISABLE_PLUGINS",
)  # fmt: skip


class Worker(Protocol):
    """A started worker."""

    def wait(self) -> int:
        """Wait for its end; return the exit code, negative for a signal."""

    def kill(self) -> None:
        """End it now."""


class Template:
    """The process that CPU workers are forked from.

    Args:
        few: workers that are forked before it imports what many methods share.
    """

    def __init__(self, few: int = FEW) -> None:
        ours, theirs = socket.socketpair()
        command = [
            sys.executable, "-P", "-m", "harness.running.template", str(theirs.fileno()), str(few)
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=_environment(),
            start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._control = ours
        self._reports = Channel[Ended](ours, Ended)

    def fork(self, channel: socket.socket, log: int) -> Worker:
        """Fork a worker onto one end of a channel, its output going to ``log``."""
        socket.send_fds(self._control, [b"F"], [channel.fileno(), log])
        return Forked(self._control, self._reports)

    def close(self) -> None:
        """End the template and its workers."""
        self._control.close()
        self._process.wait()


class Forked(Worker):
    """A worker forked from the template, which reports its end."""

    def __init__(self, control: socket.socket, reports: Channel[Ended]) -> None:
        self._control, self._reports = control, reports

    def wait(self) -> int:
        """Wait for the template's report."""
        return self._reports.receive().code

    def kill(self) -> None:
        """Have the template end it."""
        self._control.sendall(b"K")


class Spawned(Worker):
    """A worker of its own, for devices whose state does not survive a fork."""

    def __init__(self, channel: socket.socket, log: int) -> None:
        command = [sys.executable, "-P", "-m", "harness.running.worker", str(channel.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[channel.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=_environment(), start_new_session=True,
        )  # fmt: skip

    def wait(self) -> int:
        """Wait for the process."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "PYTHONWARNINGS": "ignore"}
