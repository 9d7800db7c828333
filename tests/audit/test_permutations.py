"""A test of an audit finds nothing where there is nothing, as often as it may."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, rankdata
from sklearn.metrics import roc_auc_score

from harness.audit.blind import blind_gate, make_folds, patient_lookup
from harness.audit.cohort import Cohort
from harness.audit.permutations import aucs, permutation_p
from harness.audit.properties import property_tests

SETS = 200


def patients(seed: int, *, shift: float = 0.0, parts: int = 2) -> tuple[np.ndarray, Cohort]:
    """Draw 24 patients of 1 to 5 images that resemble each other, half of them used."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(24), rng.integers(1, 6, 24))
    n = len(groups)
    features = rng.normal(size=(24, 20))[groups] + 0.7 * rng.normal(size=(n, 20))
    labels = rng.permutation(np.arange(24) % 2)[groups].astype(np.int64)
    part = (np.arange(24) * parts // 24)[groups]
    train = np.where(labels == 1, "train/used", "train/not_used")
    names = np.arange(n).astype(str)
    cohort = Cohort(
        np.where(part == 0, train, "test/unknown"), np.arange(n), names, names, labels,
        groups.astype(str), grouped=True,
    )  # fmt: skip
    pattern = np.resize([shift, -shift], features.shape[1])
    return features + labels[:, None] * pattern, cohort


def ps_of(features: np.ndarray, cohort: Cohort, draws: int) -> dict[str, float]:
    found = [patient_lookup("lookup", features.astype(np.float32), cohort, draws)]
    found += property_tests(None, cohort, features[:, 0], draws)
    folds = make_folds(cohort.labels, cohort.groups)
    if folds is not None:
        found.append(blind_gate("gate", features, cohort, folds, draws))
    return {test.check: test.p for test in found}


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_null_data_are_flagged_no_more_often_than_one_time_in_a_hundred(parts):
    """At p <= 0.01, the findings among null data sets are binomial (0.1 %)."""
    drawn = [ps_of(*patients(seed, parts=parts), draws=199) for seed in range(SETS)]
    for check in ("gate", "lookup", "brightness"):
        ps = [found[check] for found in drawn if check in found]
        assert len(ps) > 0.9 * SETS
        assert sum(p <= 0.01 for p in ps) <= binom.ppf(0.999, len(ps), 0.01), check
        assert sum(p <= 0.2 for p in ps) <= binom.ppf(0.999, len(ps), 0.2), check


def test_a_difference_between_the_classes_is_found():
    found = ps_of(*patients(3, shift=1.5), draws=999)
    assert found["gate"] <= 0.002
    assert found["lookup"] <= 0.01


def test_images_of_a_patient_are_one_observation():
    groups = np.repeat(["a", "b", "c", "d"], 50)
    labels = np.repeat([0, 0, 1, 1], 50)
    ranks = rankdata(np.repeat([1.0, 2.0, 3.0, 4.0], 50))[:, None]
    p = permutation_p(lambda y: aucs(ranks, y), labels, groups, np.zeros(200, int), 600)
    assert p == pytest.approx(1 / 6, abs=0.05)  # of the 6 ways to choose two patients of four


def test_labels_stay_in_their_stratum():
    labels = np.array([1, 1, 0, 0])
    strata, names = np.array([0, 0, 1, 1]), np.array(list("abcd"))
    seen = []

    def statistic(dealt):
        seen.append(dealt)
        return np.zeros(dealt.shape[1])

    assert permutation_p(statistic, labels, names, strata, 50) == 1
    assert all((dealt == labels[:, None]).all() for dealt in seen)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_is_that_of_scikit_learn(rows):
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    found = aucs(rankdata(scores)[:, None], labels[:, None].astype(float))[0]
    both = 0 < labels.sum() < len(labels)
    assert found == pytest.approx(roc_auc_score(labels, scores) if both else 0.5)
