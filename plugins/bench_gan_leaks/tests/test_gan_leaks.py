import numpy as np
import pytest

from bench_gan_leaks.method import bench_methods
from harness.method import Budget, ImageSet, Questions, Training
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


def answer(name, training, asked, **changes):
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, InProcessTools())
    return method.score(asked, InProcessTools())


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_give_their_originals_away(name):
    training, asked, truth = leaky_case()
    prediction = answer(name, training, asked)
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


@pytest.mark.parametrize("k", [1, 3])
def test_the_score_is_the_distance_to_reals_less_that_to_generated_images(k):
    training, asked, _ = leaky_case()

    def rows(*sets):
        return np.concatenate([s.pixels.reshape(len(s), -1) / 255 for s in sets])

    [question] = rows(asked.unknown[[5]])

    def distance(others):
        return np.sort(np.linalg.norm(others - question, axis=1))[:k].mean()

    near = distance(rows(training.generated, asked.generated))
    far = distance(rows(training.not_used))
    plain = answer("gan-leaks-knn", training, asked, k=k)
    assert plain.scores[5] == pytest.approx(-near, abs=1e-5)
    assert answer("gan-leaks", training, asked, k=k).scores[5] == pytest.approx(
        far - near, abs=1e-5
    )


def images(vectors, name):
    pixels = np.clip(vectors, 0, 255).round().astype(np.uint8).reshape(len(vectors), 4, 4)
    return ImageSet(pixels, name)


def test_calibration_tells_what_is_near_a_copy_from_what_is_near_everything():
    """Plain images are near any generated one, copied or not; busy ones only near their copy."""
    draws = np.random.default_rng(3)

    def plain(count):
        return 128 + draws.normal(0, 4, (count, 16))

    def busy(count):
        return 128 + draws.normal(0, 40, (count, 16))

    used, asked = busy(30), busy(30)
    copies = [vectors + draws.normal(0, 12, vectors.shape) for vectors in (used, asked)]
    training = Training(
        {
            "used": images(used, "training.used"),
            "not_used": images(plain(60), "training.not_used"),
            "generated": images(np.concatenate([copies[0], plain(60)]), "training.generated"),
        }
    )
    questions = Questions(
        {
            "unknown": images(np.concatenate([asked, plain(30)]), "questions.unknown"),
            "generated": images(np.concatenate([copies[1], plain(60)]), "questions.generated"),
        }
    )
    bare = answer("gan-leaks-knn", training, questions, k=1).scores
    calibrated = answer("gan-leaks", training, questions).scores
    assert bare[:30].max() < np.median(bare[30:])
    assert calibrated[:30].min() > calibrated[30:].max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan-leaks", "gan-leaks-knn"])
def test_it_behaves(name):
    check_method(name)
