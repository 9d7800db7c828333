"""What tests share: a bench in a world of its own, plugins made on the spot, a small data set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent, indent

import numpy as np

from harness.features.neighbours import nearest, row_statistics
from harness.method import Budget, ImageSet, Questions, Training
from harness.plugins import METHODS

QUICK = {"controls", "cosine-threshold", "nearest-pixel", "whitened-neighbour"}
OTHERS = [entry.name for entry in entry_points(group=METHODS) if entry.name not in QUICK]

# Big enough for intervals (10 patients a class), small enough for seconds on two cores.
SMALL_PHANTOM = """
{name}:
  task: membership
  layout: pack
  default: {default}
  publish_images: true
  fetch:
    phantom:
      seed: {seed}
      size: 32
      slices: 2
      patients: {{train: 12, test: 15}}
      generated: {{train: 60, test: 60, null: {null}}}
      copies: {{share: {share}, each: 1, blur: 0.5, noise: 4, gain: 0.05}}
"""


@dataclass
class Bench:
    """The ``bench`` command with its own cache, results and plugins."""

    folder: Path
    cards: Path | None = None  # of built-in methods, so that they need not be imported anew

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BENCH_DISABLE_PLUGINS": ",".join(OTHERS),
            "BENCH_CACHE": str(self.folder / "cache"),
            "BENCH_RESULTS": str(self.folder / "results"),
            "PYTHONPATH": os.pathsep.join(
                [str(self.folder / "plugins"), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "NO_COLOR": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def command(self, *arguments: str | Path) -> list[str]:
        own = self.folder / "cache" / "cards"
        if self.cards is not None and arguments[:1] in {("run",), ("audit",)} and not own.exists():
            shutil.copytree(self.cards, own)
        return [str(Path(sys.executable).with_name("bench")), *map(str, arguments)]

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            check=False,
            timeout=1500,
        )
        said = f"{done.args}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, said
        assert not any(line.startswith("Traceback") for line in done.stderr.splitlines()), said
        return done

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command that a test will interrupt."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def refused(self, *arguments: str | Path) -> str:
        """Run a command that must be refused in one line, and return that line."""
        done = self(*arguments, code=2)
        [line] = [text for text in done.stderr.splitlines() if text.startswith("error:")]
        assert done.stderr.splitlines()[-1] == line
        return line

    def json(self, *arguments: str | Path, code: int = 0):
        return json.loads(self(*arguments, code=code).stdout)

    def records(self) -> dict[str, dict]:
        """Return every record by path, without what differs between two runs of a cell."""
        found = {}
        for path in sorted((self.folder / "results").rglob("*@*.json")):
            record = json.loads(path.read_text())
            for key in ("environment", "timing", "cache", "log"):
                record.pop(key)
            found[str(path.relative_to(self.folder))] = record
        return found

    def plugin(self, name: str, source: str, group: str = "methods") -> None:
        """Install a plugin of one module that brings methods or hooks, by its metadata alone."""
        module = name.replace("-", "_")
        folder = self.folder / "plugins"
        metadata = folder / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (folder / f"{module}.py").write_text(dedent(source))
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            f"[fingerprint_bench.{group}]\n{name} = {module}\n"
        )

    def phantom(
        self, name: str = "small", *, seed: int = 1, share: float = 1, null: int = 0,
        default: bool = False,
    ) -> Path:  # fmt: skip
        """Write a datasets.yaml with one small phantom set and return its path."""
        path = self.folder / f"{name}.yaml"
        text = SMALL_PHANTOM.format(
            name=name, seed=seed, share=share, null=null, default=str(default).lower()
        )
        path.write_text(text)
        return path


METHOD = """
{top}
import numpy as np
from harness.method import Access, Method, Prediction, Task
from harness.plugins import hookimpl


class Made(Method):
    "Made by a test."

    name = "{name}"
    task = Task.MEMBERSHIP
    access = frozenset({{{access}}})

    def fit(self, training, tools):
        self._training = training

    def score(self, questions, tools):
        n = len(questions.unknown)
{score}


@hookimpl
def bench_methods():
    return [Made]
"""


def method_source(name: str, score: str, *, access: str = "Access.POOL", top: str = "") -> str:
    """Return the source of a membership plugin whose ``score`` has the given body."""
    body = indent(dedent(score).strip(), " " * 8)
    return METHOD.format(name=name, score=body, access=access, top=dedent(top))


class InProcessTools:
    """Tools for testing a method in this process, with features computed on the spot."""

    device = "cpu"
    budget = Budget.DEMO
    classes = 2

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)

    def features(self, images, backbone, layer="pool"):
        flat = images.pixels.reshape(len(images), -1).astype(np.float32) / 255
        return flat if backbone == "pixels" else np.sqrt(flat)

    def neighbours(self, queries, pool, metric="cosine", k=1):
        return nearest(queries, pool, metric, k)

    def row_statistics(self, queries, pool, metric="cosine", radius=None):
        return row_statistics(queries, pool, metric, radius)

    def progress(self, steps, what):
        yield from steps

    def log(self, text):
        print(text)


def leaky_case(seed: int = 0, n: int = 12, side: int = 16) -> tuple[Training, Questions, list[int]]:
    """Return a case whose pools hold noisy copies of every used image, and the truth."""
    draws = np.random.default_rng(seed)

    def images(count):
        return draws.integers(20, 236, (count, side, side)).astype(np.uint8)

    def copies(originals):
        noisy = originals + draws.normal(0, 5, originals.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    used, not_used, asked_used, asked_not = (images(n) for _ in range(4))
    pool = np.concatenate([copies(used), copies(asked_used), images(2 * n)])
    training = {"used": used, "not_used": not_used, "generated": pool}
    questions = {"unknown": np.concatenate([asked_used, asked_not]), "generated": pool[::-1].copy()}
    return (
        Training({name: ImageSet(p, f"training.{name}") for name, p in training.items()}),
        Questions({name: ImageSet(p, f"questions.{name}") for name, p in questions.items()}),
        [1] * n + [0] * n,
    )
