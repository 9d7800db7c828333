import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench_controls.method import bench_methods
from harness.method import Access, Budget, ImageSet, Questions, Training
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


def answer(name, training, questions, seed=0):
    method = METHODS[name].within(Budget.PAPER)
    method.fit(training, InProcessTools(seed))
    return method.score(questions, InProcessTools(seed))


def test_no_control_sees_a_generated_image():
    assert not any(Access.POOL in method.access for method in METHODS.values())
    assert all(method.control for method in METHODS.values())


def test_random_depends_on_seed_and_pixels_and_not_on_order():
    training, questions, _ = leaky_case()
    first = answer("random", training, questions)
    turned = Questions({"unknown": questions.unknown[::-1]})
    assert np.array_equal(answer("random", training, turned).scores[::-1], first.scores)
    assert not np.array_equal(answer("random", training, questions, seed=1).scores, first.scores)
    assert ((first.scores > 0.5) == first.labels).all()


def test_constant_says_used_of_everything():
    prediction = answer("constant", *leaky_case()[:2])
    assert set(prediction.labels) == {1}
    assert len(set(prediction.scores)) == 1


@pytest.mark.parametrize("name", ["blind", "patient-lookup"])
def test_controls_find_the_flaw_that_they_are_there_for(name):
    """Used images are brighter (blind), and questions repeat training patients (lookup)."""
    training, _, truth = leaky_case(n=30)
    brighter = np.clip(training.used.pixels.astype(int) // 2 + 120, 0, 255).astype(np.uint8)
    flawed = Training(
        {
            "used": ImageSet(brighter, "training.used"),
            "not_used": ImageSet(training.not_used.pixels // 2, "training.not_used"),
        }
    )
    repeated = np.concatenate([flawed.used.pixels, flawed.not_used.pixels]).astype(int)
    noisy = repeated + np.random.default_rng(1).integers(-3, 4, repeated.shape)
    asked = Questions(
        {"unknown": ImageSet(np.clip(noisy, 0, 255).astype(np.uint8), "questions.unknown")}
    )
    assert roc_auc_score(truth, answer(name, flawed, asked).scores) > 0.95


@pytest.mark.parametrize("name", ["blind", "patient-lookup"])
def test_controls_find_nothing_where_there_is_nothing(name):
    training, questions, truth = leaky_case(n=60)
    area = roc_auc_score(truth, answer(name, training, questions).scores)
    assert 0.35 < area < 0.65
