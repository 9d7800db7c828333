import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from harness.method import ImageSet, Labelled
from harness.thresholds import (
    best_kappa_threshold,
    judged_by_reference,
    out_of_fold,
    patient_folds,
)
from support import InProcessTools


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


def test_scores_out_of_fold_never_come_from_the_same_patient():
    used = np.repeat([1, 0], 12)
    groups = np.arange(24) // 3
    seen = []

    def score_of(learnt, held):
        seen.append(held)
        assert not set(groups[learnt]) & set(groups[held])
        return held.astype(float)

    scores = out_of_fold(used, groups, score_of, folds=5, seed=0, log=pytest.fail)
    assert scores.tolist() == list(range(24))
    assert len(seen) == 4  # no more folds than the class with the fewest patients has


def test_where_nobody_can_be_held_out_it_is_said():
    said = []
    scores = out_of_fold(
        np.array([1, 0, 0]), None, lambda _, held: held * 2.0, folds=5, seed=0, log=said.append
    )
    assert scores.tolist() == [0, 2, 4]
    assert "too few patients" in said[0]


def test_reals_are_judged_by_a_reference_of_other_patients_that_were_not_used():
    def real(name, patients):
        groups = np.array(patients)
        return ImageSet(np.zeros((len(groups), 2, 2), np.uint8), name, groups=groups)

    reals = Labelled.of(
        {
            1: real("training.used", np.arange(12) // 2),
            0: real("training.not_used", 50 + np.arange(16) // 2),
        }
    )
    known = np.stack([reals.groups, reals.labels], axis=1)  # a point names patient and label
    asked = np.array([[90, 2], [91, 2], [92, 2]])
    calls = []

    def score_of(reference, others):
        calls.append((reference, others))
        return others[:, 1] - (others[:, 0] == 91)

    found = judged_by_reference(reals, known, asked, score_of, folds=4, tools=InProcessTools())
    assert all((reference[:, 1] == 0).all() for reference, _ in calls)
    *held, (whole, last) = calls
    assert len(held) == 4
    assert all(not set(reference[:, 0]) & set(others[:, 0]) for reference, others in held)
    assert sorted(np.concatenate([o for _, o in held]).tolist()) == sorted(known.tolist())
    assert whole.tolist() == known[reals.labels == 0].tolist()
    assert last.tolist() == asked.tolist()
    assert found.scores.tolist() == [2, 1, 2]
    assert found.labels.tolist() == [1, 1, 1]  # above the middle between 0 and 1


def test_folds_of_one_class_keep_patients_apart():
    patients = np.repeat(np.arange(7), 3)
    folds = patient_folds(np.zeros(21, int), patients, folds=5, seed=0, log=pytest.fail)
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(21))
    for learnt, held in folds:
        assert set(patients[learnt]).isdisjoint(patients[held])
