"""p values that count patients: what they promise holds on data where nobody was used."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu

from harness.privacy import patients
from harness.privacy.finding import FALSE_ALARMS, judge, others_needed
from harness.privacy.folders import Role
from harness.privacy.patients import Patient, patient_p, set_p, wins

FEW = 199  # permutations: exact at any number
TIMES = 1000


def draw(rng, sizes):
    """Return scores of patients whose images are alike, as slices of one scan are."""
    scores = rng.normal(np.repeat(rng.normal(size=len(sizes)), sizes), 0.5)
    return np.split(scores, np.cumsum(sizes)[:-1])


def people(scores):
    return [
        Patient(Role.ASKED, f"p{n}", tuple(f"i{n}-{k}" for k in range(len(own))), own)
        for n, own in enumerate(scores)
    ]


def ps(rng, asked, others, times):
    """Return p values of patients who were not used, each compared with 99 others of their own."""
    drawn = [
        patient_p(draw(rng, [asked])[0], draw(rng, rng.choice(others, 99))) for _ in range(times)
    ]
    return np.array(drawn)


def test_one_image_each_gives_false_alarms_at_the_nominal_rate():
    found = ps(np.random.default_rng(1), 1, [1], TIMES)
    for level in (0.05, 0.01):
        low, high = binom.interval(0.99, TIMES, level)
        assert low <= (found <= level + 1e-12).sum() <= high


@pytest.mark.parametrize(("asked", "others"), [(1, [1, 20]), (8, [1, 2, 3]), (5, [2, 5, 9, 30])])
def test_unequal_numbers_of_images_give_no_more_false_alarms(asked, others):
    found = ps(np.random.default_rng(2), asked, others, TIMES // 2)
    for level in (0.05, 0.01):
        assert (found <= level + 1e-12).sum() <= binom.ppf(0.995, TIMES // 2, level)


def test_the_best_of_many_images_counts_for_less_than_that_of_one():
    others = [np.array([float(n)]) for n in range(99)]
    one, many = np.array([97.5]), np.array([97.5, *range(9)])
    assert patient_p(one, others) == pytest.approx(0.02)
    assert patient_p(many, others) == pytest.approx(0.2)


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=8),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
)
def test_a_p_value_never_falls_below_one_among_all_and_falls_with_the_score(others, asked):
    null, scores = [np.array(one, float) for one in others], np.array(asked, float)
    p = patient_p(scores, null)
    assert 1 / (len(null) + 1) <= p <= 1
    assert patient_p(scores + 1, null) <= p


def test_wins_of_single_images_are_those_of_the_rank_sum_test():
    rng = np.random.default_rng(3)
    asked, others = rng.integers(0, 9, 12).astype(float), rng.integers(0, 9, 20).astype(float)
    table = wins([np.array([x]) for x in (*asked, *others)])
    assert np.allclose(table + table.T, 1)
    expected = mannwhitneyu(asked, others, alternative="greater", method="asymptotic")
    assert table[:12, 12:].sum() == pytest.approx(expected.statistic)
    p = set_p([np.array([x]) for x in asked], [np.array([x]) for x in others], rng)
    assert p == pytest.approx(expected.pvalue, abs=0.02)


def test_an_audit_of_patients_who_were_not_used_seldom_says_detected(monkeypatch):
    monkeypatch.setattr(patients, "DRAWS", FEW)
    rng = np.random.default_rng(4)
    said = sum(
        judge(
            people(draw(rng, rng.integers(1, 4, 6))), people(draw(rng, rng.integers(1, 6, 40))), rng
        ).detected
        for _ in range(100)
    )
    assert said <= binom.ppf(0.995, 100, FALSE_ALARMS)


def test_a_used_patient_is_told_when_there_are_enough_to_compare_with():
    rng = np.random.default_rng(5)
    scores = [np.array([9.0]), *draw(rng, [1] * 4)]
    enough = others_needed(5)
    finding = judge(people(scores), people(draw(rng, [1] * enough)), rng)
    assert [one.patient.name for one in finding.patients if one.told] == ["p0"]
    assert finding.smallest_p == 1 / (enough + 1)
    assert judge(people(scores), people(draw(rng, [1] * (enough - 1))), rng).told == 0


def test_patients_who_are_all_a_little_closer_are_found_as_a_group():
    rng = np.random.default_rng(6)
    asked = [own + 1.0 for own in draw(rng, [2] * 30)]
    finding = judge(people(asked), people(draw(rng, [2] * 30)), rng)
    assert finding.detected
    assert finding.told == 0
