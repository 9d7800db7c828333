"""Several processes at one store, some of which die."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.features import store as store_module
from harness.features.store import FeatureStore, Key, map_rows
from harness.weights import Weights

ASK = """
import hashlib, sys, time
import numpy as np
from pathlib import Path
from harness.features import store
from harness.weights import Weights

root, first, count, seconds = Path(sys.argv[1]), *map(int, sys.argv[2:5])
store.CHUNK = 16
images = range(first, first + count)

def compute(missing, keys):
    for start in range(0, len(missing), 16):
        batch = missing[start : start + 16]
        with open(root / "computed", "a") as log:
            log.write("".join(f"{first + row}\\n" for row in batch))
        time.sleep(seconds / 1000)
        yield [np.array([[first + row, 1] for row in batch], np.float32)]

key = store.Key(Weights("tiny", "none", "0" * 64), "pool", "as it is", "fp32")
digests = [hashlib.sha256(str(image).encode()).hexdigest() for image in images]
print("asking", flush=True)
[found] = store.FeatureStore(root).rows([key], digests, compute, print)
assert store.map_rows(found.path)[:, 0].tolist() == list(images)
print(found.misses)
"""


def start(root, first=0, count=100, milliseconds=30):
    arguments = [str(root), *map(str, (first, count, milliseconds))]
    command = [sys.executable, "-c", ASK, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def given(rows):
    """Return a computation that gives these rows, three at a time."""

    def compute(missing, keys):
        for start in range(0, len(missing), 3):
            yield [rows[missing[start : start + 3]]]

    return compute


def computed(root):
    return [int(line) for line in (root / "computed").read_text().split()]


def shards(root):
    return sorted(root.rglob("*.safetensors"))


def test_of_eight_processes_that_ask_for_one_set_one_computes(tmp_path):
    processes = [start(tmp_path) for _ in range(8)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    assert sorted(computed(tmp_path)) == list(range(100))
    assert len(shards(tmp_path)) == 1


def test_a_pass_that_was_killed_goes_on_where_it_was(tmp_path):
    process = start(tmp_path, milliseconds=200)
    while not len(shards(tmp_path)) >= 2 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = start(tmp_path, milliseconds=0)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert int(out.split()[-1]) <= 100 - 2 * 16
    assert len(shards(tmp_path)) == 1


@pytest.mark.slow
def test_of_processes_that_ask_for_one_set_any_may_be_killed_at_any_moment(tmp_path):
    draws, killed = random.Random(0), 0
    for round_ in range(30):
        processes = [start(tmp_path, 50 * round_, 100, 20) for _ in range(3)]
        for process in processes:
            assert process.stdout.readline() == "asking\n"
        time.sleep(draws.uniform(0, 0.2))
        victim = processes.pop(draws.randrange(3))
        victim.kill()
        victim.communicate()
        killed += victim.returncode == -signal.SIGKILL
        for process in processes:  # each looks at every row that it was given
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        for shard in shards(tmp_path):
            assert np.isfinite(map_rows(shard)).all()
    assert killed > 10  # some had ended before
    last = start(tmp_path, 0, 30 * 50 + 50, 0)
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    assert int(out.split()[-1]) == 0


def test_images_of_another_size_may_have_rows_of_another_width(tmp_path):
    key = Key(Weights("tiny", "none", "0" * 64), "pool", "as it is", "fp32")
    for width, images in ((3, range(10)), (5, range(10, 20))):
        rows = np.full((10, width), width, np.float32)
        digests = [f"{image:064d}" for image in images]
        [found] = FeatureStore(tmp_path).rows([key], digests, given(rows), print)
        assert map_rows(found.path).tolist() == rows.tolist()


@pytest.mark.parametrize("shape", [(3,), (5, 2)])
@pytest.mark.parametrize(("count", "size"), [(4, 2**20), (100, 150)])
def test_the_library_of_the_format_reads_a_shard(tmp_path, monkeypatch, shape, count, size):
    monkeypatch.setattr(store_module, "CHUNK", count)
    monkeypatch.setattr(store_module, "CHUNK_BYTES", size)
    key = Key(Weights("tiny", "none", "0" * 64), "pool", "as it is", "fp32")
    digests = [f"{image:064d}" for image in range(10)]
    values = np.random.default_rng(0).normal(size=(10, *shape)).astype(np.float32)
    [found] = FeatureStore(tmp_path).rows([key], digests, given(values), print)
    tensors = load_file(found.path)
    assert np.array_equal(tensors["rows"], values)
    assert tensors["digests"].tobytes().decode() == "".join(digests)
    assert shards(tmp_path) == [found.path]
