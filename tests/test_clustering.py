from typing import get_args

import numpy as np
import pytest

from harness.clustering import (
    Clustering,
    Halving,
    cluster,
    embedded,
    lean,
    matched,
    share_used,
)


def two_clouds(apart=6.0):
    draws = np.random.default_rng(0)
    first, second = draws.normal(0, 1, (20, 8)), draws.normal(0, 1, (30, 8))
    return np.concatenate([first, second + apart]).astype(np.float32)


@pytest.mark.parametrize("clustering", get_args(Halving))
def test_two_clouds_lean_to_opposite_sides(clustering):
    leaning = lean(two_clouds(), clustering, seed=0)
    assert leaning.shape == (50,)
    assert len(set(np.sign(leaning[:20]))) == len(set(np.sign(leaning[20:]))) == 1
    assert np.sign(leaning[0]) == -np.sign(leaning[-1]) != 0


@pytest.mark.parametrize("clustering", get_args(Halving))
def test_who_is_between_two_clouds_leans_less(clustering):
    clouds = two_clouds()
    middle = (clouds[:20].mean(0) + clouds[20:].mean(0)) / 2
    leaning = np.abs(lean(np.vstack([clouds, middle]), clustering, seed=0))
    assert leaning[-1] < np.median(leaning[:-1])


def test_the_embedding_is_the_spectrum_of_the_normalised_laplacian():
    points = two_clouds(2.0).astype(float)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    width = np.median(distances[np.triu_indices(50, 1)])
    affinity = np.exp(-((distances / width) ** 2) / 2)
    np.fill_diagonal(affinity, 0)
    root = np.sqrt(affinity.sum(1))
    values, vectors = np.linalg.eigh(np.eye(50) - affinity / root[:, None] / root)
    assert values[0] == pytest.approx(0, abs=1e-9)
    found = embedded(points, 2, seed=0)
    expected = vectors[:, :2] / root[:, None]
    for column in (0, 1):
        alike = np.corrcoef(found[:, 1], expected[:, 1])[0, 1]
        assert abs(alike) == pytest.approx(1, abs=1e-6)
        spread = found[:, column].std() / np.abs(found[:, column]).mean()
        assert (spread < 1e-6) == (column == 0)


def test_equal_points_are_no_reason_to_stop():
    assert np.isfinite(embedded(np.ones((6, 3)), 2, seed=0)).all()


@pytest.mark.parametrize("how", get_args(Clustering))
def test_every_way_finds_two_clouds(how):
    found = cluster(two_clouds(20.0), how, 2, seed=0)
    assert found.shape == (50,)
    kept = found >= 0  # density calls the outskirts noise
    assert kept.mean() > 0.7
    first, second = found[:20][kept[:20]], found[20:][kept[20:]]
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]


@pytest.mark.parametrize("how", get_args(Clustering))
def test_equal_and_few_points_are_no_reason_to_stop(how):
    assert cluster(np.ones((6, 3)), how, 2, seed=0).shape == (6,)
    assert cluster(np.eye(2, 3), how, 5, seed=0).shape == (2,)


@pytest.mark.parametrize("how", get_args(Clustering))
def test_the_order_of_the_points_does_not_decide(how):
    points = two_clouds(1.0)
    order = np.random.default_rng(1).permutation(len(points))
    assert cluster(points[order], how, 3, seed=0).tolist() == (
        cluster(points, how, 3, seed=0)[order].tolist()
    )


@pytest.mark.parametrize("how", get_args(Halving))
def test_the_order_of_the_points_does_not_turn_the_leaning(how):
    points = two_clouds(1.0)
    order = np.random.default_rng(1).permutation(len(points))
    assert lean(points[order], how, seed=0).tolist() == lean(points, how, seed=0)[order].tolist()


def test_the_share_of_used_members_of_each_cluster():
    clusters = np.array([0, 0, 2, 2, 2, -1])
    shares = share_used(clusters, np.array([1, 0, 1, 1, 0, 1]), 4)
    assert shares == pytest.approx([1 / 2, 4 / 6, 2 / 3, 4 / 6]), "two hold no labelled image"


def test_clusters_stand_for_different_classes_so_that_most_labels_agree():
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    labels = np.array([1, 1, 0, 1, 1, 1, 2, 0])
    assert matched(clusters, labels, 3).tolist() == [0, 1, 2]  # most of cluster 0 is taken


def test_clusters_beyond_the_classes_take_that_of_most_of_their_members():
    clusters, labels = np.array([0, 0, 1, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 1])
    assert matched(clusters, labels, 3).tolist() == [0, 1, 1]


def test_a_cluster_without_labelled_members_takes_the_class_that_is_left():
    clusters, labels = np.array([0, 0, 2, 2]), np.array([2, 2, 0, 0])
    assert matched(clusters, labels, 3).tolist() == [2, 1, 0]
