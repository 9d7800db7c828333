"""``bench cache`` on a store that a run has filled."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

RECIPE = {
    "seed": 5,
    "size": 32,
    "slices": 1,
    "patients": {"train": 4, "test": 4},
    "generated": {"train": 6, "test": 6, "null": 0},
    "copies": {"share": 0},
}


@pytest.fixture
def filled(bench):
    entry = {"task": "membership", "layout": "pack", "fetch": {"phantom": RECIPE}}
    (bench.folder / "tiny.yaml").write_text(yaml.safe_dump({"tiny": entry}))
    bench("run", "-m", "nearest-pixel", "--datasets", "tiny.yaml", "-d", "tiny")
    return bench


def test_it_tells_what_is_stored_finds_what_is_wrong_and_clears_it(filled):
    [held] = filled.json("cache", "info", "--json")
    assert held["backbone"] == "pixels"
    assert held["bytes"] > 0
    assert held["datasets"] == ["tiny"]
    assert "tiny" in filled("cache", "info").stdout
    said = filled("cache", "verify").stdout
    assert "pixels (pool, fp32): as stored, 8 rows" in said
    root = Path(filled("cache", "info").stdout.rsplit(": ", 1)[0].splitlines()[-1])
    for shard in root.rglob("*.safetensors"):
        tensors = load_file(shard)
        tensors["rows"] = np.flip(tensors["rows"], axis=1).copy()
        save_file(tensors, shard)
    wrong = filled("cache", "verify", code=1)
    assert "DIFFERS" in wrong.stdout
    assert "bench cache clear --backbone NAME" in wrong.stderr
    for shard in root.rglob("*.safetensors"):
        os.utime(shard)  # on a slow machine the minute since its last use may be over
    assert "removed 0 sets" in filled("cache", "clear").stderr


def test_data_sets_that_share_images_share_their_features(filled):
    entries = yaml.safe_load((filled.folder / "tiny.yaml").read_text())
    (filled.folder / "same.yaml").write_text(yaml.safe_dump({"same": entries["tiny"]}))
    filled("run", "-m", "nearest-pixel", "--datasets", "same.yaml", "-d", "same")
    [held] = filled.json("cache", "info", "--json")
    assert held["datasets"] == ["same", "tiny"]
    assert "same +1" in filled("cache", "info").stdout
    shutil.rmtree(filled.folder / "cache" / "packs")
    [held] = filled.json("cache", "info", "--json")
    assert held["datasets"] == []


def test_what_cannot_be_cleared_is_refused_in_one_line(filled):
    assert "the store has pixels" in filled.refused("cache", "clear", "--backbone", "pixel")
    assert "--to '2 elephants'" in filled.refused("cache", "clear", "--to", "2 elephants")
    assert "--days -1" in filled.refused("cache", "clear", "--days", "-1")
