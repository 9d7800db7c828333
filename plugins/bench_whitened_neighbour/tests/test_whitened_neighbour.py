import numpy as np
import pytest

from bench_whitened_neighbour.method import WhitenedNeighbour
from harness.method import ImageSet, Questions, Training
from support import InProcessTools, leaky_case


def answer(training, asked, **changes):
    method = WhitenedNeighbour(**changes)
    method.fit(training, InProcessTools())
    return method.score(asked, InProcessTools())


def test_copies_in_the_pool_give_their_originals_away():
    training, asked, truth = leaky_case()
    prediction = answer(training, asked)
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


def common_structure(draws, count, side=16):
    """Images that are nearly all one strong pattern, of random strength, and a faint detail."""
    pattern = np.outer(np.hanning(side), np.hanning(side))
    strength = draws.normal(100, 30, (count, 1, 1))
    return strength * pattern + 120 + draws.normal(0, 3, (count, side, side))


def test_a_faint_copy_is_found_below_what_all_images_share():
    draws = np.random.default_rng(4)
    used, not_used, asked, others = (common_structure(draws, 20) for _ in range(4))

    def faint(originals):
        return (
            0.5 * (originals - originals.mean()) + originals.mean() + draws.normal(0, 1, (16, 16))
        )

    pool = np.concatenate([faint(used), faint(asked), common_structure(draws, 160)])

    def images(pixels, name):
        return ImageSet(np.clip(pixels, 0, 255).round().astype(np.uint8), name)

    training = Training(
        {
            "used": images(used, "training.used"),
            "not_used": images(not_used, "training.not_used"),
            "generated": images(pool[:100], "training.generated"),
        }
    )
    questions = Questions(
        {
            "unknown": images(np.concatenate([asked, others]), "questions.unknown"),
            "generated": images(pool[100:], "questions.generated"),
        }
    )
    scores = answer(training, questions, sides=(16,)).scores
    assert scores[:20].min() > scores[20:].max()


@pytest.mark.parametrize("generated", [2, 3])
def test_tiny_pools_are_survived(generated):
    training, asked, _ = leaky_case()
    few = Training({**training._sets, "generated": training.generated[:1]})
    little = Questions({**asked._sets, "generated": asked.generated[: generated - 1]})
    assert np.isfinite(answer(few, little).scores).all()
