"""What a process that imports plugins may reach: what it is given, and what Python itself needs."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness import kernel

SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/sys", "/nix/store", "/gnu/store",
)  # fmt: skip
OF_PREFIX = ("bin", "lib", "lib64", "include", "share", "etc", "pyvenv.cfg")
PROCESS = (
    "self", "cpuinfo", "meminfo", "stat", "sys", "version", "uptime", "loadavg", "filesystems",
)  # fmt: skip
DEVICES = tuple(  # the last one for semaphores, without which Python has no pool of threads
    Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom", "shm")
)
PACKAGES = ("site-packages", "dist-packages")
MODULES = (".py", ".pyc", ".so", ".dist-info", ".egg-info")


@dataclass(frozen=True)
class Reach:
    """Files and folders, with all that lies below them."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()  # the sealed images, which are readable, too

    def shut_in(self, device: str) -> None:
        """Have the kernel keep this process within its reach, where it can.

        An accelerator's driver has files and sockets of its own: who works on one stays free.
        """
        if kernel.protection(device) != kernel.PROCESS:
            kernel.confine((*self.readable, *self.inputs), self.writable, DEVICES)


def reach_of(
    packages: Iterable[str],
    writable: Iterable[Path],
    inputs: Iterable[Path] = (),
    shared: Iterable[Path] = (),
) -> Reach:
    """Return what a process may reach; to be asked before it is shut in.

    Args:
        packages: of the plugins, which are found and not imported.
        writable: its own folders.
        inputs: images that it is handed.
        shared: folders that others hand files of to it.
    """
    find_spec("no_such_module")  # has every finder list its folder, which later may not be listed
    found = [place for package in packages for place in _package(package)]
    proc = (Path("/proc", name) for name in PROCESS)
    return Reach(
        _resolved([*map(Path, SYSTEM), *proc, *_python(), *found, *shared]),
        _resolved(writable),
        _resolved(inputs),
    )


def _resolved(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))


def _python() -> Iterator[Path]:
    """Yield where this Python and its packages lie.

    A folder on the path that is not of the installation, as a checkout is, may hold data, too: of
    that only what can be imported.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    whole = [Path(prefix, part) for prefix in prefixes for part in OF_PREFIX]
    whole += map(Path, sysconfig.get_paths().values())
    yield from whole
    for entry in map(Path, filter(None, sys.path)):
        if entry.name in PACKAGES or entry.is_file():
            yield entry
        elif entry.is_dir() and not any(entry.is_relative_to(place) for place in whole):
            yield from (path for path in entry.iterdir() if _can_be_imported(path))


def _can_be_imported(path: Path) -> bool:
    return path.suffix in MODULES or (path / "__init__.py").is_file()


def _package(name: str) -> Iterator[Path]:
    """Yield where a package or module lies; a namespace package has several folders."""
    spec = find_spec(name)
    if spec is not None and spec.origin:
        yield Path(spec.origin)
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())
