import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from harness.audit.copying import Distances, Reals, as_json, copying_statistics, figure_text

WIDTH = 5


def reals(count, seed, each=1):
    points = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return Reals.of(points, np.repeat([f"p{n}" for n in range(count // each)], each))


def pool(count, seed):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def copies(used, count, noise, seed=9):
    draws = np.random.default_rng(seed)
    chosen = used.points[draws.integers(len(used.points), size=count)]
    return (chosen + draws.normal(0, noise, chosen.shape)).astype(np.float32)


def figures(points, used, others):
    return {s.name: s.figure for s in copying_statistics({"generated": points}, used, others)}


def test_a_pool_of_copies_is_told_from_one_of_the_same_population():
    used, others = reals(80, 1), reals(80, 2)
    copied = figures(copies(used, 200, 0.05), used, others)
    fresh = figures(pool(200, 3), used, others)
    assert copied["data-copying C_T"].high < 0
    assert fresh["data-copying C_T"].low < 0 < fresh["data-copying C_T"].high
    assert copied["authenticity"].high < 0.1 < 0.4 < fresh["authenticity"].low
    assert copied["distance ratio"].high < 0.4 < 0.6 < fresh["distance ratio"].low


def everything(distances):
    sizes = (distances.used.points, distances.others.points, distances.pool)
    return [np.ones(len(points), bool) for points in sizes]


def test_in_one_cell_the_statistic_is_mann_whitneys():
    used, others, made = reals(15, 1), reals(18, 2), pool(30, 3)
    distances = Distances(made, used, others)

    def nearest(points):
        return np.linalg.norm(points[:, None] - used.points, axis=2).min(1)

    u = mannwhitneyu(nearest(made), nearest(others.points)).statistic
    expected = (u - 18 * 30 / 2) / np.sqrt(18 * 30 * 49 / 12)
    assert distances.data_copying(*everything(distances)) == pytest.approx(expected, abs=1e-3)


def test_an_authentic_image_is_farther_from_its_real_than_that_one_from_the_others():
    used = Reals.of(np.array([[0], [10], [13]], np.float32), np.array(["a", "b", "c"]))
    made = np.array([[4], [-11], [9], [14.5], [20]], np.float32)
    # nearest used reals 0, 0, 10, 13, 13, whose own nearest ones are 10, 10, 3, 3, 3 away
    distances = Distances(made, used, Reals.of(made, np.array([*"defgh"])))
    assert distances.authenticity(*everything(distances)) == pytest.approx(2 / 5)


def test_the_second_nearest_is_another_patient():
    used = Reals.of(np.array([[0], [1], [8]], np.float32), np.array(["a", "a", "b"]))
    distances = Distances(np.array([[2], [8]], np.float32), used, used)
    assert distances.distance_ratio(*everything(distances)) == pytest.approx((1 / 6 + 0) / 2)


def test_more_slices_of_the_same_patients_do_not_make_it_surer():
    single = figures(pool(150, 3), reals(60, 1), reals(60, 2))["authenticity"]

    def threefold(seed):
        one = reals(60, seed)
        jitter = np.random.default_rng(seed).normal(0, 1e-3, (180, WIDTH))
        points = (np.repeat(one.points, 3, 0) + jitter).astype(np.float32)
        return Reals.of(points, np.repeat([f"p{n}" for n in range(60)], 3))

    triple = figures(pool(150, 3), threefold(1), threefold(2))["distance ratio"]
    plain = figures(pool(150, 3), reals(60, 1), reals(60, 2))["distance ratio"]
    assert triple.high - triple.low > 0.8 * (plain.high - plain.low)
    assert single.groups == 120


def test_few_patients_give_a_figure_without_an_interval_that_says_so():
    few = figures(pool(40, 3), reals(8, 1), reals(30, 2))["data-copying C_T"]
    assert few.value is not None
    assert few.low is None
    assert "fewer than 10 patients" in figure_text(few)


@pytest.mark.parametrize(("used", "others", "made"), [(1, 5, 9), (5, 0, 9), (5, 5, 0)])
def test_without_something_to_compare_nothing_is_said(used, others, made):
    assert copying_statistics({"null": pool(made, 3)}, reals(used, 1), reals(others, 2)) == ()


def test_programs_get_every_figure_with_its_pool():
    pools = {"generated": pool(40, 3), "null": pool(40, 4)}
    lines = as_json(copying_statistics(pools, reals(30, 1), reals(30, 2)))["copying"]
    assert [line["pool"] for line in lines] == ["generated"] * 3 + ["null"] * 3
    assert all(line["low"] <= line["value"] <= line["high"] for line in lines)


@pytest.mark.slow
def test_intervals_hold_what_they_promise():
    """Of a pool from the reals' own population, C_T's interval holds 0 nineteen times in twenty."""
    held = 0
    for draw in range(60):
        drawn = figures(pool(60, 3 * draw), reals(40, 3 * draw + 1), reals(40, 3 * draw + 2))
        copying = drawn["data-copying C_T"]
        held += copying.low <= 0 <= copying.high
    assert held >= 52
