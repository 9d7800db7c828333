"""The template: a small process that has imported torch, run nothing and never held truth.

Workers for the CPU are forked from it, so that a cell does not pay seconds of imports. It is told
by one byte on its channel, with a descriptor, to fork a worker on that descriptor. It reports each
worker's start and end as JSON lines, and ends them all when the parent goes.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from harness.kernel import adopt_orphans, die_with
from harness.protocol import Ended, Started
from harness.running import worker

WATCH_SECONDS = 0.02  # how soon the end of a worker is noticed
SHARED = (
    "sklearn.ensemble",
    "sklearn.linear_model",
    "timm",
    "torchvision.transforms.v2",
    "torch._dynamo",  # torch's optimisers import it at their first step
)


def main() -> None:
    """Serve until the parent closes the channel."""
    control, few = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    adopt_orphans()
    workers: set[int] = set()
    try:
        _serve(control, few, workers)
    except ConnectionError:
        pass  # the parent has gone without a word
    finally:
        for pid in workers:
            _kill_group(pid)
        _end_orphans(set())


def _serve(control: socket.socket, few: int, workers: set[int]) -> None:
    forked = 0
    while True:
        if forked == few:
            few = -1
            for name in SHARED:
                importlib.import_module(name)
        if select.select([control], [], [], WATCH_SECONDS if workers else None)[0]:
            order, descriptors, _, _ = socket.recv_fds(control, 1, 2)
            if not order:
                return
            pid = _fork(control, *descriptors)
            workers.add(pid)
            forked += 1
            _report(control, Started(pid=pid))
        _reap(control, workers)


def _fork(control: socket.socket, channel: int, log: int) -> int:
    template = os.getpid()
    pid = os.fork()
    if pid:
        os.close(channel)
        os.close(log)
        with suppress(OSError):  # the worker does so, too, but perhaps not in time
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        die_with(template)  # which may be killed, by Ray for one, before it can see to that
        control.close()
        os.setpgid(0, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        worker.main(socket.socket(fileno=channel))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reap(control: socket.socket, workers: set[int]) -> None:
    for pid in list(workers):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            workers.remove(pid)
            _kill_group(pid)  # whatever the method left running
            _end_orphans(workers)
            _report(control, Ended(code=os.waitstatus_to_exitcode(status)))


def _report(control: socket.socket, report: Started | Ended) -> None:
    control.sendall(report.model_dump_json().encode() + b"\n")


def _end_orphans(workers: set[int]) -> None:
    """End what a method left running in a group of its own, where the template has adopted it."""
    ended: set[int] = set()
    while orphans := _children() - workers - ended:  # whose own children come next
        for pid in orphans:
            with suppress(PermissionError, ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        ended |= orphans


def _children() -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            _, parent, *_ = status.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid():
                found.add(int(status.parent.name))
    return found


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
