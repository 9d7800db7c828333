"""What a process may use of the machine it runs on: device, cores and memory."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from harness.errors import BenchError

KEPT = 1 << 30  # bytes; larger blocks are still returned
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them


def choose_device(wanted: str) -> str:
    """Return the device to compute on; ``auto`` takes an accelerator when there is one.

    Raises:
        BenchError: the device is unknown or not on this machine.
    """
    if wanted == "auto":
        hints = (Path("/proc/driver/nvidia"), Path("/dev/kfd"), Path("/dev/dxg"))
        if sys.platform != "darwin" and not any(hint.exists() for hint in hints):
            return "cpu"  # said without importing torch
    elif wanted == "cpu":
        return wanted
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((device for device, found in there.items() if found), "cpu")
    if not there.get(wanted):
        known = "it is not on this machine" if wanted in there else "choose auto, cpu, cuda or mps"
        raise BenchError(f"--device {wanted}: {known}")
    return wanted


def cores() -> int:
    """Return how many cores this process may use, which a scheduler can make fewer than all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the memory of this machine, used or not."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def ask_for_repeatable_kernels() -> None:
    """Have an accelerator compute the same twice where it has kernels that do.

    Where it has none, torch warns. To be called before the first tensor lies on the accelerator.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)


def keep_freed_memory() -> None:
    """Tell glibc's allocator to keep what is freed; other allocators stay as they are.

    It hands a large block back to the system as soon as it is freed, and a network on a CPU frees
    and asks for the same blocks in every layer: half of its time goes into clearing fresh pages.
    ``make benchmark`` has the ratio (``kept_memory``).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, KEPT)
