"""Freed memory that stays with a process."""

import subprocess
import sys

import pytest

TURNS, MIB = 20, 64
PROGRAM = f"""
import resource
import torch
from harness.memory import keep_freed_memory

if {{keep}}:
    keep_freed_memory()
for turn in range({TURNS} + 1):
    torch.ones({MIB} * 2**18)
    if turn == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


def faulted(*, keep: bool) -> int:
    """Return the bytes that a process was given anew for tensors of one size."""
    program = [sys.executable, "-c", PROGRAM.format(keep=keep)]
    return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other allocators stay as they are")
def test_a_tensor_takes_the_place_of_the_last_one():
    assert faulted(keep=True) < faulted(keep=False) / 2
