"""Watching a worker: the files it touches outside its folder, and the memory it takes."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST = 20  # paths that are told of
NO_FILES = ("/dev/", "/proc/")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = {  # audit event → which of its arguments are paths
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "sqlite3.connect": (0,),
}


def watch_writes(*folders: str | Path) -> list[str]:
    """Note every path outside ``folders`` that this process writes, makes, renames or removes.

    It sees what goes through Python's own functions, by the events of PEP 578, until the process
    ends. Files that a library opens in C are not seen, nor those of a child process, and compiled
    modules do not count.

    Returns:
        A list that fills with absolute paths.
    """
    inside = tuple(os.path.realpath(folder) + os.sep for folder in folders)
    touched: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        for path in _changed(event, arguments):
            place = os.path.realpath(os.fsdecode(path))
            beside = f"{place}{os.sep}".startswith(inside + NO_FILES) or "__pycache__" in place
            if not beside and place not in touched and len(touched) < MOST:
                touched.append(place)

    sys.addaudithook(note)
    return touched


def peak_bytes() -> int:
    """Return the largest resident memory that this process had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _changed(event: str, arguments: tuple[Any, ...]) -> Iterator[str | bytes]:
    """Return the paths that an audit event writes, makes or takes away."""
    if event == "open":
        path, mode, flags = arguments
        writes = set(mode or "") & set("wax+") or (flags or 0) & _WRITING
        places = [path] if writes else []
    else:
        places = [arguments[index] for index in _CHANGING.get(event, ())]
    for place in places:
        if isinstance(place, str | bytes | os.PathLike):  # a number is a file that is open already
            yield os.fspath(place)
