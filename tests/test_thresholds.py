import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from harness.thresholds import best_kappa_threshold


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
def test_no_threshold_gives_a_larger_kappa_than_the_one_chosen(labelled):
    scores, used = (np.array(values, int) for values in zip(*labelled, strict=True))

    def kappa(threshold):
        answers = (scores > threshold).astype(int)
        if len(set(answers)) == 1:
            return 0.0
        return cohen_kappa_score(used, answers, labels=[0, 1]) if len(set(used)) == 2 else 0.0

    best = max(kappa(threshold) for threshold in [-np.inf, *(scores + 0.5)])
    assert kappa(best_kappa_threshold(scores, used)) == pytest.approx(best)


def test_separable_scores_are_cut_in_the_middle():
    assert best_kappa_threshold(np.array([1, 2, 5, 6]), np.array([0, 0, 1, 1])) == 3.5
