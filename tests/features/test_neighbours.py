import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from harness.features import products
from harness.features import residency as residency_module
from harness.features.neighbours import nearest, row_statistics
from harness.features.residency import Residency

SCIPY = {"cosine": "cosine", "correlation": "correlation", "l2": "euclidean"}
METRICS = [*SCIPY, "dot"]


def distances_of(queries, pool, metric):
    if metric == "dot":
        return 1 - queries.astype(float) @ pool.T.astype(float)
    return cdist(queries, pool, SCIPY[metric])


def rows(seed, n, width=5):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@given(
    st.sampled_from(METRICS), st.integers(0, 99), st.integers(1, 12), st.integers(1, 20),
    st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=60)
def test_neighbours_are_those_of_the_full_distance_matrix(metric, seed, n, m, k):
    queries, pool = rows(seed, n), rows(seed + 1, m)
    k = min(k, m)
    values, indices = nearest(queries, pool, metric, k)
    distances = distances_of(queries, pool, metric)
    expected = np.sort(distances, axis=1)[:, :k]
    found = values if metric == "l2" else 1 - values
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(np.take_along_axis(distances, indices, 1), expected, atol=1e-5)


@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 12), st.sampled_from([80, 2**20]))
@settings(max_examples=60)
def test_of_equally_near_rows_the_first_ones_come_first(seed, m, k, chunk):
    pool = np.random.default_rng(seed).integers(0, 2, (m, 2)).astype(np.float32)
    queries, k = rows(seed, 4, 2), min(k, m)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "PRODUCT_BYTES", chunk)
        _, indices = nearest(queries, pool, "dot", k)
    similar = queries @ pool.T
    expected = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    assert np.array_equal(indices, expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("chunk", [100, 2**20])
def test_statistics_are_those_of_whole_rows(metric, chunk, monkeypatch):
    monkeypatch.setattr(products, "PRODUCT_BYTES", chunk)
    queries, pool = rows(1, 7), rows(2, 23)
    distances = distances_of(queries, pool, metric)
    near = distances if metric == "l2" else 1 - distances
    radius = float(np.median(near)) + 1e-6
    found = row_statistics(queries, pool, metric, radius)
    assert np.allclose(found.mean, near.mean(1), atol=1e-5)
    assert np.allclose(found.sd, near.std(1), atol=1e-5)
    inside = near <= radius if metric == "l2" else near >= radius
    assert found.within.tolist() == inside.sum(1).tolist()
    assert row_statistics(queries, pool, metric).within is None


@pytest.mark.parametrize("metric", METRICS)
def test_small_chunks_give_the_same_neighbours(metric, monkeypatch):
    queries, pool = rows(1, 7), rows(2, 23)
    whole = nearest(queries, pool, metric, 3)
    monkeypatch.setattr(products, "PRODUCT_BYTES", 100)
    chunked = nearest(queries, pool, metric, 3)
    assert np.allclose(whole[0], chunked[0], atol=1e-6)
    assert np.array_equal(whole[1], chunked[1])


def test_a_copy_has_distance_zero_however_large_its_values():
    pool = rows(3, 5) + 1000
    values, indices = nearest(pool[2:3], pool, "l2")
    assert values[0, 0] == 0
    assert indices[0, 0] == 2


def sorted_pool(seed, toward):
    """Return rows of which each is nearer to (or farther from) the queries than the last."""
    queries, pool = rows(seed, 20, 48), rows(seed + 1, 3000, 48)
    mean = queries.mean(0)
    order = np.argsort(np.linalg.norm(pool - mean, axis=1))
    return queries, pool[order[::-1] if toward else order]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 200])
@pytest.mark.parametrize("order", ["random", "nearer", "farther", "copies", "far from zero"])
def test_large_pools_are_searched_exactly_in_any_order(metric, k, order, monkeypatch):
    monkeypatch.setattr(products, "PRODUCT_BYTES", 20 * 4 * 300)
    queries, pool = rows(4, 20, 48), rows(5, 3000, 48)
    if order in ("nearer", "farther"):
        queries, pool = sorted_pool(4, order == "nearer")
    if order == "copies":
        pool[1000:1020] = queries + 1e-4 * rows(6, 20, 48)
    if order == "far from zero":
        queries, pool = queries + 100, pool + 100
    values, indices = nearest(queries, pool, metric, k)
    distances = distances_of(queries, pool, metric)
    expected = np.sort(distances, axis=1)[:, :k]
    found = values if metric == "l2" else 1 - values
    scale = np.abs(expected).max() if metric == "dot" else 1
    assert np.allclose(found, expected, atol=1e-5 * scale)
    assert np.allclose(np.take_along_axis(distances, indices, 1), expected, atol=1e-5 * scale)
    assert all(len(set(row)) == k for row in indices.tolist())


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_copies_in_the_pool_come_in_its_order_in_whichever_block(metric, monkeypatch):
    monkeypatch.setattr(products, "PRODUCT_BYTES", 8 * 4 * 130)
    draws = np.random.default_rng(0)
    once = draws.integers(-3, 4, (50, 6)).astype(np.float32)
    queries, pool = once[:8], np.concatenate([once] * 20)
    _, indices = nearest(queries, pool, metric, 30)
    exact = distances_of(queries, pool, metric).round(6)
    assert np.array_equal(indices, np.argsort(exact, axis=1, kind="stable")[:, :30])


@pytest.mark.parametrize("metric", METRICS)
def test_zeros_are_rows_like_any(metric):
    values, indices = nearest(np.zeros((2, 5), np.float32), np.zeros((300, 5), np.float32), metric)
    assert values.tolist() == [[0], [0]]
    assert indices.tolist() == [[0], [0]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(metric, value):
    pool = rows(1, 300)
    pool[200, 2] = value
    with pytest.raises(ValueError, match="not finite"):
        nearest(rows(2, 4), pool, metric)


def stored(tmp_path, name, values):
    np.save(tmp_path / name, values)
    return np.load(tmp_path / name, mmap_mode="r")


@pytest.mark.parametrize("metric", METRICS)
def test_what_stays_on_the_device_changes_no_neighbour(metric, tmp_path, monkeypatch):
    monkeypatch.setattr(residency_module, "TILE_BYTES", 4 * 5 * 10)
    queries, pool = rows(1, 7), stored(tmp_path, "pool.npy", rows(2, 95))
    expected = nearest(queries, pool, metric, 3)
    residency = Residency("cpu", budget=4 * 5 * 32)
    for _ in range(2):
        found = nearest(queries, pool, metric, 3, residency)
        assert np.array_equal(found[1], expected[1])
        assert np.array_equal(found[0], expected[0])
        assert 0 < residency.used <= residency.budget


@pytest.mark.parametrize(
    ("queries", "pool", "metric", "k"),
    [
        (rows(1, 2), rows(1, 2, 4), "l2", 1),
        (rows(1, 2), rows(1, 2), "l2", 3),
        (rows(1, 2), rows(1, 2), "manhattan", 1),
    ],
)
def test_what_does_not_fit_is_refused(queries, pool, metric, k):
    with pytest.raises(ValueError, match=r"pool|k=|metric"):
        nearest(queries, pool, metric, k)
