"""The same scores at thresholds that are the same rule for every method."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from harness.scoring.cuts import ORACLE, kappas, share_threshold


@st.composite
def asked(draw):
    n = draw(st.integers(4, 60))
    truth = draw(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda t: 0 < sum(t) < n)
    )
    scores = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    return np.array(truth), np.array(scores, float)


@given(asked(), st.floats(0, 1), st.integers(-6, 6))
def test_kappa_at_each_rule_is_that_of_scikit_learn_and_none_beats_the_oracle(case, share, cut):
    truth, scores = case
    found = kappas(truth, scores, range(len(truth)), share=share, threshold=cut)
    labels = {"kappa_common": scores > cut, "kappa_prior": scores > share_threshold(scores, share)}
    for name, called in labels.items():
        assert found[name].value == pytest.approx(cohen_kappa_score(truth, called.astype(int)))
    every = [cohen_kappa_score(truth, (scores > at).astype(int)) for at in range(-6, 6)]
    assert found["kappa_best"].value == pytest.approx(max(every))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.floats(0, 1))
def test_as_large_a_share_is_called_used_as_ties_allow(scores, share):
    values = np.array(scores, float)
    cut = share_threshold(values, share)
    wanted = round(share * len(values))
    assert (values > cut).sum() <= wanted <= (values >= cut).sum()


def test_the_oracle_has_no_interval_and_says_why():
    draws = np.random.default_rng(0)
    truth = np.repeat([0, 1], 40)
    scores = truth + draws.normal(0, 1, 80)
    found = kappas(truth, scores, range(80), share=0.5, threshold=None)
    assert set(found) == {"kappa_prior", "kappa_best"}, "a rule that nothing was learnt for"
    assert found["kappa_prior"].low < found["kappa_prior"].value < found["kappa_prior"].high
    best = found["kappa_best"]
    assert (best.low, best.high, best.note) == (None, None, ORACLE)
    assert best.value >= found["kappa_prior"].value


def test_other_slices_are_left_out():
    truth, scores = np.repeat([0, 1], 20), np.arange(40.0)
    more = np.append(truth, [0] * 9), np.append(scores, np.full(9, 99.0))
    apart = np.arange(49) >= 40
    rule = {"share": 0.5, "threshold": 10.0}
    alone = kappas(truth, scores, range(40), **rule)
    assert kappas(*more, range(49), apart=apart, **rule) == alone
