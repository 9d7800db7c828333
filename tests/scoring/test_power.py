import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.scoring.comparing import membership_comparison
from harness.scoring.power import design_effect, expected_maximum, needed, smallest_kappa

KAPPAS = st.floats(0.02, 0.9)
METHODS = st.integers(1, 200)


def exact_power(kappa, images, methods):
    """The power of the test of two proportions that takes variance under the null hypothesis."""
    half = images // 2
    hits, alarms = np.arange(half + 1)[:, None], np.arange(half + 1)
    rate = (hits + alarms) / (2 * half)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (hits - alarms) / half / np.sqrt(2 * rate * (1 - rate) / half)
    chance = stats.binom.pmf(hits, half, 0.5 + kappa / 2) * stats.binom.pmf(
        alarms, half, 0.5 - kappa / 2
    )
    return float(chance[z > stats.norm.isf(0.025 / methods)].sum())


def test_91_methods_and_a_kappa_of_a_tenth_take_1843_independent_images():
    found = needed(0.1, 91)
    assert (found.independent, found.images, found.patients) == (1843, 1843, 1843)


@pytest.mark.parametrize(("kappa", "methods"), [(0.1, 91), (0.2, 1), (0.15, 20)])
def test_the_power_is_there_when_worked_out_from_the_binomials(kappa, methods):
    images = needed(kappa, methods).images
    assert exact_power(kappa, images, methods) == pytest.approx(0.8, abs=0.015)


@given(KAPPAS, METHODS, st.floats(0.55, 0.99), st.floats(1, 30), st.floats(0, 1))
def test_the_smallest_kappa_is_the_inverse(kappa, methods, power, each, correlation):
    design = {"power": power, "images_per_patient": each, "correlation": correlation}
    found = needed(kappa, methods, **design)
    images = found.patients * each
    back = smallest_kappa(images, methods, **design)
    assert back is not None
    assert back <= kappa + 1e-9
    if images > 2 * each + 2:
        fewer = smallest_kappa((found.patients - 1) * each, methods, **design)
        assert fewer is None or fewer > kappa - 1e-9


@given(KAPPAS, METHODS)
def test_more_methods_and_smaller_effects_need_more(kappa, methods):
    assert needed(kappa, methods + 1).images >= needed(kappa, methods).images
    assert needed(kappa * 0.9, methods).images >= needed(kappa, methods).images


def test_images_of_a_patient_count_for_less_as_they_are_more_alike():
    assert design_effect(5, 0) == 1
    assert design_effect(5, 1) == 5
    alone, alike = needed(0.1, images_per_patient=5, correlation=0), needed(0.1)
    assert alone.patients == math.ceil(alike.patients / 5)
    assert needed(0.1, images_per_patient=5, correlation=1).patients == alike.patients
    found = needed(0.1, 91, images_per_patient=5, correlation=0.3)
    assert (found.independent, found.patients, found.images) == (1843, 811, 4055)


def test_a_test_set_may_be_too_small_for_anything():
    assert smallest_kappa(10, 91) is None
    assert smallest_kappa(20, 91) < 1


# --- blind methods ---


def test_the_best_of_91_blind_methods_reaches_0_110():
    assert expected_maximum(91, 500) == pytest.approx(0.110, abs=0.002)
    largest = stats.norm.expect(lambda z: 91 * z * stats.norm.cdf(z) ** 90)
    assert expected_maximum(91, 500) == pytest.approx(largest / math.sqrt(499), abs=0.001)


@pytest.mark.parametrize(("used", "positives"), [(30, 30), (20, 45), (50, 3)])
def test_the_expected_best_is_that_of_simulation(used, positives):
    rng = np.random.default_rng(0)
    hits = rng.hypergeometric(used, 60 - used, positives, size=(20_000, 7)).max(1)
    chance = (used * positives + (60 - used) * (60 - positives)) / 3600
    kappas = (1 - (used + positives - 2 * hits) / 60 - chance) / (1 - chance)
    error = kappas.std() / math.sqrt(20_000)
    assert expected_maximum(7, 60, used, positives) == pytest.approx(kappas.mean(), abs=4 * error)


def test_one_blind_method_is_expected_at_nought_and_more_at_more():
    assert expected_maximum(1, 500) == pytest.approx(0, abs=1e-12)
    assert expected_maximum(91, 500, positives=0) == 0
    best = [expected_maximum(methods, 500) for methods in (1, 2, 10, 100)]
    assert best == sorted(best)
    assert expected_maximum(10, 10**8) < 0.001


# --- bad calls ---


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: needed(0), "kappa must lie between 0 and 1"),
        (lambda: needed(1.0), "kappa must lie between 0 and 1"),
        (lambda: needed(0.1, 0), "methods must be at least 1"),
        (lambda: needed(0.1, power=1), "power must lie between 0 and 1"),
        (lambda: needed(0.1, alpha=0), "alpha must lie between 0 and 1"),
        (lambda: needed(0.1, images_per_patient=0.5), "images per patient must be at least 1"),
        (lambda: needed(0.1, correlation=1.5), "correlation must lie in 0 to 1"),
        (lambda: smallest_kappa(1), "at least 2 images"),
        (lambda: expected_maximum(0, 500), "methods must be at least 1"),
        (lambda: expected_maximum(5, 500, used=500), "500 used"),
        (lambda: expected_maximum(5, 500, positives=501), "501 positive"),
    ],
)
def test_a_wrong_call_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# --- what it does in the long run ---


@pytest.mark.slow
def test_so_many_patients_give_the_power_that_was_asked_for():
    each, correlation, kappa = 4, 0.4, 0.2
    patients = needed(kappa, images_per_patient=each, correlation=correlation).patients
    groups = np.repeat(np.arange(patients), each)
    truth = groups % 2
    rng, shown = np.random.default_rng(1), 0
    shape = np.array([0.5 + kappa / 2, 0.5 - kappa / 2]) * (1 / correlation - 1)
    for _ in range(1000):
        # Beta-binomial: so two images of a patient are right with the correlation asked for.
        right = rng.random(truth.size) < rng.beta(*shape, size=patients)[groups]
        labels = np.where(right, truth, 1 - truth)
        blind = np.zeros_like(labels)  # has exactly no kappa
        found = membership_comparison(truth, [labels, blind], None, groups).differences["kappa"]
        shown += found.low > 0
    assert 0.76 <= shown / 1000 <= 0.84
