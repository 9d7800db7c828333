import numpy as np
import pytest

from bench_nearest_pixel.method import bench_methods
from harness.method import Budget
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


def answer(name, questions=None):
    training, asked, truth = leaky_case()
    method = METHODS[name].within(Budget.PAPER)
    method.fit(training, InProcessTools())
    return method.score(questions or asked, InProcessTools()), truth


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_give_their_originals_away(name):
    prediction, truth = answer(name)
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


def test_the_score_is_the_largest_correlation_with_an_image_of_either_pool():
    training, asked, _ = leaky_case()
    prediction, _ = answer("nearest-pixel")
    pool = np.concatenate([training.generated.pixels, asked.generated.pixels])
    flat = pool.reshape(len(pool), -1)
    question = asked.unknown.pixels[3].ravel()
    expected = max(np.corrcoef(question, image)[0, 1] for image in flat)
    assert prediction.scores[3] == pytest.approx(expected, abs=1e-5)


def test_l2_scores_are_negative_distances():
    prediction, _ = answer("nearest-pixel-l2")
    assert (prediction.scores <= 0).all()
