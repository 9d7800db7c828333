"""Watching a worker: what it tries that it may not, and the memory it takes."""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.reach import DEVICES, Reach

MOST = 20  # attempts that are told of
READ, WRITE = "read", "write"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # audit event → what it does, and which of its arguments are paths
    "os.chmod": (WRITE, (0,)),
    "os.chown": (WRITE, (0,)),
    "os.link": (WRITE, (1,)),
    "os.listdir": (READ, (0,)),
    "os.mkdir": (WRITE, (0,)),
    "os.remove": (WRITE, (0,)),
    "os.rename": (WRITE, (0, 1)),
    "os.rmdir": (WRITE, (0,)),
    "os.scandir": (READ, (0,)),
    "os.symlink": (WRITE, (1,)),
    "os.truncate": (WRITE, (0,)),
    "os.utime": (WRITE, (0,)),
    "sqlite3.connect": (WRITE, (0,)),
}
_NETWORK = {"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"}
_WATCHED = {"open", *_PATHS, *_NETWORK}
REMEDY = {
    READ: "a method sees what it is handed and nothing else",
    WRITE: "write into tools.scratch or tools.checkpoints",
}
CHANGE = ("change its inputs", "work on a copy of them")


def watch(reach: Reach) -> list[str]:
    """Refuse, and note, whatever this process tries outside its reach, until it ends.

    It sees what goes through Python's own functions, by the events of PEP 578. What a library does
    in C or a child process is not seen; what keeps these is the kernel, where it does. Reading is
    watched on Linux alone, where it is known what Python reads of the system.

    Returns:
        A list that fills with what was tried, in words.
    """
    own = [os.path.realpath(folder) for folder in reach.writable]
    open_to_read = [*map(str, (*reach.readable, *reach.inputs)), *own, *map(str, DEVICES)]
    listed = {os.path.realpath(entry) for entry in sys.path}
    tried: list[str] = []

    def allows(does: str, place: str) -> bool:
        if does == WRITE:
            return _within(place, [*own, *map(str, DEVICES)])
        if sys.platform != "linux" or place in listed or not Path(place).exists():
            return True
        return _within(place, [*open_to_read, f"/proc/{os.getpid()}"])

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _WATCHED:
            return
        if event in _NETWORK:
            _refuse(tried, "use the network", "weights come from tools.network and tools.features")
        for does, path in _touched(event, arguments):
            place = os.path.realpath(os.fsdecode(path))
            if not allows(does, place):
                is_input = Path(place) in reach.inputs
                _refuse(tried, *(CHANGE if is_input else (f"{does} {place}", REMEDY[does])))

    sys.addaudithook(note)
    return tried


def peak_bytes() -> int:
    """Return the largest resident memory that this process had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _refuse(tried: list[str], what: str, remedy: str) -> None:
    text = f"tried to {what}; {remedy}"
    if text not in tried and len(tried) < MOST:
        tried.append(text)
    raise PermissionError(errno.EACCES, text)


def _within(place: str, folders: list[str]) -> bool:
    return any(place == folder or place.startswith(folder + os.sep) for folder in folders)


def _touched(event: str, arguments: tuple[Any, ...]) -> Iterator[tuple[str, str | bytes]]:
    """Yield what an audit event does to which path."""
    if event in _PATHS:
        does, places = _PATHS[event]
        paths = [arguments[index] for index in places]
    elif event == "open":
        path, mode, flags = arguments
        does = WRITE if set(mode or "") & set("wax+") or (flags or 0) & _WRITING else READ
        paths = [path]
    else:
        paths = []
    for path in paths:
        if isinstance(path, str | bytes | os.PathLike):  # a number is a file that is open already
            yield does, os.fspath(path)
