import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from harness.features import neighbours
from harness.features.neighbours import nearest, row_statistics

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
        patch.setattr(neighbours, "CHUNK_BYTES", chunk)
        _, indices = nearest(queries, pool, "dot", k)
    similar = queries @ pool.T
    expected = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    assert np.array_equal(indices, expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("chunk", [100, 2**20])
def test_statistics_are_those_of_whole_rows(metric, chunk, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK_BYTES", chunk)
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
    monkeypatch.setattr(neighbours, "CHUNK_BYTES", 100)
    chunked = nearest(queries, pool, metric, 3)
    assert np.allclose(whole[0], chunked[0], atol=1e-6)
    assert np.array_equal(whole[1], chunked[1])


def test_a_copy_has_distance_zero_however_large_its_values():
    pool = rows(3, 5) + 1000
    values, indices = nearest(pool[2:3], pool, "l2")
    assert values[0, 0] == 0
    assert indices[0, 0] == 2


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
