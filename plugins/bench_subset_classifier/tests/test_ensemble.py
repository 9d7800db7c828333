import numpy as np
import pytest

from bench_subset_classifier.ensemble import accuracy, admitted, pseudo_labels, settings, vote


def logits(*networks):
    """Three networks on one image, as logits of (one, two, real)."""
    return np.log(np.array(networks, float))[:, None]


def test_every_network_is_trained_with_every_rate_and_batch():
    assert len(settings("abc", (3e-4, 1e-4, 3e-5), (16, 32, 64), 1)) == 27
    made = settings("a", (1e-4,), (32,), 2)
    assert [str(setting) for setting in made] == [
        "a, rate 0.0001, batch 32, copy 1",
        "a, rate 0.0001, batch 32, copy 2",
    ]


@pytest.mark.parametrize(
    ("above", "most", "voting"),
    [
        (0.98, None, [2, 0]),
        (0.98, 1, [2]),
        (0.995, None, [2]),
        (0.999, None, [2]),
        (None, None, [2, 0, 1]),
        (None, 2, [2, 0]),
    ],
)
def test_good_networks_vote_and_the_best_one_alone_if_none_is_good(above, most, voting):
    assert admitted([0.99, 0.98, 0.999], above, most) == voting


def test_the_most_votes_win_whatever_the_probabilities():
    sure, doubtful = [0.98, 0.01, 0.01], [0.45, 0.54, 0.01]
    assert vote(logits(sure, doubtful, doubtful)).argmax(1) == 1


def test_the_mean_probability_breaks_ties():
    assert vote(logits([0.9, 0.05, 0.05], [0.45, 0.5, 0.05])).argmax(1) == 0
    assert vote(logits([0.5, 0.45, 0.05], [0.05, 0.9, 0.05])).argmax(1) == 1


def test_shares_add_up_to_one_and_real_is_dropped():
    shares = vote(logits([0.01, 0.09, 0.9], [0.02, 0.08, 0.9]))
    assert shares.shape == (1, 2)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == pytest.approx([(0.1 + 0.2) / 2 / 3, (2 + (0.9 + 0.8) / 2) / 3])


def test_what_is_surely_real_has_finite_scores():
    shares = vote(np.array([[[-300.0, -310.0, 300.0]]], np.float32))
    assert shares[0] == pytest.approx([1, 0], abs=1e-4)


def test_pseudo_labels_are_given_where_the_mean_probability_is_high_enough():
    beliefs = np.concatenate(
        [
            logits([0.96, 0.02, 0.02], [0.9, 0.05, 0.05]),
            logits([0.96, 0.02, 0.02], [0.8, 0.1, 0.1]),
            logits([0.02, 0.05, 0.93], [0.02, 0.05, 0.93]),
        ],
        axis=1,
    )
    labels, sure = pseudo_labels(beliefs, 0.9)
    assert labels.tolist() == [0, 0, 1]
    assert sure.tolist() == [0]


def test_accuracy_counts_real_as_a_class():
    of_one = np.log(np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert accuracy(of_one, np.array([2, 0, 0])) == pytest.approx(2 / 3)
