"""The Ray engine, on nodes of this one machine: the same records, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.features.store import map_rows
from support import Bench, method_source

pytest.importorskip("ray")
CLUSTERS = Path(__file__).parents[1] / "clusters.py"
RAY = ("--engine", "ray", "--threads", "1")
SCORES = "return Prediction(np.arange(n, dtype=float), np.arange(n) % 2)"
NAPS = 8  # cells that a node is killed under


class Nodes:
    """A cluster in a process of its own; see ``clusters.py``."""

    def __init__(self, plugins, *hidden, **environment):
        self._process = subprocess.Popen(
            [sys.executable, str(CLUSTERS), *map(str, hidden)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(plugins),
                 "OMP_WAIT_POLICY": "PASSIVE", **environment},
        )  # fmt: skip
        self.address = self._process.stdout.readline().strip()

    def tell(self, what):
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    return tmp_path_factory.mktemp("nodes") / "plugins"


@pytest.fixture(scope="module")
def nodes(plugins):
    started = Nodes(plugins)
    started.tell("add")
    yield started
    started.close()


def many(bench):
    """Return a data set whose pool is passed in pieces, having more images than one piece."""
    yaml = bench.phantom(null=30)
    yaml.write_text(yaml.read_text().replace("train: 60", "train: 700"))
    return yaml


def run(bench, yaml, *more, nodes=None):
    engine = () if nodes is None else (*RAY, "--address", nodes.address)
    return ("run", "--datasets", yaml, "-d", "small", *more, *engine)


def installed(plugins, name, score, top=""):
    """Install a method on every node, and for this process."""
    Bench(plugins.parent).plugin(name, method_source(name, score, top=top))


@pytest.fixture
def beside(bench, plugins, monkeypatch):
    """Return the bench, with the plugins of the nodes installed."""
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    return bench


def ended_by(bench, method):
    return json.loads((bench.folder / f"results/small/{method}@official-demo-0.json").read_text())


def wait_for(what, seconds=120):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def lose_a_node_after(count, bench, nodes):
    """Kill a node as soon as so many cells have ended."""
    records = bench.folder / "results/small"
    wait_for(lambda: len(list(records.glob("*@*.json"))) >= count, 300)
    nodes.tell("kill")


def processes(name):
    """Return the processes that are called so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith(name):
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def test_a_cluster_that_is_not_there_is_one_line(bench):
    yaml = bench.phantom()
    line = bench.refused(*run(bench, yaml, "-m", "random", *RAY, "--address", "127.0.0.1:9"))
    assert "there is no Ray cluster at 127.0.0.1:9; start one with: ray start --head" in line
    line = bench.refused(*run(bench, yaml, "-m", "random", *RAY, "--address", "head"))
    assert "write HOST:PORT" in line
    line = bench.refused(*run(bench, yaml, "-m", "random", "--address", "127.0.0.1:9"))
    assert "add --engine ray" in line
    line = bench.refused(*run(bench, yaml, "-m", "random", "--engine", "spark"))
    assert "choose local or ray" in line


def test_ray_is_imported_where_it_is_asked_for_alone():
    code = "import harness.cli.run, harness.running.run, harness.running.engines, sys"
    code = f"{code}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_all_methods_give_the_records_of_the_local_engine(bench, nodes, tmp_path_factory):
    here = Bench(tmp_path_factory.mktemp("here"), cards=bench.cards)
    here(*run(here, here.phantom(null=30), "--all", "--threads", "1"))
    bench(*run(bench, bench.phantom(null=30), "--all", nodes=nodes))
    assert len(bench.records()) == 13
    assert bench.records() == here.records()
    assert ended_by(bench, "random")["environment"]["engine"] == "ray"
    again = bench(*run(bench, bench.phantom(null=30), "--all", nodes=nodes))
    assert "nothing to do: all 13 cells" in again.stderr
    hurt = Bench(tmp_path_factory.mktemp("hurt"), cards=bench.cards)
    process = hurt.start(*run(hurt, hurt.phantom(null=30), "--all", nodes=nodes))
    lose_a_node_after(2, hurt, nodes)
    said = process.communicate(timeout=300)[1]
    nodes.tell("add")
    assert process.returncode == 0, said
    assert hurt.records() == here.records()


@pytest.mark.slow
def test_a_node_that_is_lost_takes_no_cell_along(beside, nodes, plugins, tmp_path_factory):
    here = Bench(tmp_path_factory.mktemp("here"), cards=beside.cards)
    here(*run(here, many(here), "-m", "nearest-pixel", "--threads", "1"))
    installed(plugins, "naps", f"time.sleep(2)\n{SCORES}", "import time")
    seeds = [part for seed in range(NAPS) for part in ("--seed", str(seed))]
    asked = run(beside, many(beside), "-m", "naps", "-m", "nearest-pixel", *seeds, nodes=nodes)
    process = beside.start(*asked)
    lose_a_node_after(2, beside, nodes)
    said = process.communicate(timeout=300)[1]
    nodes.tell("add")
    assert process.returncode == 0, said
    found = beside.records()
    assert here.records().items() <= found.items()
    status = {path: record["status"] for path, record in found.items() if "naps" in path}
    assert list(status.values()) == ["ok"] * NAPS, said


@pytest.mark.slow
def test_a_cell_that_takes_its_process_along_twice_is_crashed(beside, nodes, plugins):
    naming = "import ctypes, time\nNAME = b'fells-its-node'"
    installed(plugins, "fells", "ctypes.CDLL(None).prctl(15, NAME)\ntime.sleep(3600)", naming)
    process = beside.start(*run(beside, beside.phantom(), "-m", "fells", nodes=nodes))
    for _ in range(2):
        worker = wait_for(lambda: processes("fells-its-node"))
        [supervisor] = wait_for(lambda: processes("ray::run_errand"))
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda worker=worker: not set(worker) & set(processes("fells-its-node")))
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 1, said
    record = ended_by(beside, "fells")
    assert record["status"] == "crashed"
    assert "was lost 2 times" in record["reason"]
    beside(*run(beside, beside.phantom(), "-m", "fells", nodes=nodes), "--timeout", "3", code=1)
    assert ended_by(beside, "fells")["status"] == "timeout"


@pytest.mark.slow
def test_ctrl_c_ends_what_runs_on_the_nodes(beside, nodes, plugins):
    naming = "import ctypes, time\nNAME = b'never-ends'"
    installed(plugins, "endless", "ctypes.CDLL(None).prctl(15, NAME)\ntime.sleep(3600)", naming)
    process = beside.start(*run(beside, beside.phantom(), "-m", "endless", nodes=nodes))
    wait_for(lambda: processes("never-ends"))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "interrupted; finished cells are kept" in said
    wait_for(lambda: not processes("never-ends"), 60)


@pytest.mark.slow
def test_a_node_or_version_that_differs_is_one_line(beside, nodes, plugins):
    yaml = beside.phantom()
    beside.plugin("only-here", method_source("only-here", SCORES))
    line = beside.refused(*run(beside, yaml, "-m", "only-here", nodes=nodes))
    assert "has not the plugin only-here; install there" in line
    installed(plugins, "changed", SCORES)
    beside.plugin("changed", method_source("changed", f"# otherwise\n{SCORES}"))
    line = beside.refused(*run(beside, yaml, "-m", "changed", nodes=nodes))
    assert "has other sources of the plugin changed" in line
    line = beside.refused(*run(beside, yaml, "-m", "random", nodes=nodes), "--threads", "64")
    assert "no node has 64 cores" in line
    beside.plugin("older-ray", "import ray\nray.__version__ = '1.0'", group="hooks")
    line = beside.refused(*run(beside, yaml, "-m", "random", nodes=nodes))
    assert "Version mismatch" in line
    assert "Ray: 1.0" in line


@pytest.mark.slow
def test_nodes_without_a_common_folder_are_refused_or_sent_all(bench, tmp_path, plugins):
    cache = bench.folder / "cache"
    cache.mkdir()
    alone = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if alone.returncode:
        pytest.skip("no mount namespace can be made here")
    asked = ("-m", "nearest-pixel", "-m", "cosine-threshold")
    own = Bench(tmp_path / "own", cards=bench.cards)
    own.folder.mkdir()
    own(*run(own, many(own), *asked, "--threads", "1"))
    apart = Nodes(plugins, cache, BENCH_CACHE=str(tmp_path / "theirs"))
    try:
        apart.tell("add")
        yaml = many(bench)
        wanted = run(bench, yaml, *asked, nodes=apart)
        assert "does not see the cache folder" in bench.refused(*wanted)
        bench(*wanted, "--carry")
    finally:
        apart.close()
    assert bench.records() == own.records()
    shards = list(cache.glob("features/*/*.safetensors"))
    assert {len(map_rows(shard)) for shard in shards} == {24, 30, 60, 700}
