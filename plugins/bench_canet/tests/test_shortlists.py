import numpy as np
import pytest

from bench_canet.shortlists import Shortlists, nearest_lists
from support import InProcessTools

# Two bunches of reals: around the first axis, and around the second.
FIRST = [[10, 0.0], [10, 0.5], [10, 1.0], [10, 1.5]]
SECOND = [[0.0, 10], [0.5, 10], [1.0, 10], [1.5, 10]]


def lists(reals, pool, nearest=2, clusters=1, outliers=0.0):
    return Shortlists(
        np.array(reals, np.float32), np.array(pool, np.float32), nearest=nearest,
        clusters=clusters, outliers=outliers, tools=InProcessTools(),
    )  # fmt: skip


def admitted(shortlists, images):
    return shortlists.admit(np.array(images, np.float32)).tolist()


def test_a_list_holds_the_nearest_by_either_measure():
    found = lists([[1, 0.01], [9, 6], [0, 5]], [[10, 0.1]], nearest=1)
    assert found.kept[:, 0].tolist() == [True, True, False]  # the cosine's, and the distance's


def test_a_short_list_of_few_reals_has_room_for_any_other_image():
    found = lists(FIRST, [[10, 0]], nearest=10)
    assert found.kept.all()
    assert admitted(found, [[-50, 3]]) == [[True]]


def test_an_image_is_admitted_when_it_is_as_near_as_the_last_real():
    found = lists(FIRST, [[10, 0]], nearest=2)
    assert admitted(found, [[10, 0.4], [10, 0.6], [3, 0.1]]) == [[True], [False], [True]]


def test_reals_would_be_admitted_to_the_lists_that_they_are_on():
    draws = np.random.default_rng(0)
    reals, pool = draws.normal(size=(40, 6)), draws.normal(size=(15, 6))
    found = lists(reals, pool, nearest=7, clusters=4, outliers=0.2)
    assert 0 < found.kept.sum() < lists(reals, pool, nearest=7).kept.sum()
    assert np.array_equal(found.admit(reals.astype(np.float32)), found.kept)


def test_those_of_a_cluster_that_few_of_a_list_share_are_outliers():
    pool = [[10, 1.0]]
    everyone = lists(FIRST + SECOND, pool, nearest=5, clusters=2, outliers=0.0)
    assert everyone.kept[:4].all()
    assert everyone.kept.sum() == 5
    without = lists(FIRST + SECOND, pool, nearest=5, clusters=2, outliers=0.3)
    assert without.kept[:4].all()
    assert not without.kept[4:].any()
    # Those asked about are judged by the cluster of the real nearest to them.
    assert admitted(everyone, [[9, 1], [1.5, 9.9]]) == [[True], [True]]
    assert admitted(without, [[9, 1], [1.5, 9.9]]) == [[True], [False]]


def test_the_lists_do_not_depend_on_the_order_of_the_reals():
    draws = np.random.default_rng(1)
    reals, pool = draws.normal(size=(50, 5)), draws.normal(size=(20, 5))
    order = draws.permutation(50)
    found = lists(reals, pool, nearest=9, clusters=6, outliers=0.2)
    turned = lists(reals[order], pool, nearest=9, clusters=6, outliers=0.2)
    assert np.array_equal(turned.kept, found.kept[order])


def test_the_nearest_of_the_lists_come_first_and_gaps_last():
    kept = np.array([[True, False, True, True], [False, False, False, True], [False] * 4])
    ranks = np.array([[1, 3, 2, 0], [3, 2, 1, 0], [0, 1, 2, 3]])
    assert nearest_lists(kept, ranks, 2).tolist() == [[3, 2], [3, -1], [-1, -1]]
    assert nearest_lists(kept, ranks, 9).tolist()[0] == [3, 2, 0, -1]


@pytest.mark.parametrize("count", [1, 2, 12])
def test_reals_that_are_all_the_same_are_listed(count):
    found = lists([[1, 1]] * count, [[1, 2], [3, 1]], nearest=50, clusters=8, outliers=0.1)
    assert found.kept.all()
    assert admitted(found, [[1, 1]]) == [[True, True]]
