"""Methods that cheat find nothing on a null data set whose truth they cannot know."""

import contextlib
import csv
import ctypes
import hashlib
import json
import re
import secrets
import socketserver
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import cheats
import numpy as np
import pytest
from PIL import Image
from scipy.stats import fisher_exact

from harness import kernel
from harness.files import PROJECT
from harness.scoring.correction import holm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "seccomp" not in kernel.protection("cpu"), reason="the kernel confines no worker here"
    ),
]
ASKED = 40
SETS = {"train/generated": 16, "train/used": 12, "train/not_used": 12, "test/generated": 16}
ENTRY = """
null:
  task: membership
  layout: folders
  root: images
  truth: truth.csv
  splits:
    train: {generated: train/generated, used: train/used, not_used: train/not_used}
    test: {generated: test/generated, unknown: test/unknown}
"""
REFUSED = {  # seen by the worker itself; the others are stopped without a word
    "folder-names", "truth-file", "walk-the-disk", "index-of-the-pack", "catalogue-of-the-harness",
    "results-of-others", "scratch-of-others", "environment-of-others", "descriptors-of-others",
    "root-of-others", "memory-of-others", "other-inputs", "only-what-is-certain", "forged-record",
    "edited-features", "network",
}  # fmt: skip
FAILED = {"forged-message": "broke the protocol", "pickled-answer": "TypeError"}
WITHOUT_A_SEAL = [  # what finds the truth where only the process stands in its way
    "truth-file", "walk-the-disk", "index-of-the-pack", "copied-at-import", "read-in-c",
    "child-process",
    "symbolic-link", "hard-link", "catalogue-of-the-harness", "results-of-others",
    "scratch-of-others", "environment-of-others", "descriptors-of-others", "root-of-others",
    "memory-of-others", "system-call-for-memory", "shared-memory", "kernel-memory", "network",
    "network-of-a-child", "abstract-socket",
]  # fmt: skip
UNSEALED = """
from harness import kernel
from harness.running import watching

kernel.landlock_version = lambda: 0
watching.watch = lambda reach: []
"""
HOLDER = """
import ctypes, os, sys
text = open(sys.argv[1]).read().encode()
held, file = ctypes.create_string_buffer(text), open(sys.argv[1])
print(ctypes.addressof(held), len(text), flush=True)
sys.stdin.read()
"""
ALPHA = 0.001  # a cheat that finds the truth of 40 images has p below 1e-9


class World:
    """A data set of noise, and its truth wherever a cheat might look for it."""

    def __init__(self, bench, stack) -> None:
        self.bench, folder = bench, bench.folder
        draws = np.random.default_rng(secrets.randbits(128))
        self.truth = {}  # by digest
        names = []
        for place, count in {**SETS, "test/unknown": ASKED}.items():
            (folder / "images" / place).mkdir(parents=True)
            for number in range(count):
                pixels = draws.integers(0, 256, (16, 16)).astype(np.uint8)
                path = folder / "images" / place / f"subject_{number:03}.png"
                Image.fromarray(pixels).save(path)
                if place == "test/unknown":
                    names.append(hashlib.sha256(pixels.tobytes()).hexdigest())
        labels = draws.permutation(np.arange(ASKED) % 2).tolist()
        self.truth = dict(zip(names, labels, strict=True))
        by_name = [f"subject_{number:03},{label}\n" for number, label in enumerate(labels)]
        self.by_digest = "".join(f"{name},{label}\n" for name, label in self.truth.items())
        (folder / "images" / "truth.csv").write_text("image,label\n" + "".join(by_name))
        (folder / "results" / "other").mkdir(parents=True)
        (folder / "results" / "other" / "answers.csv").write_text("".join(by_name))
        (folder / "cache" / "fits" / "other").mkdir(parents=True)
        (folder / "cache" / "fits" / "other" / "answers.csv").write_text(self.by_digest)
        self.yaml = folder / "null.yaml"
        self.yaml.write_text(ENTRY)
        self.facts = {
            "asked": ASKED,
            "folder": str(folder),
            "images": str(folder / "images"),
            "truth": str(folder / "images" / "truth.csv"),
            "cache": str(folder / "cache"),
            "results": str(folder / "results"),
            "yaml": str(self.yaml),
            "left": str(folder / "left"),
            "nap": f"{secrets.randbelow(10**6) + 10**6}",
        }
        self._hold(stack)
        self._serve(stack)
        self._share(stack)

    def _hold(self, stack) -> None:
        """Have a process hold the truth in its memory and as an open file."""
        command = [sys.executable, "-S", "-c", HOLDER, self.facts["truth"]]
        holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"BENCH_RESULTS": self.facts["results"]},
        )  # fmt: skip
        stack.callback(holder.communicate, "")
        place, length = map(int, holder.stdout.readline().split())
        self.facts |= {"pid": holder.pid, "memory": [place, length]}

    def _serve(self, stack) -> None:
        """Give the truth to whoever connects."""
        text = self.by_digest.encode()

        class Answer(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(text)

        abstract = f"\0truth-{secrets.token_hex(8)}"
        servers = (
            socketserver.TCPServer(("127.0.0.1", 0), Answer),
            socketserver.UnixStreamServer(abstract, Answer),
        )
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        self.facts |= {"port": servers[0].server_address[1], "abstract": abstract}

    def _share(self, stack) -> None:
        """Put the truth where processes meet."""
        path = Path("/dev/shm", f"truth-{secrets.token_hex(8)}")
        path.write_text(self.by_digest)
        stack.callback(path.unlink)
        library, key = ctypes.CDLL(None), secrets.randbelow(2**30) + 1
        library.shmat.restype = ctypes.c_void_p
        segment = library.shmget(key, 1 << 16, 0o1666)
        place = library.shmat(segment, None, 0)
        ctypes.memmove(place, self.by_digest.encode(), len(self.by_digest))
        stack.callback(library.shmctl, segment, 0, None)
        self.facts |= {"shared": str(path), "segment": key}

    def run(self, names, code: int) -> None:
        """Run attempts as methods, the index of the pack being there already."""
        self.bench("run", "-m", "nearest-pixel", "--datasets", self.yaml, "-d", "null")
        [index] = (self.bench.folder / "cache" / "packs").glob("*/index.json")
        facts = self.facts | {"index": str(index)}
        source = f"WORLD = {facts!r}\n" + Path(cheats.__file__).read_text()
        self.bench.plugin("cheats", source)
        chosen = [part for name in names for part in ("-m", name)]
        self.bench("run", *chosen, "--datasets", self.yaml, "-d", "null", code=code)

    def record(self, name):
        path = self.bench.folder / "results" / "null" / f"{name}@official-demo-0.json"
        return json.loads(path.read_text())

    def p(self, name) -> float:
        """Return how likely guesses agree so well with the truth."""
        path = self.bench.folder / "results" / "null" / f"{name}@official-demo-0.csv"
        given = {
            row["image"]: int(row["label"]) for row in csv.DictReader(path.read_text().splitlines())
        }
        truth = (self.bench.folder / "images" / "truth.csv").read_text()
        asked = csv.DictReader(truth.splitlines())
        table = np.zeros((2, 2), int)
        for row in asked:
            table[int(row["label"]), given[f"{row['image']}.png"]] += 1
        return float(fisher_exact(table, alternative="greater").pvalue)


@pytest.fixture
def world(bench):
    with contextlib.ExitStack() as stack:
        yield World(bench, stack)


def test_no_cheat_is_above_chance_and_none_leaves_a_trace(world):
    folder = world.bench.folder
    world.run(cheats.ATTEMPTS, code=1)
    endings = {name: world.record(name)["status"] for name in cheats.ATTEMPTS}
    expected = dict.fromkeys(cheats.ATTEMPTS, "ok") | dict.fromkeys(REFUSED, "refused")
    assert endings == expected | dict.fromkeys(FAILED, "failed")
    for name in REFUSED:
        assert re.match("tried to|answered another number", world.record(name)["reason"]), name
    for name, reason in FAILED.items():
        assert reason in world.record(name)["reason"], name
    answered = [name for name, status in endings.items() if status == "ok"]
    corrected = dict(zip(answered, holm([world.p(name) for name in answered]), strict=True))
    assert min(corrected.values()) > ALPHA, corrected
    assert not Path(world.facts["left"]).exists()
    assert not list((folder / "results").rglob("forged-record@*.csv"))
    left = {path.name for path in (folder / "plugins").iterdir()}
    assert left == {"cheats.py", "cheats-1.0.dist-info"}
    assert not (Path(find_spec("numpy").origin).parents[1] / "cheat_left.pth").exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"sleep {world.facts['nap']}" not in running.stdout
    world.bench("cache", "verify")


def test_without_the_seal_the_same_attempts_find_the_truth(world):
    (world.bench.folder / "plugins").mkdir()
    (world.bench.folder / "plugins" / "sitecustomize.py").write_text(UNSEALED)
    world.run(WITHOUT_A_SEAL, code=0)
    found = {name: world.record(name)["metrics"]["kappa"]["value"] for name in WITHOUT_A_SEAL}
    assert found == dict.fromkeys(WITHOUT_A_SEAL, 1.0)


def test_every_attempt_stands_in_the_threat_model():
    told = (PROJECT / "docs" / "threat-model.md").read_text()
    assert len(cheats.ATTEMPTS) >= 20
    assert set(re.findall(r"^\| `([a-z-]+)` \|", told, re.M)) == set(cheats.ATTEMPTS)
