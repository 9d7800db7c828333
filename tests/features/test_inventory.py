import os
import time

import numpy as np
import pytest

from harness.errors import BenchError
from harness.features.inventory import clear, holdings, parse_size, shards
from harness.features.store import FeatureStore, Key
from harness.weights import Weights

DAY = 86_400


def fill(root, backbone, first, days):
    """Store 10 rows of 4 numbers that were last used so many days ago."""
    key = Key(Weights(backbone, "none", "0" * 64), "pool", "as it is", "fp32")
    digests = [f"{image:064d}" for image in range(first, first + 10)]
    rows = np.ones((10, 4), np.float32)
    [found] = FeatureStore(root).rows(
        [key], digests, lambda missing, keys: iter([[rows[missing]]]), print
    )
    path = found.path
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def store(tmp_path):
    ages = {("old", 0): 9, ("old", 100): 5, ("new", 0): 1}
    return tmp_path, {at: fill(tmp_path, *at, days) for at, days in ages.items()}


def left(store):
    root, paths = store
    there = {shard.path for shard in shards(root)}
    return {at for at, path in paths.items() if path in there}


def test_what_the_store_holds_is_told_by_extractor(store):
    new, old = sorted(holdings(store[0]), key=lambda held: held.backbone)
    assert (old.backbone, old.sets, old.layer, old.precision) == ("old", 2, "pool", "fp32")
    assert old.size == 2 * new.size > 2 * 10 * 4 * 4
    assert old.used < new.used


def test_clearing_by_age_backbone_and_size(store):
    size = next(holdings(store[0])).size
    assert len(clear(store[0], age=7 * DAY)) == 1
    assert left(store) == {("old", 100), ("new", 0)}
    assert len(clear(store[0], keep=2 * size)) == 0
    assert len(clear(store[0], keep=size)) == 1
    assert left(store) == {("new", 0)}
    assert clear(store[0], backbone="old") == []
    assert len(clear(store[0])) == 1


def test_what_was_just_handed_out_is_never_removed(store):
    fill(store[0], "new", 0, 0)
    clear(store[0], keep=0)
    assert left(store) == {("new", 0)}


def test_the_limit_makes_room_for_new_features_by_the_oldest_use(store, monkeypatch):
    size = min(held.size for held in holdings(store[0]))
    monkeypatch.setenv("BENCH_CACHE_LIMIT", str(round(2.5 * size)))
    fill(store[0], "third", 0, 0)
    assert left(store) == {("new", 0)}


@pytest.mark.parametrize(
    ("text", "size"),
    [("500", 500), ("1 kB", 1000), ("2.5G", 2_500_000_000), ("20GB", 20_000_000_000)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text, "--to") == size


@pytest.mark.parametrize("text", ["", "-1", "many", "5XB", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(BenchError, match=r"--to .*: is no size; write 500MB or 20GB"):
        parse_size(text, "--to")
