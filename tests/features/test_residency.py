import gc

import numpy as np
import pytest
import torch

from harness.features import residency as module
from harness.features.residency import Residency

WIDTH, TILE = 4, 10  # numbers in a row, rows in a tile
BYTES = 4 * WIDTH * TILE


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(module, "TILE_BYTES", BYTES)


@pytest.fixture
def stored(tmp_path):
    def make(name, count):
        values = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", values)
        return np.load(tmp_path / f"{name}.npy", mmap_mode="r")

    return make


def places(residency, rows):
    """Return where the tiles of a matrix lie in memory, having checked what they hold."""
    tiles = list(residency.tiles(rows))
    assert np.array_equal(torch.cat([tile for _, tile in tiles]).numpy(), rows)
    return [tile.data_ptr() for _, tile in tiles]


def test_stored_matrices_stay_within_the_budget(stored):
    residency, rows = Residency("cpu", budget=3 * BYTES), stored("a", 3 * TILE)
    assert places(residency, rows) == places(residency, rows)
    assert residency.used == 3 * BYTES


def test_the_least_recently_used_goes_first(stored):
    residency = Residency("cpu", budget=3 * BYTES)
    first, second, third = (stored(name, TILE) for name in "abc")
    kept = [places(residency, rows) for rows in (first, second, third)]
    places(residency, first)
    places(residency, stored("d", TILE))
    assert residency.used == 3 * BYTES - BYTES  # the fourth matrix is gone with its last reference
    assert places(residency, first) == kept[0]
    assert places(residency, third) == kept[2]
    assert places(residency, second) != kept[1]


def test_a_matrix_larger_than_the_budget_passes_through(stored):
    residency, rows = Residency("cpu", budget=BYTES // 2), stored("a", 5 * TILE)
    places(residency, rows)
    assert residency.used == 0


def test_what_could_change_does_not_stay(stored):
    residency = Residency("cpu", budget=100 * BYTES)
    rows = np.array(stored("a", TILE))
    places(residency, rows)
    rows += 1
    places(residency, rows)
    assert residency.used == 0


def test_a_matrix_that_is_gone_gives_its_room_back(stored):
    residency, rows = Residency("cpu", budget=100 * BYTES), stored("a", 2 * TILE)
    places(residency, rows)
    del rows
    gc.collect()
    assert residency.used == 0


def test_on_the_cpu_the_mapped_file_itself_is_used(stored):
    residency, rows = Residency("cpu"), stored("a", 2 * TILE)
    assert residency.budget == 0
    assert places(residency, rows)[0] == rows.__array_interface__["data"][0]
