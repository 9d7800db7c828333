"""``bench forge`` from end to end, with budgets that teach a generator nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

DATA = os.environ.get("BENCH_REAL_DATA")
SMALL = ("--size", "32", "--members", "40", "--iterations", "20", "--generated", "40")


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def interrupt(bench, command, checkpoint, how):
    """Start a command and send it a signal once it has written a checkpoint."""
    process = bench.start(*command)
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.slow
def test_interrupted_and_started_again_it_gives_the_same_files_and_is_ranked(bench):
    many = ("--iterations", "50")  # enough that the signals arrive before the end
    forge = ("forge", "gan", *SMALL, *many, "--null-pool", "--name", "made")
    forge = (*forge, "--checkpoint-every", "3")
    bench(*forge, "-o", "whole")
    command = (*forge, "-o", "broken")
    work = bench.folder / ".broken.forging"
    code, said = interrupt(bench, command, work / "members.pt", signal.SIGINT)
    assert code == 130
    assert "To go on: bench forge gan" in said
    assert not (bench.folder / "broken").exists()
    refused = bench.refused(*command, "--seed", "1")
    assert "broken: was begun with seed 0, not 1" in refused
    code, _ = interrupt(bench, command, work / "null.pt", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (bench.folder / "broken").exists()
    assert "goes on at iteration" in bench(*command).stderr
    assert files(bench.folder / "broken") == files(bench.folder / "whole")
    assert not work.exists()
    assert "done already" in bench(*command).stderr
    bench("run", "-m", "nearest-pixel", "-m", "random", "-d", "broken/")
    board = bench.json("board", "./broken", "--format", "json")
    row = next(row for row in board["rows"] if row["method"] == "nearest-pixel")
    assert row["rank"] == 1
    assert "auc_null_pool" in row["metrics"]
    bench("forge", "plant", "broken", "-o", "planted", "--share", "1", "--noise", "2")
    bench("run", "-m", "nearest-pixel", "-d", "planted")
    [row] = bench.json("board", "planted", "--format", "json")["rows"]
    assert row["metrics"]["auc"]["value"] > 0.95


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="BENCH_REAL_DATA names no folder with the real CT slices")
def test_twins_of_real_ct_are_both_ranked_beside_the_other_twin(bench):
    source = Path(DATA or "").resolve() / "ct-slices"
    arguments = ("--twins", "--size", "32", "--iterations", "20", "-o", "twins")
    done = bench("forge", "gan", "--source", source, *arguments)
    assert "400 images" in done.stderr
    assert "from index.csv" in done.stderr
    bench("run", "-m", "nearest-pixel", "-d", "twins")
    for name in ("twins-a", "twins-b"):
        [row] = bench.json("board", name, "--format", "json")["rows"]
        assert row["status"] == "ok"
        assert "auc_null_pool" in row["metrics"]


def test_orders_out_of_range_are_refused_in_one_line(bench):
    assert "--size 48" in bench.refused("forge", "gan", "--size", "48", "-o", "made")
    assert "--threads 0" in bench.refused("forge", "gan", "--threads", "0", "-o", "made")
    assert "nowhere" in bench.refused("forge", "gan", "--source", "nowhere", "-o", "made")
    line = bench.refused("forge", "plant", "phantom-null", "-o", "made", "--noise", "-1")
    assert "--noise" in line
    assert "did you mean phantom-null?" in bench.refused("forge", "plant", "phantom-nul", "-o", "x")
    assert list(bench.folder.iterdir()) == []
