import numpy as np
import pytest

from bench_cosine_threshold.method import bench_methods
from harness.method import Access, Budget, ImageSet, Questions, Training
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
    pool = unit(questions.generated)
    asked = (unit(questions.unknown) @ pool.T).max(1)
    reals = np.concatenate(
        [(unit(images) @ pool.T).max(1) for images in (training.used, training.not_used)]
    )
    return asked, reals


def unit(images):
    rows = np.sqrt(images.pixels.reshape(len(images), -1) / 255)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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


def test_the_grid_variant_chooses_alpha_by_held_out_kappa():
    asked, reals = cosines()
    prediction, _ = answer("cosine-threshold-grid", grid=(0.1, 2.5, 50.0))
    # At 2.5 and 50 deviations none of the 12 used among 24 training reals would be flagged.
    assert prediction.labels.tolist() == (asked > reals.mean() + 0.1 * reals.std()).tolist()


def test_of_equally_good_alphas_the_first_is_taken(capsys):
    answer("cosine-threshold-grid", grid=(0.3, 0.2))
    assert "alpha 0.3 " in capsys.readouterr().out


def test_both_conditions_hold_for_some_generated_image():
    training, questions, truth = leaky_case()
    _, reals = cosines()
    threshold = reals.mean() + 0.5 * reals.std()
    pool = unit(questions.generated)
    nearest_not_used = (pool @ unit(training.not_used).T).max(1)
    near = unit(questions.unknown) @ pool.T
    holds = (near > nearest_not_used) & (near > threshold)
    prediction, _ = answer("cosine-threshold-both")
    assert prediction.labels.tolist() == holds.any(1).tolist() == truth
    margin = (near - np.maximum(nearest_not_used, threshold)).max(1)
    assert prediction.scores == pytest.approx(margin, abs=1e-5)


def test_a_not_used_real_in_the_way_turns_the_answer():
    training, questions, _ = leaky_case()
    asked = Questions({"unknown": questions.unknown[:2], "generated": questions.generated})
    copy = (unit(questions.generated) @ unit(asked.unknown[:1]).T).argmax()
    in_the_way = questions.generated.pixels[copy]
    blocked = Training(
        {
            "used": training.used,
            "not_used": ImageSet(
                np.concatenate([training.not_used.pixels[1:], in_the_way[None]]),
                "training.not_used",
            ),
        }
    )
    method = METHODS["cosine-threshold-both"]()
    method.fit(blocked, InProcessTools())
    assert method.score(asked, InProcessTools()).labels.tolist() == [0, 1]


def test_a_question_asked_alone_gets_the_same_answer_unless_transductive():
    _, questions, _ = leaky_case()
    alone = Questions({"unknown": questions.unknown[[0]], "generated": questions.generated})
    for name in METHODS.keys() - {"cosine-threshold-transductive"}:
        among, single = answer(name)[0], answer(name, alone)[0]
        assert single.scores[0] == pytest.approx(among.scores[0], rel=1e-4)
        assert single.labels[0] == among.labels[0]


def test_the_regression_labels_the_side_of_even_odds():
    prediction, truth = answer("cosine-logistic")
    assert prediction.labels.tolist() == (prediction.scores > 0).astype(int).tolist() == truth


def test_the_paper_budget_is_the_papers_backbone_and_alpha():
    method = METHODS["cosine-threshold"].within(Budget.PAPER)
    assert (method.backbone, method.alpha) == ("resnet50.tv_in1k", 0.5)
