import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from bench_copy_detection.method import bench_methods
from bench_copy_detection.similarity import Compared, best_similarities
from harness.method import Budget, ImageSet
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_give_their_originals_away(name):
    training, asked, truth = leaky_case()
    method = METHODS[name].within(Budget.PAPER)
    method.fit(training, InProcessTools())
    prediction = method.score(asked, InProcessTools())
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


def images(count, side, seed):
    draws = np.random.default_rng(seed)
    pixels = draws.integers(0, 256, (count, side, side))
    pixels[1] = np.linspace(0, 255, side).astype(int)
    pixels[2] = 40
    return ImageSet(pixels.astype(np.uint8), "images")


@pytest.mark.parametrize("side", [7, 16, 33])
def test_structural_similarity_is_that_of_scikit_image(side):
    some, others = images(5, side, 1), images(8, side, 2)
    found = best_similarities(some.tensor(), Compared(others.tensor()))
    expected = [max(structural_similarity(a, b) for b in others.pixels) for a in some.pixels]
    assert found.numpy() == pytest.approx(np.array(expected), abs=5e-5)


def test_an_image_is_most_similar_to_itself():
    some = images(5, 16, 1)
    assert best_similarities(some.tensor(), Compared(some.tensor())) == pytest.approx(
        torch.ones(5), abs=1e-5
    )


def test_without_weights_the_descriptor_is_named_and_nothing_stands_in_for_it():
    assert METHODS["copy-detection"].within(Budget.PAPER).backbone == "sscd"


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_behaves(name):
    check_method(name)
