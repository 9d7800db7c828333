"""What the kernel of Linux keeps a process from, once that process has asked for it.

Landlock (docs.kernel.org/userspace-api/landlock.html) limits which files a process reaches, and
a filter of system calls (seccomp, docs.kernel.org/userspace-api/seccomp_filter.html) takes from it
the network and what would reach other processes. Neither needs privileges, neither can be taken
back, and children inherit both.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

PROCESS = "process"  # the protection that every system has
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH = 1, 1
DIE_WITH = 1  # of prctl
ADOPT, NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER_MODE = 36, 38, 22, 2  # of prctl

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
REMOVE_FILE, MAKE_FILE = 1 << 5, 1 << 8
MAKE_DEVICES = 1 << 6 | 1 << 11  # character and block devices: granted nowhere
TRUNCATE = 1 << 14
RIGHTS = (13, 14, 15, 15, 16)  # how many rights on files a version knows; later ones as the last
READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
TCP = 0b11  # bind and connect
OUTSIDE = 0b11  # abstract sockets and signals to processes outside

# Sockets are the network; the others reach into processes, see what these open, open files by
# number, or leave something in the kernel that the next worker finds.
DENIED = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
            "pidfd_getfd": 438, "open_by_handle_at": 304, "inotify_init": 253,
            "inotify_init1": 294, "fanotify_init": 300, "io_uring_setup": 425, "shmget": 29,
            "semget": 64, "msgget": 68, "mq_open": 240, "add_key": 248, "request_key": 249,
            "keyctl": 250,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
            "pidfd_getfd": 438, "open_by_handle_at": 265, "inotify_init1": 26,
            "fanotify_init": 262, "io_uring_setup": 425, "shmget": 194, "semget": 190,
            "msgget": 186, "mq_open": 180, "add_key": 217, "request_key": 218, "keyctl": 219,
        },
    ),
}  # fmt: skip
X32 = 0x40000000  # set in the numbers of a second set of calls on x86_64
LOAD, EQUALS, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Step(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


@cache
def landlock_version() -> int:
    """Return the version of Landlock's interface that this kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError):
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    return 0


def protection(device: str) -> str:
    """Say in a few words what keeps a worker for ``device`` from what it may not have.

    :data:`PROCESS` is a process of its own that is told nothing; more where the kernel helps.
    """
    if device != "cpu" or not landlock_version():
        return PROCESS
    return f"landlock abi {landlock_version()}{', seccomp' if _calls_can_be_denied() else ''}"


def confine(readable: Iterable[Path], writable: Iterable[Path], devices: Iterable[Path]) -> None:
    """Keep this process and its children from everything but what is given, for good.

    It is to have one thread: others that run already are not confined.

    Args:
        readable: files and folders that may be read and executed.
        writable: folders in which everything is allowed but making devices.
        devices: files that may be read and written; of folders the files, without listing them.

    Raises:
        OSError: the kernel refused, which it does not where :func:`landlock_version` is not 0.
    """
    version = landlock_version()
    known = (1 << RIGHTS[min(version, len(RIGHTS)) - 1]) - 1
    ruleset = _Ruleset(known, TCP if version >= 4 else 0, OUTSIDE if version >= 6 else 0)
    size = ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24)
    rules = _call(CREATE_RULESET, ctypes.byref(ruleset), size, ctypes.c_uint32(0))
    try:
        for paths, rights in (
            (readable, READ),
            (writable, known & ~MAKE_DEVICES),
            (devices, READ_FILE | WRITE_FILE | TRUNCATE | MAKE_FILE | REMOVE_FILE),
        ):
            for path in paths:
                _allow(rules, path, rights & known)
        _prctl(NO_NEW_PRIVILEGES, 1, None)
        _call(RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
    if _calls_can_be_denied():
        _deny_calls()


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own, on Linux."""
    if sys.platform == "linux":
        _prctl(ADOPT, 1, None)


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent, which has forked it, is gone, on Linux."""
    if sys.platform == "linux":
        _prctl(DIE_WITH, signal.SIGKILL, None)
        if os.getppid() != parent:  # it was quicker
            os.kill(os.getpid(), signal.SIGKILL)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        if not path.is_dir():
            rights &= OF_A_FILE
        rule = _Beneath(rights, place)
        _call(ADD_RULE, ctypes.c_int(rules), ctypes.c_int(PATH_BENEATH), ctypes.byref(rule),
              ctypes.c_uint32(0))  # fmt: skip
    finally:
        os.close(place)


def _calls_can_be_denied() -> bool:
    filters = Path("/proc/sys/kernel/seccomp/actions_avail")
    return platform.machine() in DENIED and sys.maxsize > 2**32 and filters.exists()


def _deny_calls() -> None:
    """Install the filter: a program over the architecture and the number of a system call.

    A jump counts the steps between it and its aim, which is always the last one.
    """
    architecture, calls = DENIED[platform.machine()]
    numbers = calls.values()
    count = len(numbers)
    steps = [
        _Step(LOAD, 0, 0, 4),  # the architecture
        _Step(EQUALS, 0, count + 3, architecture),
        _Step(LOAD, 0, 0, 0),  # the number
        _Step(AT_LEAST, count + 1, 0, X32),
        *(_Step(EQUALS, left, 0, n) for left, n in zip(range(count, 0, -1), numbers, strict=True)),
        _Step(RETURN, 0, 0, ALLOW),
        _Step(RETURN, 0, 0, REFUSE),
    ]
    program = _Program(len(steps), (_Step * len(steps))(*steps))
    _prctl(SET_SECCOMP, FILTER_MODE, ctypes.byref(program))


def _prctl(option: int, value: int, pointer: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), pointer, None, None):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    found = int(library.syscall(ctypes.c_long(number), *arguments))
    if found < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return found
