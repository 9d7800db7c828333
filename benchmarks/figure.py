"""A figure: the ratio of two things that were timed in turn in one run."""

from __future__ import annotations

import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.machine import cores

REPEATS = 5  # alternations; the median of their ratios is the figure
Step = Callable[[], Any]


@dataclass(frozen=True)
class Size:
    """How much work a benchmark does: the sizes of the table, or tiny ones for a try."""

    quick: bool

    @property
    def repeats(self) -> int:
        """Return the number of alternations."""
        return 1 if self.quick else REPEATS

    def __call__(self, full: Any, tiny: Any) -> Any:
        """Return the full size or the tiny one."""
        return tiny if self.quick else full


@dataclass(frozen=True)
class Figure:
    """What a benchmark found."""

    ratio: float
    unit: str
    target: str  # such as ">= 0.95"
    repeats: int
    note: str  # what the two sides took, and what was of a smaller size than it should be

    @property
    def reached(self) -> bool:
        """Tell whether the target is reached."""
        sign, bound = self.target.split()
        return self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)


@dataclass(frozen=True)
class Comparison:
    """Two things timed in turn."""

    first: tuple[float, ...]  # seconds
    second: tuple[float, ...]

    def ratio(self) -> float:
        """Return the median of first / second."""
        pairs = zip(self.first, self.second, strict=True)
        return statistics.median(first / second for first, second in pairs)

    def share(self) -> float:
        """Return the median of second / first."""
        return Comparison(self.second, self.first).ratio()

    def medians(self) -> tuple[float, float]:
        """Return the median seconds of both."""
        return statistics.median(self.first), statistics.median(self.second)


def alternate(first: Step, second: Step, repeats: int) -> Comparison:
    """Run two things in turn, each once before without counting it.

    Each returns the seconds that it took, or ``None`` to have its whole call timed.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for count in range(repeats + 1):
        for step, taken in zip((first, second), seconds, strict=True):
            own = timed(step)
            if count:
                taken.append(own)
    return Comparison(tuple(seconds[0]), tuple(seconds[1]))


def timed(step: Step) -> float:
    """Return the seconds that a step says it took, or that its call took."""
    start = time.perf_counter()
    said = step()
    return said if isinstance(said, float) else time.perf_counter() - start


class Side:
    """A step in a process of its own, where no other library's threads are in its way."""

    def __init__(self, prepare: Callable[..., Step], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, arguments))
        self._process.start()
        theirs.close()
        self._ours.recv()

    def __call__(self) -> float:
        """Take the step there and return its seconds."""
        self._ours.send(True)
        seconds, self.result = self._ours.recv()
        return float(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.join()


def _serve(channel: Any, prepare: Callable[..., Step], arguments: tuple[Any, ...]) -> None:
    step = prepare(*arguments)
    channel.send("ready")
    try:
        while channel.recv():
            start = time.perf_counter()
            result = step()
            channel.send((time.perf_counter() - start, result))
    except EOFError:
        return


def machine() -> str:
    """Return what the figures were measured on."""
    found = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":")[1].strip() for line in found.splitlines() if "model name" in line]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {cores()} cores, {platform.system()}, Python {platform.python_version()}"


def memory(pid: int | str, kind: str) -> int:
    """Return the bytes of a process that /proc counts as ``kind``: RssAnon, RssFile ...

    Raises:
        OSError: there is no /proc on this system, or the process is gone.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc tells no {kind}")
