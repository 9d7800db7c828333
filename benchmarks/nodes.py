"""Ray nodes beside each other, on this one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figure import Figure, Size, alternate

WARM = 12  # cells until the templates of all nodes have imported what methods share
METHOD = """
import time
import numpy as np
from harness.method import Access, Method, Prediction, Task
from harness.plugins import hookimpl

class Busy(Method):
    "Computes for a while on one core."

    name = "busy"
    task = Task.MEMBERSHIP
    access = frozenset({{Access.POOL}})
    cpus = 1

    def fit(self, training, tools):
        while time.process_time() < {seconds}:
            sum(range(1000))

    def score(self, questions, tools):
        n = len(questions.unknown)
        return Prediction(np.zeros(n), np.zeros(n, int))

@hookimpl
def bench_methods():
    return [Busy]
"""
ENTRY = """
small:
  task: membership
  layout: pack
  fetch:
    phantom:
      seed: 1
      size: 32
      slices: 1
      patients: {train: 12, test: 12}
      generated: {train: 40, test: 40, null: 0}
      copies: {share: 1, each: 1}
"""


def ray_vs_local(size: Size) -> Figure:
    """Twenty cells of two seconds on one core each: two Ray nodes of one core, against one.

    Timed by the events of ``bench run --engine ray --json``, from the end of the twelfth cell of
    32 to the end of the last: before that the nodes start their processes, once a run.
    """
    count, warm = size(20, 2), size(WARM, 2)
    with TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        _install(folder, size(2.0, 0.2))
        found = alternate(
            lambda: _run(folder, 1, count, warm), lambda: _run(folder, 2, count, warm), size(2, 1)
        )
    one, two = found.medians()
    note = f"{count} cells after {warm}: one node {one:.1f} s, two {two:.1f} s"
    return Figure(found.share(), "of one node", "<= 0.6", size(2, 1), note)


def _install(folder: Path, seconds: float) -> None:
    metadata = folder / "plugins" / "busy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "plugins" / "busy.py").write_text(METHOD.format(seconds=seconds))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: busy\nVersion: 1.0\n")
    entry = "[fingerprint_bench.methods]\nbusy = busy\n"
    (metadata / "entry_points.txt").write_text(entry)
    (folder / "small.yaml").write_text(ENTRY)


def _run(folder: Path, nodes: int, count: int, warm: int) -> float:
    """Run the cells on a cluster of their own and return the seconds of the last ``count``."""
    environment = {
        **os.environ,
        "BENCH_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(folder / "plugins"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    serving = [sys.executable, "-m", "benchmarks.nodes", str(nodes)]
    pipe = subprocess.PIPE
    cluster = subprocess.Popen(serving, stdin=pipe, stdout=pipe, text=True, env=environment)
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    try:
        address = cluster.stdout.readline().strip()
        bench = Path(sys.executable).with_name("bench")
        command = [str(bench), "run", "-m", "busy", "--datasets", str(folder / "small.yaml")]
        command += ["-d", "small", "--engine", "ray", "--address", address, "--threads", "1"]
        command += ["--json", "--fresh", "--results", str(folder / "results")]
        command += [part for seed in range(warm + count) for part in ("--seed", str(seed))]
        said = subprocess.run(command, check=True, stdout=pipe, text=True, env=environment).stdout
    finally:
        cluster.stdin.close()
        cluster.wait()
    events = [json.loads(line) for line in said.splitlines()]
    ends = [event["time"] for event in events if event["event"] == "cell"]
    return float(ends[-1] - ends[warm - 1])


def main() -> None:
    """Keep a cluster of nodes of one core until standard input ends; tell its address."""
    from ray.cluster_utils import Cluster

    os.environ.update(RAY_worker_niceness="0")  # as the processes of a run on one machine
    small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster: Any = Cluster(initialize_head=True, head_node_args=small)
    others = [cluster.add_node(**small) for _ in range(int(sys.argv[1]) - 1)]
    print(cluster.address, flush=True)
    sys.stdin.read()
    for node in (*others, cluster.head_node):
        cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    main()
