import numpy as np
import pytest

from bench_plagiarism_index.method import bench_methods, generated_share
from harness.method import Budget
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


def test_neighbours_of_either_kind_are_counted_by_distance():
    generated = np.array([[1, 2, 3], [5, 6, 7], [1, 1, 1]], np.float32)
    outsiders = np.array([[0, 2.5], [1, 2], [1, 1]], np.float32)
    assert generated_share(generated, outsiders, 3).tolist() == pytest.approx([2 / 3, 1 / 3, 1])


def test_fewer_images_than_neighbours_all_count():
    shares = generated_share(np.ones((1, 2), np.float32), np.ones((1, 1), np.float32), 20)
    assert shares == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_are_the_first_neighbours_of_their_originals(name):
    training, asked, _ = leaky_case()
    method = METHODS[name].within(Budget.PAPER, {"k": 1})
    method.fit(training, InProcessTools())
    prediction = method.score(asked, InProcessTools())
    assert (prediction.scores[:12] == 1).all()
    assert prediction.scores[12:].mean() < 1
    assert set(prediction.scores) <= {0.0, 1.0}


def test_the_neighbourhood_is_that_of_all_generated_images_and_reals_not_used():
    training, asked, _ = leaky_case()
    method = METHODS["data-plagiarism-index"].within(Budget.PAPER)
    method.fit(training, InProcessTools())
    found = method.score(asked, InProcessTools()).scores[7]
    sets = (training.generated, asked.generated, training.not_used)
    rows = np.concatenate([s.pixels.reshape(len(s), -1) / 255 for s in sets])
    question = asked.unknown.pixels[7].ravel() / 255
    nearest = np.argsort(np.linalg.norm(rows - question, axis=1), kind="stable")[:20]
    generated = len(training.generated) + len(asked.generated)
    assert found == pytest.approx((nearest < generated).mean())


@pytest.mark.slow
def test_it_behaves():
    check_method("data-plagiarism-index")
