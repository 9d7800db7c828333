"""What a process and its children hold, as the system tells it."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.running.limits import memory_is_told, memory_of

MB = 10**6
HOLDS = """
import os, sys, time
kept = bytearray(os.urandom(1 << 20)) * 100
for _ in range(int(sys.argv[1])):
    if not os.fork():
        own = bytearray(os.urandom(1 << 20)) * 30
        break
print(flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not memory_is_told(), reason="the system does not tell")


@pytest.mark.parametrize("children", [0, 2])
def test_memory_of_children_counts_and_what_they_share_counts_once(children):
    command = [sys.executable, "-c", HOLDS, str(children)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for _ in range(children + 1):
            process.stdout.readline()
        held = memory_of(process.pid, 0)
        bound = memory_of(process.pid, 10**12)
        for line in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            subprocess.run(["kill", line], check=True)
        process.kill()
    own = (105 + 31 * children) * MB
    assert own < held < own + 60 * MB
    assert bound > held + 2 * 90 * MB if children else bound == held


def test_a_process_that_has_ended_holds_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert memory_of(process.pid, 0) == 0
