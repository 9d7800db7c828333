import numpy as np
import pytest
from skimage.metrics import structural_similarity
from sklearn.metrics import jaccard_score

from bench_enhanced_similarity import similarity
from bench_enhanced_similarity.similarity import (
    binarised,
    jaccard,
    on_per_view,
    structural_similarities,
    unit,
)
from support import InProcessTools


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_the_cosine_of_two_images_is_the_mean_of_their_views_cosines():
    features = drawn(2, 3, 5)
    one, other = features / np.linalg.norm(features, axis=2, keepdims=True)
    a, b = unit(features)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(
        (one * other).sum(1).mean()
    )


def test_the_larger_half_of_each_view_is_on():
    features = np.array([[[1, 4, 3, 2], [0, 0, 0, 9]]], np.float32)
    assert binarised(features, 0.5).tolist() == [
        [0, 1, 1, 0, 1, 0, 0, 1]
    ]  # of equal ones the first
    assert binarised(features, 0.25).tolist() == [[0, 1, 0, 0, 0, 0, 0, 1]]
    assert binarised(features, 0.01).sum() == 2


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_jaccard_index_is_that_of_scikit_learn(share):
    features = drawn(6, 2, 4, 5)
    bits = binarised(features, share)
    index = jaccard(bits @ bits.T, 2 * on_per_view(features, share))
    expected = [[jaccard_score(a, b) for a in bits] for b in bits]
    assert index == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 2**24])
def test_structural_similarity_is_the_mean_of_scikit_images_over_the_maps(monkeypatch, at_once):
    monkeypatch.setattr(similarity, "NUMBERS_AT_ONCE", at_once)
    asked, pool = drawn(5, 2, 3, 10, 10), drawn(4, 2, 3, 10, 10, seed=1)
    near = np.array([[0, 1], [2, 3], [3, 0], [1, 1], [2, 0]])
    found = structural_similarities(asked, pool, near, 7, InProcessTools())

    def by_definition(one, other):
        return np.mean(
            [
                structural_similarity(x, y, win_size=7, data_range=1, use_sample_covariance=False)
                for x, y in zip(one, other, strict=True)
            ]
        )

    maps, others = asked.reshape(5, 6, 10, 10), pool.reshape(4, 6, 10, 10)
    expected = [[by_definition(maps[i], others[j]) for j in row] for i, row in enumerate(near)]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_an_image_is_most_like_itself():
    maps = drawn(3, 1, 2, 8, 8)
    near = np.array([[0, 1, 2]] * 3)
    found = structural_similarities(maps, maps, near, 7, InProcessTools())
    assert np.diag(found) == pytest.approx(1, abs=1e-5)
    assert (found.argmax(1) == np.arange(3)).all()
