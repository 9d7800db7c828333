"""What a process may use of the machine."""

import os
import subprocess
import sys

import pytest

TURNS, MIB = 20, 64
PROGRAM = f"""
import resource
import torch
from harness.machine import keep_freed_memory

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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away")
def test_only_the_cores_that_a_scheduler_leaves_are_counted():
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    program += "from harness.machine import cores; print(cores())"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "1\n"
