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


def children_of(pid):
    """Return the processes that a process has started, and those that they have started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        if parent == pid:
            child = int(folder.name)
            found += [child, *children_of(child)]
    return found


def alive(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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
    process = bench.start(*run_all(bench, bench.phantom()))
    children = []
    while len(children) < 3 and process.poll() is None:  # template, service and a worker
        time.sleep(0.05)
        children = children_of(process.pid)
    process.kill()
    process.communicate()
    assert len(children) >= 3
    deadline = time.monotonic() + 60
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(alive, children))
