import numpy as np
import pytest
from skimage.metrics import structural_similarity

from bench_similarity_rules.measures import FeatureSimilarity, StructuralSimilarity
from harness.method import ImageSet
from support import InProcessTools


def images(n, side, seed=0):
    """Noise, a noisy copy, a gradient, and two flat images."""
    draws = np.random.default_rng(seed)
    pixels = draws.integers(0, 256, (n, side, side))
    pixels[1] = np.clip(pixels[0] + draws.normal(0, 20, pixels[0].shape), 0, 255)
    pixels[2] = np.linspace(0, 255, side).astype(int)
    pixels[3], pixels[4] = 40, 200
    return ImageSet(pixels.astype(np.uint8), "images")


@pytest.mark.parametrize("side", [7, 16, 33, 64])
def test_structural_similarity_is_that_of_scikit_image(side):
    some, others = images(6, side), images(9, side)
    found = StructuralSimilarity(None).similarities(some, others)
    expected = [[structural_similarity(a, b) for b in others.pixels] for a in some.pixels]
    assert found == pytest.approx(np.array(expected), abs=5e-5)


def test_an_image_that_fills_the_cache_is_compared_alike(monkeypatch):
    whole = StructuralSimilarity(None).similarities(images(6, 20), images(9, 20))
    monkeypatch.setattr("bench_similarity_rules.measures.CACHED", 100)
    single = StructuralSimilarity(None).similarities(images(6, 20), images(9, 20))
    assert single == pytest.approx(whole, abs=1e-6)


def test_images_are_compared_at_the_side_at_most():
    large, small = images(5, 64), images(5, 16)
    at_half = StructuralSimilarity(32).similarities(large, large)
    reduced = (large.tensor(32).squeeze(1).numpy() * 255).astype(np.float64)
    assert at_half[0, 1] == pytest.approx(
        structural_similarity(reduced[0], reduced[1], data_range=255), abs=1e-5
    )
    as_they_are = StructuralSimilarity(None).similarities(small, small)
    assert StructuralSimilarity(32).similarities(small, small).tolist() == as_they_are.tolist()


def test_images_smaller_than_the_window_have_one_window():
    tiny = ImageSet(images(5, 7).pixels[:, :3, :3], "tiny")
    found = StructuralSimilarity(None).similarities(tiny, tiny)
    assert np.diag(found) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(found).all()


def test_features_are_compared_by_one_minus_the_mean_squared_difference():
    measure = FeatureSimilarity("any", InProcessTools())
    a, b = (measure.described(images(n, 16, n)) for n in (6, 9))
    expected = 1 - np.square(a[:, None] - b).mean(2)
    assert measure.similarities(a, b) == pytest.approx(expected, abs=1e-6)
    assert np.diag(measure.similarities(a, a)) == pytest.approx(1, abs=1e-9)
