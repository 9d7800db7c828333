import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from harness.features.store import map_digests, map_rows
from harness.files import file_digest
from harness.running.records import Record
from support import Bench, method_source

pytestmark = pytest.mark.slow


MOST = 15.0  # seconds until a run is killed; later moments come, for what was done is kept
KILLS = 50
WAITS = "(tools.scratch / 'here').touch()\nwhile True: time.sleep(1)"
DEAF = """
import signal, time
for name in ("SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
"""


def run_all(bench, yaml):
    return ("run", "--all", "--datasets", yaml, "-d", "small")


def assert_nothing_is_corrupt(bench):
    """Every record is whole and names the answers beside it; every shard holds finite rows."""
    for path in (bench.folder / "results").rglob("*@*.json"):
        facts = Record.model_validate_json(path.read_text()).predictions
        assert facts is not None, path
        assert file_digest(path.with_name(facts.path)) == facts.sha256
    for shard in (bench.folder / "cache" / "features").rglob("*.safetensors"):
        assert np.isfinite(map_rows(shard)).all()
        assert len(map_digests(shard)) == len(map_rows(shard))


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


def test_after_kill_9_at_any_moment_the_same_command_ends_in_the_same_records(
    bench, tmp_path_factory
):
    """Two runs at once share cache and results, and each is killed, 25 times."""
    undisturbed = Bench(tmp_path_factory.mktemp("undisturbed"), cards=bench.cards)
    began = time.monotonic()
    undisturbed(*run_all(undisturbed, undisturbed.phantom(null=30)))
    longest = min(MOST, 0.6 * (time.monotonic() - began))
    yaml, draws, killed = bench.phantom(null=30), random.Random(0), 0
    for pair in range(KILLS // 2):
        if pair % 5 == 0:
            shutil.rmtree(bench.folder / "cache" / "features", ignore_errors=True)
        again = ["--fresh"] if pair % 2 else []
        runs = [bench.start(*run_all(bench, yaml), *again) for _ in range(2)]
        began = time.monotonic()
        moments = sorted(draws.uniform(0, longest) for _ in runs)
        for process, moment in zip(runs, moments, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            process.kill()
        for process in runs:
            _, said = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), said
            killed += process.returncode == -signal.SIGKILL
        assert_nothing_is_corrupt(bench)
    assert killed > KILLS // 2  # some had ended before
    bench(*run_all(bench, yaml))
    assert_nothing_is_corrupt(bench)
    assert bench.records() == undisturbed.records()
    assert len(bench.records()) > 5
    bench("run", "-m", "random", "--datasets", yaml, "-d", "small", "--fresh")
    assert not list((bench.folder / "cache" / "runs").iterdir()), "what the dead left is swept"


def test_two_runs_at_once_end_in_the_records_of_one(bench):
    methods = ("-m", "nearest-pixel", "-m", "cosine-threshold", "-m", "random")
    arguments = ("run", *methods, "--datasets", bench.phantom(null=30), "-d", "small")
    runs = [bench.start(*arguments) for _ in range(2)]
    for process in runs:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    assert_nothing_is_corrupt(bench)
    together = bench.records()
    assert not list((bench.folder / "cache" / "runs").iterdir())
    bench(*arguments, "--fresh")
    assert bench.records() == together


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_stops_a_method_that_does_not_and_keeps_what_is_done(bench, presses):
    bench.plugin("waits", method_source("waits", WAITS, top=DEAF))
    arguments = ("-m", "random", "-m", "waits", "--datasets", bench.phantom(), "-d", "small*")
    process = bench.start("run", *arguments)
    runs = bench.folder / "cache" / "runs"
    while not list(runs.glob("*/*/scratch/here")) and process.poll() is None:
        time.sleep(0.05)
    children = children_of(process.pid)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "To go on: bench run -m random -m waits" in said
    assert "'small*'" in said, "as a shell takes it"
    assert "Traceback" not in said
    assert [path.name for path in bench.folder.glob("results/small/*.json")] == [
        "random@official-demo-0.json"
    ]
    deadline = time.monotonic() + 60
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, children))
    again = bench("run", *arguments, "--dry-run").stderr
    assert "1 already finished" in again


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
