import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.scoring.uncertainty import (
    DRAWS,
    group_codes,
    jackknife_interval,
    ordered_by_content,
    percentile_interval,
    resamples,
    wilson_interval,
)


def shares_without(right):
    """The share of right answers when each one is left out."""
    right = np.asarray(right, dtype=float)
    return (right.sum() - right) / (right.size - 1)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", ("c", 1), 4]), min_size=1, max_size=30))
def test_groups_share_a_code_exactly_when_they_share_a_name(names):
    codes = group_codes(names)
    assert sorted(set(codes)) == list(range(len(set(names))))
    assert all(
        (names[i] == names[j]) == (codes[i] == codes[j])
        for i in range(len(names))
        for j in range(len(names))
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1), st.randoms())
def test_groups_are_numbered_by_what_they_hold(rows, random):
    codes = group_codes([group for group, _ in rows])
    values = np.array([value for _, value in rows])
    order = list(range(len(rows)))
    random.shuffle(order)
    again = group_codes([-rows[i][0] for i in order])

    def contents(codes, values):
        held = ordered_by_content(codes, values)
        return [sorted(values[held == group].tolist()) for group in range(codes.max() + 1)]

    expected = contents(codes, values)
    assert contents(again, values[order]) == expected == sorted(expected)


def test_a_share_of_independent_answers_gets_the_logit_interval():
    right = np.arange(200) < 140
    low, high = jackknife_interval(0.7, shares_without(right), np.zeros(200, int), 200)
    error = np.sqrt(0.7 * 0.3 / 199) / (0.7 * 0.3)
    reach = stats.t.ppf(0.975, 199) * error
    expected = 1 / (1 + np.exp(-(np.log(0.7 / 0.3) + np.array([-reach, reach]))))
    assert (low, high) == pytest.approx(tuple(expected), rel=1e-3)


def test_few_groups_that_carry_the_variance_make_the_interval_wider():
    even = np.full(40, 0.5) + np.tile([-0.01, 0.01], 20)
    one = np.full(40, 0.5)
    one[:2] += np.array([-0.01, 0.01]) * np.sqrt(20)
    kind = np.zeros(40, int)
    spread, narrow = (np.ptp(jackknife_interval(0.5, each, kind, 40)) for each in (one, even))
    assert spread > 1.2 * narrow


def test_another_scale_maps_the_interval():
    without = shares_without(np.arange(30) % 3 > 0)
    kind = np.zeros(30, int)
    low, high = jackknife_interval(2 / 3, without, kind, 30)
    mapped = jackknife_interval(2 * (2 / 3) - 1, 2 * without - 1, kind, 30, (-1.0, 1.0))
    assert mapped == pytest.approx((2 * low - 1, 2 * high - 1))


def test_groups_of_smaller_strata_count_for_less():
    without = shares_without(np.arange(24) % 3 > 0)
    widths = [
        np.ptp(jackknife_interval(2 / 3, without, np.arange(24) // size, 24)) for size in (2, 4, 24)
    ]
    assert widths == sorted(widths)
    assert widths[0] < 0.9 * widths[2]


def test_a_group_of_its_own_kind_still_counts():
    without = np.full(21, 0.5)
    without[-1] = 0.4
    low, high = jackknife_interval(0.5, without, np.array([0] * 20 + [1]), 21)
    assert low < 0.4 < 0.6 < high


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_no_difference_between_groups_is_not_certainty(value):
    low, high = jackknife_interval(value, np.full(50, value), np.zeros(50, int), 20)
    assert (low, high) == wilson_interval(value, 20)
    assert low <= value <= high
    assert high - low > 0.1


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(2, 500))
def test_wilson_holds_its_share_and_narrows_with_more_groups(share, groups):
    low, high = wilson_interval(share, groups)
    assert 0 <= low <= share <= high <= 1
    fewer = wilson_interval(share, groups + 1)
    assert fewer[1] - fewer[0] < high - low


def test_wilson_of_a_perfect_share_has_the_closed_form():
    squared = stats.t.ppf(0.975, 19) ** 2
    assert wilson_interval(1.0, 20) == pytest.approx((20 / (20 + squared), 1.0))


@pytest.mark.parametrize("images", [10, 400_000])
def test_resamples_draw_as_many_groups_as_each_stratum_has(images):
    strata = np.array([0, 0, 0, 5, 5, 5, 5, 2])
    drawn = np.concatenate(list(resamples(strata, images)))
    assert drawn.shape == (DRAWS, 8)
    for stratum, size in ((0, 3), (5, 4), (2, 1)):
        assert (drawn[:, strata == stratum].sum(axis=1) == size).all()
    assert drawn[:, :7].mean(axis=0) == pytest.approx(1.0, abs=0.1)
    assert drawn[:, :7].var(axis=0) == pytest.approx([2 / 3] * 3 + [3 / 4] * 4, abs=0.1)


def test_resamples_are_the_same_however_many_come_at_once():
    strata = np.repeat([0, 1], [20, 13])
    few, many = (list(resamples(strata, images)) for images in (40, 30_000))
    assert max(len(drawn) for drawn in many) < 40 < len(many)
    assert (np.concatenate(few) == np.concatenate(many)).all()


def test_percentiles_pass_over_undefined_draws():
    samples = np.append(np.linspace(0, 1, 1001), [np.nan] * 500)
    assert percentile_interval(0.5, samples, 30) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_draws_that_never_move_are_not_certainty(value):
    low, high = percentile_interval(value, np.full(100, value), 25)
    assert (low, high) == wilson_interval(value, 25)


def test_a_percentile_interval_holds_its_value():
    low, high = percentile_interval(0.1, np.linspace(0.2, 0.4, 100), 25)
    assert low == 0.1
    assert high == pytest.approx(0.395)
