"""Folders that belong to one process, until it lets go or ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_DAYS = 14  # checkpoints of a fit that was interrupted and never taken up again


class OwnFolder:
    """A new folder that is this process's own; those of processes that are gone are removed.

    Args:
        root: where it is made.
        prefix: of its name.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        for old in root.iterdir():
            with _tried(old) as mine:
                if mine:
                    shutil.rmtree(old, ignore_errors=True)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
            self._lock = _lock(self.path, how=0)
            if self._lock is not None or self.path.exists():
                return  # else another process took it for the folder of one that is gone

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block with a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder, how=0)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def claimed(folder: Path, instead: Path) -> Iterator[Path]:
    """Give a folder to this process, or ``instead`` where another one is at work in it.

    The folder goes when the block succeeds, and is kept for whoever goes on when it does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _tried(folder) as mine:
        if not mine:
            instead.mkdir()
            yield instead
            return
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def sweep_fits(fits: Path) -> None:
    """Remove checkpoints that nobody came back for."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for folder in fits.glob("*"):
        with _tried(folder) as mine:
            if mine and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _tried(folder: Path) -> Iterator[bool]:
    """Tell whether a folder could be locked for the block: no other process has it locked."""
    lock = _lock(folder, fcntl.LOCK_NB)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path, how: int) -> int | None:
    """Lock a folder until the descriptor that is returned is closed, or the process ends.

    Args:
        folder: the folder.
        how: ``fcntl.LOCK_NB``, or 0 to wait for whoever has it.

    Returns:
        ``None`` where another process has it, it is gone or not ours to open, or the file system
        has no such locks.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        if os.path.samestat(folder.stat(), os.fstat(descriptor)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
