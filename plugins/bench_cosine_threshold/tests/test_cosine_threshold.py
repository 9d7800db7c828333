import numpy as np
import pytest

from bench_cosine_threshold.method import bench_methods
from harness.method import Access, Budget, Questions
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}


def answer(name, asked=None, **changes):
    training, questions, truth = leaky_case()
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, InProcessTools())
    return method.score(asked or questions, InProcessTools()), truth


def cosines():
    """Largest cosine of each question and of each training real, by the definition."""
    training, questions, _ = leaky_case()

    def unit(images):
        rows = np.sqrt(images.pixels.reshape(len(images), -1) / 255)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    pool = unit(questions.generated)
    asked = (unit(questions.unknown) @ pool.T).max(1)
    reals = np.concatenate(
        [(unit(images) @ pool.T).max(1) for images in (training.used, training.not_used)]
    )
    return asked, reals


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_rank_their_originals_first(name):
    prediction, _ = answer(name)
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_threshold_is_mean_plus_alpha_deviations_of_the_training_reals(alpha):
    asked, reals = cosines()
    prediction, _ = answer("cosine-threshold", alpha=alpha)
    assert prediction.scores == pytest.approx(asked, abs=1e-5)
    assert prediction.labels.tolist() == (asked > reals.mean() + alpha * reals.std()).tolist()


def test_the_transductive_variant_takes_its_moments_from_the_questions():
    asked, _ = cosines()
    prediction, _ = answer("cosine-threshold-transductive")
    assert prediction.labels.tolist() == (asked > asked.mean() + 0.5 * asked.std()).tolist()
    assert METHODS["cosine-threshold-transductive"].access == {Access.POOL, Access.TRANSDUCTIVE}


def test_a_question_asked_alone_gets_the_same_answer_unless_transductive():
    _, questions, _ = leaky_case()
    alone = Questions({"unknown": questions.unknown[[0]], "generated": questions.generated})
    for name in ("cosine-threshold", "cosine-logistic"):
        among, single = answer(name)[0], answer(name, alone)[0]
        assert single.scores[0] == pytest.approx(among.scores[0], rel=1e-4)
        assert single.labels[0] == among.labels[0]


def test_the_regression_labels_the_side_of_even_odds():
    prediction, truth = answer("cosine-logistic")
    assert prediction.labels.tolist() == (prediction.scores > 0).astype(int).tolist() == truth


def test_the_paper_budget_is_the_papers_backbone_and_alpha():
    method = METHODS["cosine-threshold"].within(Budget.PAPER)
    assert (method.backbone, method.alpha) == ("resnet50.tv_in1k", 0.5)
