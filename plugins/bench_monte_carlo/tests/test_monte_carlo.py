import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import ncx2
from sklearn.metrics import roc_auc_score

from bench_monte_carlo.ball import distances, lowest, weight
from bench_monte_carlo.method import bench_methods
from harness.method import Budget
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
WIDTH, SAMPLES, RADIUS = 4, 40_000, 1.5


def in_theory(form, shift):
    """Mean weight of standard normal samples around a point at a distance from their mean."""

    def density(distance):
        return 2 * distance * ncx2.pdf(distance**2, WIDTH, shift**2)

    weights = {
        "count": lambda d: 1.0,
        "log": lambda d: np.log(RADIUS / d),
        "ratio": lambda d: RADIUS / d,
    }
    return quad(lambda d: weights[form](d) * density(d), 0, RADIUS)[0]


@pytest.mark.parametrize("form", ["count", "log", "ratio"])
@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_of_gaussian_samples_each_form_is_what_theory_says(form, shift):
    draws = np.random.default_rng(11)
    samples = draws.normal(size=(SAMPLES, WIDTH))
    point = np.full((1, WIDTH), shift / WIDTH**0.5)
    [block] = distances(point, samples, InProcessTools())
    found = weight(block, RADIUS, form)[0]
    each = np.array([weight(part, RADIUS, form)[0] for part in np.array_split(block, 100, 1)])
    error = each.std(ddof=1) / 10
    assert found == pytest.approx(in_theory(form, shift), abs=4 * error)
    assert error < 0.05 * found


@pytest.mark.parametrize("size", [3, 7, 50])
def test_the_distance_at_a_rank_is_found_block_by_block(size):
    numbers = np.random.default_rng(2).random((20, 50))
    blocks = (numbers[start : start + size] for start in range(0, 20, size))
    assert lowest(blocks, 37) == np.sort(numbers.ravel())[36]


def answer(name, **changes):
    training, asked, truth = leaky_case()
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, InProcessTools())
    return method.score(asked, InProcessTools()), training, asked, truth


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_give_their_originals_away(name):
    # Two copies of each of 12 used training reals are 1 % of 24 times 96 distances.
    prediction, _, _, truth = answer(name, percentile=1)
    assert roc_auc_score(truth, prediction.scores) > 0.9
    assert np.mean(prediction.labels == np.array(truth)) > 0.8


def test_the_radius_is_the_median_smallest_distance_of_training_reals():
    prediction, training, asked, _ = answer("monte-carlo", components=None)

    def rows(*sets):
        return np.concatenate([s.pixels.reshape(len(s), -1) / 255 for s in sets])

    pool = rows(training.generated, asked.generated)

    def all_distances(points):
        return np.linalg.norm(points[:, None] - pool, axis=2)

    radius = np.median(all_distances(rows(training.used, training.not_used)).min(1))
    expected = (all_distances(rows(asked.unknown)) <= radius).mean(1)
    assert prediction.scores == pytest.approx(expected)


def test_principal_components_are_those_of_the_pool():
    few, *_ = answer("monte-carlo-ratio", components=2)
    whole, *_ = answer("monte-carlo-ratio", components=None)
    assert few.scores.tolist() != whole.scores.tolist()
    every, *_ = answer("monte-carlo-ratio", components=4000)  # as many as there are images
    assert np.corrcoef(every.scores, whole.scores)[0, 1] > 0.9


def test_copies_without_any_distance_have_finite_weights():
    block = np.array([[0.0, 2.0], [3.0, 4.0]])
    for form in ("count", "log", "ratio"):
        assert np.isfinite(weight(block, 2.5, form)).all()
        assert np.isfinite(weight(block, 0.0, form)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["monte-carlo", "monte-carlo-percentile-log"])
def test_it_behaves(name):
    check_method(name)
