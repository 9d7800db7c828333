import numpy as np
import pytest

from bench_canet.rule import Rule, Verdicts


def verdicts(*images):
    """Return those of images, each given by its pairs of similarity and confidence."""
    table = np.array(images, float)
    return Verdicts(table[..., 0], table[..., 1])


NO_PAIR = (-1.0, 0.0)


def test_one_pair_has_to_be_similar_and_sure_at_once():
    asked = verdicts(
        [(0.9, 0.7), (0.1, 0.1)],  # both in one pair
        [(0.9, 0.5), (0.1, 0.9)],  # each in another pair
        [(0.9, 0.6), (0.7, 0.6)],  # not above 0.6
        [(0.5, 0.9), NO_PAIR],  # not similar
        [NO_PAIR, NO_PAIR],
    )
    margins = Rule(0.6, 0.6, (0.1, 0.2)).margins(asked)
    assert (margins > 0).tolist() == [True, False, False, False, False]
    assert margins == pytest.approx([0.5, -0.5, 0.0, -1.0, -16.0])


def test_an_image_on_no_list_scores_below_all_others():
    draws = np.random.default_rng(0)
    some = Verdicts(draws.uniform(-1, 1, (50, 3)), draws.uniform(0, 1, (50, 3)))
    for bar in (0.3, -np.inf):
        rule = Rule(bar, 0.6, (0.1, 0.2))
        (nothing,) = rule.margins(Verdicts.none(1, 3))
        assert np.isfinite(nothing)
        assert nothing < rule.margins(some).min()


def test_the_bar_of_similarity_is_learnt_from_sure_pairs():
    known = verdicts(
        [(0.8, 0.9)], [(0.7, 0.9)], [(0.9, 0.2)], [(0.5, 0.9)], [(0.4, 0.7)], [(0.95, 0.3)]
    )
    used = np.array([1, 1, 1, 0, 0, 0])
    rule = Rule.learnt(known, used, 0.6)
    assert rule.similarity == pytest.approx(0.6)
    assert rule.spreads == pytest.approx((known.similarity.std(), known.confidence.std()))
    assert (rule.margins(known) > 0).tolist() == [True, True, False, False, False, False]


def test_pairs_that_are_not_there_do_not_widen_the_spreads():
    known = verdicts([(0.8, 0.9), NO_PAIR], [(0.6, 0.7), NO_PAIR], [NO_PAIR, NO_PAIR])
    rule = Rule.learnt(known, np.array([1, 0, 0]), 0.6)
    assert rule.spreads == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("known", [Verdicts.none(4, 2), verdicts(*[[(0.5, 0.5)]] * 4)])
def test_verdicts_that_tell_nothing_give_finite_margins(known):
    margins = Rule.learnt(known, np.array([1, 1, 0, 0]), 0.6).margins(known)
    assert np.isfinite(margins).all()
    assert not (margins > 0).any()


def test_verdicts_can_be_put_in_place():
    whole = Verdicts.none(3, 1)
    whole.put(np.array([2, 0]), verdicts([(0.5, 0.7)], [(0.4, 0.9)]))
    assert whole.best(0.6).tolist() == [0.4, -1.0, 0.5]
    assert whole.best(0.8).tolist() == [0.4, -1.0, -1.0]
