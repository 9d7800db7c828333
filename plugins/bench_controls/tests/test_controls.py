import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench_controls.method import bench_methods
from harness.method import Access, Budget, ImageSet, Prediction, Questions, Task, Training
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
MEMBERSHIP = [method for method in METHODS.values() if method.task is Task.MEMBERSHIP]


def answer(name, training, questions, seed=0):
    method = METHODS[name].within(Budget.PAPER)
    method.fit(training, InProcessTools(seed))
    return method.score(questions, InProcessTools(seed))


def test_no_membership_control_sees_a_generated_image():
    assert not any(Access.POOL in method.access for method in MEMBERSHIP)
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


SHADES = (40, 120, 200)


def subsets(per_class=(12, 30, 12), contrast=20):
    """Three subsets that differ in brightness; generated images look like the reals."""
    draws = np.random.default_rng(0)

    def shade(grey, n, name):
        noisy = draws.normal(grey, contrast, (n, 16, 16)).clip(0, 255)
        return ImageSet(noisy.astype(np.uint8), name)

    sets = {
        f"{kind}/{c}": shade(grey, n, f"training.{kind}/{c}")
        for kind in ("real", "generated")
        for c, (grey, n) in enumerate(zip(SHADES, per_class, strict=True))
    }
    asked = np.concatenate([shade(grey, 20, "").pixels for grey in SHADES])
    questions = Questions({"generated": ImageSet(asked, "questions.generated")})
    return Training(sets), questions, np.repeat([0, 1, 2], 20)


def attribute(name, training, questions, seed=0) -> Prediction:
    method, tools = METHODS[name](), InProcessTools(seed)
    tools.classes = 3
    method.fit(training, tools)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == (len(questions.generated), 3)
    assert np.array_equal(prediction.scores.argmax(1), prediction.labels)
    return prediction


def test_the_majority_is_the_subset_with_the_most_generated_images():
    training, questions, _ = subsets()
    assert set(attribute("majority", training, questions).labels) == {1}


def test_random_subsets_depend_on_seed_and_pixels_and_not_on_order():
    training, questions, _ = subsets()
    first = attribute("random-subset", training, questions)
    turned = Questions({"generated": questions.generated[::-1]})
    again = attribute("random-subset", training, turned)
    assert np.array_equal(again.scores[::-1], first.scores)
    other = attribute("random-subset", training, questions, seed=1)
    assert not np.array_equal(other.scores, first.scores)
    assert set(first.labels) == {0, 1, 2}


def test_content_is_recognised_without_a_generated_image():
    training, questions, truth = subsets()
    reals = Training({f"real/{c}": s for c, s in enumerate(training.real_by_class.sets)})
    assert (attribute("content-only", reals, questions).labels == truth).mean() > 0.95
