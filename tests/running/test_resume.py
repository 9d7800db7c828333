import signal
import time
from pathlib import Path

import pytest

from support import Bench

pytestmark = pytest.mark.slow


def run_all(bench, yaml):
    return ("run", "--all", "--datasets", yaml, "-d", "small")


def kill_after(bench, yaml, seconds):
    process = bench.start(*run_all(bench, yaml))
    time.sleep(seconds)
    process.kill()
    process.communicate()


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
    undisturbed = Bench(tmp_path_factory.mktemp("undisturbed"))
    undisturbed("run", "--all", "--datasets", undisturbed.phantom(null=30), "-d", "small")
    yaml = bench.phantom(null=30)
    for pause in (1.5, 4, 7, 9):
        kill_after(bench, yaml, pause)
    bench(*run_all(bench, yaml))
    assert bench.records() == undisturbed.records()
    assert len(bench.records()) > 5
    assert not list((bench.folder / "cache" / "runs").iterdir())


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(bench):
    yaml = bench.phantom()
    process = bench.start(*run_all(bench, yaml))
    results = bench.folder / "results" / "small"
    while not list(results.glob("*.json")) and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "To go on: bench run --all" in said
    assert "Traceback" not in said
    again = bench(*run_all(bench, yaml)).stderr
    assert "already finished" in again


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_no_process_outlives_a_killed_run(bench):
    kill_after(bench, bench.phantom(), 5)
    deadline = time.monotonic() + 30
    while processes_of(bench) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not processes_of(bench)
