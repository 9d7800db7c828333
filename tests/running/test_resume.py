import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run(bench, yaml):
    return bench.command("run", "--all", "--datasets", yaml, "-d", "small")


def processes_of(bench):
    """Return the helper processes that run with this bench's cache."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"harness." in command and (
            str(bench.folder).encode() in environment or b"harness.running.template" in command
        ):
            found.append(command)
    return found


def test_after_kill_9_the_same_command_resumes_to_the_same_records(bench, tmp_path_factory):
    from support import Bench

    undisturbed = Bench(tmp_path_factory.mktemp("undisturbed"))
    undisturbed("run", "--all", "--datasets", undisturbed.phantom(null=30), "-d", "small")
    yaml = bench.phantom(null=30)
    for pause in (1.5, 4, 7, 9):
        process = subprocess.Popen(
            run(bench, yaml), env=bench.environment, cwd=bench.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
    bench(*run(bench, yaml)[1:])
    assert bench.records() == undisturbed.records()
    assert len(bench.records()) == 9
    assert not list((bench.folder / "cache" / "runs").iterdir())


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(bench):
    yaml = bench.phantom()
    process = subprocess.Popen(
        run(bench, yaml), env=bench.environment, cwd=bench.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    results = bench.folder / "results" / "small"
    while not (results.is_dir() and list(results.glob("*.json"))):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "To go on: bench run --all" in said
    assert "Traceback" not in said
    again = bench(*run(bench, yaml)[1:]).stderr
    assert "already finished" in again


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_no_process_outlives_a_killed_run(bench):
    yaml = bench.phantom()
    process = subprocess.Popen(
        run(bench, yaml), env=bench.environment, cwd=bench.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while processes_of(bench) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not processes_of(bench)
