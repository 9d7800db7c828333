"""Folders that one process holds: no other takes them, and its death sets them free."""

import os
import subprocess
import sys
import time

import pytest

from harness.running.claims import KEPT_DAYS, OwnFolder, alone, claimed, sweep_fits

HOLD = """
import sys, time
from pathlib import Path
from harness.running.claims import OwnFolder, claimed
root = Path(sys.argv[1])
mine = OwnFolder(root / "runs", "run-")
with claimed(root / "fit", root / "own") as fit:
    (fit / "checkpoint").touch()
    print(mine.path.name, fit.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds a run's folder and a fit's, and their names."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().split()
        process.kill()


def test_a_folder_of_a_living_process_stays_and_that_of_a_dead_one_goes(tmp_path, holder):
    process, (name, _) = holder
    runs = tmp_path / "runs"
    first = OwnFolder(runs, "mine-")
    assert {path.name for path in runs.iterdir()} == {name, first.path.name}
    process.kill()
    process.wait()
    second = OwnFolder(runs, "mine-")
    assert set(runs.iterdir()) == {first.path, second.path}
    for own in (first, second):
        own.remove()
    assert not list(runs.iterdir())


def test_a_fit_that_another_run_is_at_is_made_apart_and_taken_up_when_that_one_dies(
    tmp_path, holder
):
    process, (_, name) = holder
    assert name == "fit"
    with claimed(tmp_path / "fit", tmp_path / "apart") as fit:
        assert fit == tmp_path / "apart"
    assert (tmp_path / "fit" / "checkpoint").exists()
    process.kill()
    process.wait()
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "fit", tmp_path / "no")
    with claimed(tmp_path / "fit", tmp_path / "no") as fit:
        assert (fit / "checkpoint").exists(), "an interrupted fit is kept"
    assert not fit.exists(), "and a finished one is not"


def interrupted(folder, instead):
    with claimed(folder, instead) as fit:
        assert (fit / "checkpoint").exists()
        raise KeyboardInterrupt


def test_old_checkpoints_go_unless_a_run_is_at_them(tmp_path, holder):
    process, _ = holder
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for name in ("old", "fit"):
        (tmp_path / name).mkdir(exist_ok=True)
        os.utime(tmp_path / name, (long_ago, long_ago))
    sweep_fits(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"fit", "runs"}
    process.kill()


def test_of_two_in_a_block_one_waits(tmp_path):
    script = """
import sys
from pathlib import Path
from harness.running.claims import alone
for _ in range(50):
    with alone(Path(sys.argv[1])):
        count = Path(sys.argv[1], "count")
        count.write_text(str(int(count.read_text()) + 1))
"""
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    with alone(tmp_path):
        assert (tmp_path / "count").read_text() == "150"
