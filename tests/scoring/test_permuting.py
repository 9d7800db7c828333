from itertools import permutations

import numpy as np
import pytest
from answering import equal_methods
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from harness.scoring import permuting
from harness.scoring.permuting import attribution_permutations, membership_permutations


def independent(seed, methods=4, images=100):
    rng = np.random.default_rng(seed)
    return np.arange(images) % 2, rng.integers(0, 2, (methods, images)), np.arange(images)


# --- known answers ---


@pytest.mark.parametrize("hits", [10, 14])
def test_with_an_image_a_patient_p_is_fishers_exact_one(hits):
    truth = np.repeat([1, 0], 20)
    labels = np.zeros((1, 40), int)
    labels[0, :hits] = labels[0, 20 : 20 + 20 - hits] = 1
    found = membership_permutations(truth, labels, np.arange(40), draws=20_000).methods[0]
    table = [[hits, 20 - hits], [20 - hits, hits]]
    assert found.p == pytest.approx(stats.fisher_exact(table, alternative="greater")[1], abs=0.01)
    kappas = np.arange(-20, 21, 2) / 20
    exact = stats.hypergeom.ppf(0.95, 40, 20, 20)
    assert found.point == pytest.approx(kappas[int(exact)])


def test_patients_of_one_class_change_it_as_a_whole():
    groups = np.repeat(np.arange(6), [2, 3, 2, 3, 2, 3])  # of like size
    kinds = np.array([1, 1, 1, 0, 0, 0])
    labels = np.repeat([1, 1, 0, 0, 1, 0], [2, 3, 2, 3, 2, 3])
    found = membership_permutations(kinds[groups], labels[None], groups, draws=20_000).methods[0]
    kappas = [
        cohen_kappa_score(np.array(dealt)[groups], labels) for dealt in set(permutations(kinds))
    ]
    value = cohen_kappa_score(kinds[groups], labels)
    assert found.p == pytest.approx(np.mean(np.array(kappas) >= value - 1e-9), abs=0.02)


def test_patients_of_unlike_size_do_not_change_places():
    groups = np.repeat(np.arange(40), np.repeat([1, 8], 20))
    truth = np.arange(40)[groups] % 2
    given_away = (groups >= 20).astype(int)  # by the number of images alone
    found = membership_permutations(truth, given_away[None], groups)
    assert found.methods[0].p == 1
    confounded = membership_permutations(given_away, given_away[None], groups)
    assert confounded.methods == ()
    assert "no two patients of like size" in confounded.note


def test_within_a_patient_of_both_classes_images_change_places():
    groups = np.repeat(np.arange(8), 2)
    truth = np.tile([0, 1], 8)
    found = membership_permutations(truth, truth[None], groups, draws=20_000).methods[0]
    assert found.p == pytest.approx(0.5**8, abs=0.002)
    assert membership_permutations(truth, (groups % 2)[None], groups).methods[0].p == 1


def test_the_best_of_91_blind_methods_is_expected_where_the_normal_says():
    truth = np.repeat([1, 0], 250)
    rng = np.random.default_rng(0)
    labels = np.stack([rng.permutation(truth) for _ in range(91)])
    found = membership_permutations(truth, labels, np.arange(500))
    # The 95 % point of the largest of 91 normals with the spread of kappa.
    spread = 1 / np.sqrt(499)
    assert found.best_point == pytest.approx(stats.norm.ppf(0.95 ** (1 / 91)) * spread, abs=0.005)
    assert found.methods[0].point == pytest.approx(stats.norm.ppf(0.95) * spread, abs=0.01)


# --- properties ---


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_adjusted_ps_go_down_with_the_figure_and_are_never_below_their_own(seed):
    truth, labels, groups = independent(seed, methods=6)
    found = membership_permutations(truth, labels, groups, draws=200)
    kappas = np.array([cohen_kappa_score(truth, row) for row in labels])
    adjusted = np.array([one.adjusted for one in found.methods])
    assert all(one.p <= one.adjusted for one in found.methods)
    assert (np.diff(adjusted[np.argsort(-kappas, kind="stable")]) >= 0).all()
    assert found.best_p == adjusted.min() == adjusted[kappas.argmax()]
    assert found.best_point >= max(one.point for one in found.methods)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.booleans())
def test_names_of_patients_and_order_of_images_do_not_matter(seed, both):
    truth, labels, _, groups = equal_methods(seed, 3, 12, 80, auc=0.6)
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 80) if both else truth
    order = rng.permutation(80)
    names = np.array([f"patient {number}" for number in rng.permutation(24)])[groups]
    before = membership_permutations(truth, labels, groups, draws=200)
    assert (
        membership_permutations(truth[order], labels[:, order], names[order], draws=200) == before
    )


def test_the_draws_are_the_same_however_many_come_at_once(monkeypatch):
    truth, labels, _, groups = equal_methods(1, 3, 12, 80, auc=0.6)
    before = membership_permutations(truth, labels, groups, draws=300)
    monkeypatch.setattr(permuting, "_CELLS", 1000)
    assert membership_permutations(truth, labels, groups, draws=300) == before
    assert membership_permutations(truth, labels, groups, draws=300, seed=1) != before


def test_the_same_answers_many_times_cost_nothing():
    truth, labels, groups = independent(2, methods=1)
    once = membership_permutations(truth, labels, groups)
    often = membership_permutations(truth, np.repeat(labels, 9, axis=0), groups)
    assert often.best_p == pytest.approx(once.best_p, abs=0.03)
    assert len({one.adjusted for one in often.methods}) == 1


def test_a_detector_is_found_and_the_blind_ones_beside_it_are_not():
    truth, labels, groups = independent(3, methods=20, images=200)
    labels[7] = np.where(np.random.default_rng(0).random(200) < 0.5, truth, labels[7])
    found = membership_permutations(truth, labels, groups)
    assert found.methods[7].adjusted == found.best_p == 1 / 2001
    assert all(one.adjusted > 0.05 for n, one in enumerate(found.methods) if n != 7)


def test_other_slices_are_left_out():
    truth, labels, groups = independent(4)
    before = membership_permutations(truth, labels, groups)
    asked = np.r_[truth, 0, 0], np.c_[labels, np.ones((4, 2), int)], np.r_[groups, 1, 3]
    assert membership_permutations(*asked, apart=np.arange(102) >= 100) == before


def test_attribution_is_tested_by_accuracy():
    rng = np.random.default_rng(5)
    truth = np.arange(200) % 4
    blind = rng.integers(0, 4, (3, 200))
    seeing = np.where(rng.random(200) < 0.4, truth, blind[0])
    found = attribution_permutations(truth, [seeing, *blind[1:]], np.arange(200), 4)
    assert found.methods[0].adjusted == 1 / 2001
    assert found.methods[1].point == pytest.approx(
        stats.binom.ppf(0.95, 200, 0.25) / 200, abs=0.011
    )


# --- too little to say, bad calls ---


@pytest.mark.parametrize("truth", [np.ones(30, int), np.zeros(0, int)])
def test_a_truth_of_one_class_says_nothing(truth):
    found = membership_permutations(truth, truth[None], np.arange(truth.size))
    assert found.methods == ()
    assert found.best_p is None
    assert found.note.startswith("not defined: the truth has no image")


def test_a_board_without_methods_says_nothing():
    truth, labels, groups = independent(6)
    assert membership_permutations(truth, labels[:0], groups).note == "no method"


def test_a_wrong_call_is_refused():
    with pytest.raises(ValueError, match="labels must lie in 0 to 1"):
        membership_permutations([0, 1], [[0, 2]], "ab")
    with pytest.raises(ValueError, match="predicted has shape"):
        attribution_permutations([0, 1, 2], [[0, 2]], "abc", 3)


# --- what it does in the long run ---


@pytest.mark.slow
@pytest.mark.parametrize(("share", "common"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.7)])
def test_among_20_blind_methods_one_board_in_twenty_at_most_has_a_winner(share, common):
    boards, best, alone = 1000, 0, 0
    for seed in range(boards):
        truth, labels, _, groups = equal_methods([seed], 20, 15, 200, share=share, common=common)
        found = membership_permutations(truth, labels, groups, draws=199)
        best += found.best_p <= 0.05
        alone += found.methods[0].p <= 0.05
    limit = stats.binom.ppf(0.999, boards, 0.05)
    assert best <= limit
    assert alone <= limit


def test_several_runs_of_a_blind_method_are_one_try_whose_luck_is_their_mean():
    draws = np.random.default_rng(5)
    truth = np.repeat([0, 1], 60)
    runs = draws.integers(0, 2, (8, 120))
    each = membership_permutations(truth, runs, range(120))
    one = membership_permutations(truth, runs, range(120), methods=[0] * 8)
    assert len(one.methods) == 1
    assert one.best_point < each.best_point / 2, "a mean of eight varies less than their best"
    same = membership_permutations(truth, runs[[0, 0, 0]], range(120), methods=[0, 0, 0])
    assert same == membership_permutations(truth, runs[:1], range(120))
