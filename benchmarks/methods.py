"""Methods that share features: five of them in one run, against one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.figure import Figure, Size, alternate
from benchmarks.world import own_cache

BACKBONE = "tf_efficientnet_lite0"
ONE = ("cosine-threshold",)
FIVE = (
    *ONE,
    "cosine-threshold-transductive",
    "cosine-logistic",
    "nearest-pixel",
    "nearest-pixel-l2",
)
ENTRY = """
phantoms:
  task: membership
  layout: pack
  fetch:
    phantom:
      seed: 3
      size: 64
      slices: {slices}
      patients: {{train: {patients}, test: {patients}}}
      generated: {{train: {generated}, test: {generated}, null: 0}}
      copies: {{share: 0.5, each: 1}}
"""


def five_methods_vs_one(size: Size) -> Figure:
    """Five feature-based methods in one ``bench run``, against one of them, features cold.

    All use the same backbone; data set and cards are there. Whole commands are timed.
    """
    patients, slices, generated = size(100, 12), size(2, 1), size(200, 12)
    with own_cache() as cache:
        file = cache.parent / "phantoms.yaml"
        file.write_text(ENTRY.format(slices=slices, patients=patients, generated=generated))

        def run(methods: tuple[str, ...]) -> None:
            shutil.rmtree(cache / "features", ignore_errors=True)
            _bench(file, methods)

        found = alternate(lambda: run(FIVE), lambda: run(ONE), size.repeats)
    five, one = found.medians()
    images = 4 * patients * slices + 2 * generated
    note = f"about {images} images, {BACKBONE}: five {five:.1f} s, one {one:.1f} s"
    return Figure(found.ratio(), "x", "<= 1.3", size.repeats, note)


def _bench(datasets: Path, methods: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).with_name("bench")), "run", "--fresh", "-d", "phantoms"]
    command += ["--datasets", str(datasets)]
    for method in methods:
        command += ["-m", method, "--set", f"{method}.backbone={BACKBONE}"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
