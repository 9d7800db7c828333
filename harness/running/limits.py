"""What a method may take for one case, and the watch that is kept on its worker from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from harness.channel import Channel
from harness.running.processes import descendants
from harness.running.records import Status

TICK = 0.1  # seconds between two looks at a worker
OUTPUT_BYTES = 100 * 10**6  # of what a worker prints; its log is a file beside the run
ANONYMOUS = ("RssAnon:", "RssShmem:", "VmSwap:")  # of /proc/PID/status
SHARE = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")  # of /proc/PID/smaps_rollup, slower to read

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What a method may take for one case: a fold, or a pool; ``None`` for all it wants."""

    seconds: float | None = None  # while the feature service works for it they do not count
    memory: int | None = None  # bytes that its processes hold together, mapped files left out


class OverrunError(Exception):
    """A worker exceeds a limit."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Watch:
    """Listens to a worker, and looks now and then at what it takes.

    Args:
        pid: of the worker.
        log: of its output, open.
        limits: that it has to keep.
    """

    def __init__(self, pid: int, log: BinaryIO, limits: Limits) -> None:
        self._pid, self._log, self._limits = pid, log, limits
        self._since = self._due = time.monotonic()

    def hear(self, channel: Channel[T]) -> T:
        """Return the worker's next message.

        Raises:
            ChannelClosedError, ProtocolError: as :meth:`Channel.receive`.
            OverrunError: it exceeds a limit.
        """
        while True:
            self._look()
            with suppress(TimeoutError):
                return channel.receive(TICK)

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Leave out of the worker's time what the block takes."""
        begun = time.monotonic()
        yield
        self._since += time.monotonic() - begun

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + TICK
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and now - self._since > seconds:
            raise OverrunError(
                Status.TIMEOUT,
                f"no answer within the time limit of {seconds:g} s; the log shows where it was",
            )
        if memory is not None and (taken := memory_of(self._pid, memory)) > memory:
            raise OverrunError(
                Status.CRASHED,
                f"its processes held {_megabytes(taken)} of memory, more than the limit of "
                f"{_megabytes(memory)}; the log shows where it was",
            )
        if os.fstat(self._log.fileno()).st_size > OUTPUT_BYTES:
            raise OverrunError(Status.CRASHED, f"it printed more than {_megabytes(OUTPUT_BYTES)}")


def memory_of(pid: int, enough: int) -> int:
    """Return the bytes that a process and its descendants hold, mapped files left out.

    Args:
        pid: of the process.
        enough: up to here a quick upper bound will do, which counts the pages that processes
            share after a fork for each of them.
    """
    family = [pid, *descendants(pid)]
    bounds = {member: _sum(member, "status", ANONYMOUS) for member in family}
    bound = sum(bounds.values())
    if bound <= enough or len(family) == 1:
        return bound
    return sum(_sum(p, "smaps_rollup", SHARE) or bounds[p] for p in family)


def memory_is_told() -> bool:
    """Tell whether this system says what processes hold and whose children they are: Linux does."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _sum(pid: int, file: str, fields: tuple[str, ...]) -> int:
    """Return the sum of fields in bytes; 0 for a process that has ended or keeps it to itself."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(fields))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
