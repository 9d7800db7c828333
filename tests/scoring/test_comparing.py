import numpy as np
import pytest
from answering import equal_methods
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import fsolve
from sklearn import metrics as sk

from harness.scoring.comparing import (
    attribution_comparison,
    attribution_ranks,
    membership_comparison,
    membership_ranks,
)
from harness.scoring.correction import holm
from harness.scoring.differences import Difference

CASES = st.tuples(st.integers(0, 10**6), st.sampled_from([0.5, 0.8]))


def drawn(case, methods=2, per_class=15, images=120):
    seed, auc = case
    return equal_methods(seed, methods, per_class, images, auc=auc, share=0.4, common=0.3)


def better_by(seed, share, methods=2, per_class=40, images=400):
    """Equal methods, of which the first has a share of its wrong answers put right."""
    truth, labels, scores, groups = equal_methods(seed, methods, per_class, images, auc=0.6)
    mended = np.random.default_rng(seed).random(images) < share
    labels[0] = np.where(mended, truth, labels[0])
    return truth, labels, scores, groups


def figures(difference):
    return difference.value, difference.low, difference.high, difference.p, difference.detectable


# --- known answers ---


@settings(max_examples=20)
@given(CASES)
def test_differences_are_those_of_scikit_learn(case):
    truth, labels, scores, groups = drawn(case)
    found = membership_comparison(truth, labels, scores, groups).differences
    assert list(found) == ["kappa", "accuracy", "auc"]
    for name, score, answers in (
        ("kappa", sk.cohen_kappa_score, labels),
        ("accuracy", sk.accuracy_score, labels),
        ("auc", sk.roc_auc_score, scores),
    ):
        first, second = (score(truth, row) for row in answers)
        assert found[name].value == pytest.approx(first - second, abs=1e-12)
        assert (found[name].n, found[name].groups) == (120, 30)


def test_with_an_image_a_patient_accuracy_is_compared_as_by_a_paired_t_test_within_classes():
    truth, labels, _, _ = better_by(1, 0.2)
    found = membership_comparison(truth, labels, None, np.arange(400)).differences["accuracy"]
    gain = (labels[0] == truth).astype(float) - (labels[1] == truth)
    error = np.sqrt(sum(np.var(gain[truth == one], ddof=1) for one in (0, 1)) / 200 / 4)
    assert found.p == pytest.approx(2 * stats.norm.sf(gain.mean() / error), rel=0.1)
    assert found.p == pytest.approx(stats.ttest_rel(gain, np.zeros(400)).pvalue, rel=0.2)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 390) * error, rel=0.01)
    assert found.detectable == pytest.approx(2.80 * error, rel=0.01)


@pytest.mark.parametrize("count", [1, 3])
def test_the_standard_error_is_that_of_leaving_each_patient_out(count):
    truth, _, scores, groups = equal_methods(2, 2, 15, 150, auc=0.7, share=0.5, common=0.5)
    folds = groups % count

    def gain(kept):
        inside = [kept & (folds == fold) for fold in range(count)]
        areas = [[sk.roc_auc_score(truth[i], row[i]) for i in inside] for row in scores]
        return np.mean(areas[0]) - np.mean(areas[1])

    without = np.array([gain(groups != one) for one in range(30)])
    alike = 15 / count  # patients of a class and fold
    error = np.sqrt((1 - 1 / alike) * ((without - without.mean()) ** 2).sum())
    labels = (scores > 0).astype(int)
    found = membership_comparison(truth, labels, scores, groups, folds).differences["auc"]
    assert found.value == pytest.approx(gain(groups >= 0))
    reach = (found.high - found.low) / 2
    # No more degrees of freedom than patients less two classes.
    assert stats.t.ppf(0.975, 28) * error < reach < stats.t.ppf(0.975, 4) * error
    [freedom] = fsolve(lambda f: stats.t.ppf(0.975, f) - reach / error, 15)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.value) / error, freedom))
    assert found.detectable == pytest.approx(reach + stats.t.ppf(0.8, freedom) * error)


def test_mcnemar_counts_the_images_that_only_one_is_right_about():
    truth = np.repeat([0, 1], 20)
    labels = np.array([truth, truth])
    labels[1, :10] = 1
    labels[0, 37:] = 0
    found = membership_comparison(truth, labels, None, np.arange(40))
    assert found.mcnemar_p == pytest.approx(0.092285, abs=1e-6)  # 3 of 13, two-sided
    shares = (27 / 40, 10 / 40, 3 / 40, 0)
    assert tuple(vars(found.overlap).values()) == pytest.approx(shares)


def test_where_patients_have_copies_mcnemar_is_deceived_and_the_jackknife_is_not():
    truth, labels, scores, groups = better_by(3, 0.1)
    once = membership_comparison(truth, labels, scores, groups)
    more = membership_comparison(
        *(np.repeat(column, 9, axis=-1) for column in (truth, labels, scores, groups))
    )
    assert more.mcnemar_p < once.mcnemar_p / 100
    for name, one in once.differences.items():
        assert figures(more.differences[name]) == pytest.approx(figures(one))


# --- what must not matter, and what must ---


@settings(max_examples=20)
@given(CASES, st.integers(1, 3))
def test_swapping_the_methods_flips_the_sign_and_nothing_else(case, count):
    truth, labels, scores, groups = drawn(case)
    folds = groups % count
    there = membership_comparison(truth, labels, scores, groups, folds)
    back = membership_comparison(truth, labels[::-1], scores[::-1], groups, folds)
    assert back.mcnemar_p == there.mcnemar_p
    assert (back.overlap.only_first, back.overlap.only_second) == (
        there.overlap.only_second,
        there.overlap.only_first,
    )
    for name, one in there.differences.items():
        other = back.differences[name]
        assert (other.value, other.low, other.high) == pytest.approx(
            (-one.value, -one.high, -one.low)
        )
        assert (other.p, other.detectable) == pytest.approx((one.p, one.detectable))


@settings(max_examples=20)
@given(CASES)
def test_names_of_patients_and_order_of_images_do_not_matter(case):
    truth, labels, scores, groups = drawn(case)
    rng = np.random.default_rng(case[0])
    order = rng.permutation(truth.size)
    names = np.array([f"patient {number}" for number in rng.permutation(30)])[groups]
    shuffled = truth[order], labels[:, order], scores[:, order], names[order]
    assert membership_comparison(*shuffled) == membership_comparison(truth, labels, scores, groups)


@settings(max_examples=20)
@given(CASES)
def test_p_is_below_five_percent_exactly_when_the_interval_leaves_nought_out(case):
    truth, labels, scores, groups = drawn(case)
    for one in membership_comparison(truth, labels, scores, groups).differences.values():
        assert one.low <= one.value <= one.high
        assert (one.p < 0.05) == (one.low > 0 or one.high < 0)


def test_other_slices_are_left_out():
    truth, labels, scores, groups = drawn((4, 0.8))
    with_others = membership_comparison(
        np.r_[truth, np.zeros(9, int)],
        np.c_[labels, [[1] * 9, [0] * 9]],
        np.c_[scores, np.zeros((2, 9))],
        np.r_[groups, groups[truth == 1][:9]],
        apart=np.arange(129) >= 120,
    )
    assert with_others == membership_comparison(truth, labels, scores, groups)


def test_scores_of_different_folds_need_no_common_scale():
    truth, labels, scores, groups = drawn((5, 0.8))
    folds = groups % 2
    shifted = np.exp(scores) * 10.0**folds
    assert membership_comparison(truth, labels, scores, groups, folds) == membership_comparison(
        truth, labels, shifted, groups, folds
    )


# --- the ends ---


def test_the_same_answers_differ_by_nothing():
    truth, labels, scores, groups = drawn((6, 0.8))
    same = membership_comparison(truth, labels[[0, 0]], scores[[0, 0]], groups)
    for one in same.differences.values():
        assert figures(one) == (0, 0, 0, 1, None)
        assert one.note.startswith("exact")
    assert same.mcnemar_p == 1
    ranked = membership_comparison(truth, labels, np.stack([scores[0], np.exp(scores[0])]), groups)
    assert figures(ranked.differences["auc"]) == (0, 0, 0, 1, None)


@pytest.mark.parametrize("count", [10, 30])
def test_always_right_against_always_wrong_is_the_sign_test(count):
    truth = np.repeat([0, 1], count)
    found = membership_comparison(truth, [truth, 1 - truth], None, np.arange(2 * count))
    for name, largest in (("kappa", 2), ("accuracy", 1)):
        one = found.differences[name]
        assert (one.value, one.high) == (largest, largest)
        assert one.p == pytest.approx(2 * 0.5**count)
        assert 0 < one.low < largest


def test_few_patients_leave_the_difference_and_take_the_rest():
    truth, labels, scores, groups = equal_methods(7, 2, 9, 90, auc=0.7)
    for one in membership_comparison(truth, labels, scores, groups).differences.values():
        assert one.value is not None
        assert figures(one)[1:] == (None,) * 4
        assert one.note.startswith("cannot tell: too few groups (9 not used, 9 used)")
    ranked = membership_ranks(truth, labels, groups)
    assert ranked.ranks is None
    assert not ranked.better.any()
    assert ranked.note.startswith("cannot tell: too few groups")


@pytest.mark.parametrize("truth", [np.ones(30, int), np.zeros(0, int)])
def test_a_truth_of_one_class_defines_nothing(truth):
    asked = np.zeros((2, truth.size), int)
    found = membership_comparison(truth, asked, asked, np.arange(truth.size))
    note = "not defined: the truth has no image that is not used"
    empty = Difference(None, None, None, None, None, truth.size, truth.size, note)
    assert set(found.differences.values()) == {empty}
    assert membership_ranks(truth, asked, np.arange(truth.size)).ranks is None


def test_a_fold_of_one_class_leaves_no_difference_of_auc():
    truth, labels, scores, groups = drawn((8, 0.8))
    found = membership_comparison(truth, labels, scores, groups, truth).differences
    assert found["auc"].value is None
    assert "fold 0 holds one class only" in found["auc"].note
    assert found["kappa"].p is not None


def test_a_fold_whose_class_rests_on_one_patient_gives_no_p():
    truth, labels, scores, groups = drawn((9, 0.8))
    folds = np.where(groups == 0, 1, np.where(truth == 1, 0, groups % 2))
    found = membership_comparison(truth, labels, scores, groups, folds).differences["auc"]
    assert found.value is not None
    assert found.p is None
    assert "without one of the groups" in found.note


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": [[0, 1, 0, 1]]}, "of 2 methods, not 1"),
        ({"labels": [[0, 1, 0, 2]] * 2}, "labels must lie in 0 to 1"),
        ({"scores": [[0.1, 0.2]] * 2}, "scores has shape"),
        ({"apart": [True]}, "apart has shape"),
        ({"truth": [0, 1]}, "truth has shape"),
    ],
)
def test_a_wrong_call_is_refused(changed, said):
    call = {"truth": [0, 1, 0, 1], "labels": [[0, 1, 1, 1]] * 2, "scores": None, "groups": "abcd"}
    with pytest.raises(ValueError, match=said):
        membership_comparison(**(call | changed))


# --- attribution ---


def test_attribution_compares_and_ranks_by_accuracy():
    rng = np.random.default_rng(10)
    truth = np.arange(300) % 5
    predicted = np.stack([np.where(rng.random(300) < q, truth, rng.integers(0, 5, 300))
                          for q in (0.8, 0.2, 0.25)])  # fmt: skip
    found = attribution_comparison(truth, predicted[:2], np.arange(300), 5)
    one = found.differences["accuracy"]
    first, second = ((row == truth).mean() for row in predicted[:2])
    assert one.value == pytest.approx(first - second)
    assert one.p < 1e-6
    assert found.overlap.only_first - found.overlap.only_second == pytest.approx(one.value)
    assert attribution_ranks(truth, predicted, np.arange(300), 5).ranks == (1, 2, 2)


# --- ranks ---


def test_a_rank_is_one_more_than_the_methods_that_are_better():
    truth, labels, _, groups = better_by(11, 0.6, methods=6)
    found = membership_ranks(truth, labels, groups)
    assert found.ranks == (1, 2, 2, 2, 2, 2)
    assert found.better[0].tolist() == [False, True, True, True, True, True]
    assert not found.better[1:].any()


def test_ranks_use_the_ps_of_all_pairs_corrected_together():
    truth, labels, _, groups = better_by(12, 0.15, methods=5)
    found = membership_ranks(truth, labels, groups)
    pairs = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    alone = [
        membership_comparison(truth, labels[[a, b]], None, groups).differences["kappa"].p
        for a, b in pairs
    ]
    for (a, b), p in zip(pairs, holm(alone), strict=True):
        assert found.ps[a, b] == found.ps[b, a] == pytest.approx(p)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_ranks_follow_their_methods(seed):
    truth, labels, _, groups = better_by(seed, 0.3, methods=6, images=200)
    order = np.random.default_rng(seed).permutation(6)
    ranks = np.array(membership_ranks(truth, labels, groups).ranks)
    assert membership_ranks(truth, labels[order], groups).ranks == tuple(ranks[order])


def test_methods_with_the_same_answers_share_a_rank():
    truth, labels, _, groups = better_by(13, 0.6, methods=3)
    found = membership_ranks(truth, labels[[0, 0, 1, 1, 2]], groups)
    assert found.ranks == (1, 1, 3, 3, 3)
    assert found.ps[0, 1] == found.ps[2, 3] == 1


@pytest.mark.parametrize("methods", [0, 1])
def test_less_than_two_methods_are_ranked_too(methods):
    truth, labels, _, groups = drawn((14, 0.8))
    assert membership_ranks(truth, labels[:methods], groups).ranks == (1,) * methods


# --- what it does in the long run ---


@pytest.mark.slow
@pytest.mark.parametrize(("share", "common"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.7)])
@pytest.mark.parametrize(("per_class", "images"), [(10, 200), (30, 500)])
def test_equally_good_methods_are_told_apart_on_one_board_in_twenty_at_most(
    per_class, images, share, common
):
    draws = 600
    boards = (
        equal_methods([seed, per_class], 20, per_class, images, share=share, common=common)
        for seed in range(draws)
    )
    told = sum(membership_ranks(b[0], b[1], b[3]).better.any() for b in boards)
    assert told <= stats.binom.ppf(0.999, draws, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("auc", [0.5, 0.9])
@pytest.mark.parametrize(("per_class", "images"), [(10, 200), (30, 500), (100, 500)])
def test_intervals_of_a_difference_cover_none_between_equals(per_class, images, auc):
    draws = 600
    covered = {"kappa": 0, "accuracy": 0, "auc": 0}
    for seed in range(draws):
        case = equal_methods([seed, images], 2, per_class, images, auc=auc, share=0.3, common=0.5)
        for name, one in membership_comparison(*case).differences.items():
            covered[name] += one.low <= 0 <= one.high
    low = stats.binom.ppf(0.001, draws, 0.94)
    assert all(low <= held <= 0.995 * draws for held in covered.values()), covered


def gain_of(seed, put_right):
    """Compare the kappa of equal methods, the first with a share of its wrong answers put right."""
    truth, labels, _, groups = better_by([15, seed], 0.0, per_class=60, images=600)
    draws = np.random.default_rng([16, seed]).random(600)
    share = put_right / (labels[0] != truth).mean()
    labels[0] = np.where(draws < share, truth, labels[0])
    return membership_comparison(truth, labels, None, groups).differences["kappa"]


@pytest.mark.slow
def test_the_detectable_difference_is_detected_in_four_of_five_test_sets():
    detectable = np.mean([gain_of(seed, 0.0).detectable for seed in range(600)])
    # Of a share of images put right, kappa gains twice as much.
    found = [gain_of(seed, detectable / 2) for seed in range(600)]
    assert np.mean([one.value for one in found]) == pytest.approx(detectable, abs=0.01)
    assert 0.75 <= np.mean([one.p < 0.05 for one in found]) <= 0.85


def test_several_runs_of_a_method_count_by_their_mean():
    """Of ten coin-flippers' seeds the best one must not stand for the method."""
    draws = np.random.default_rng(3)
    truth = np.repeat([0, 1], 100)
    good = np.where(draws.random((3, 200)) < 0.9, truth, 1 - truth)
    coins = draws.integers(0, 2, (5, 200))
    runs = np.concatenate([good, coins])
    methods = [0] * 3 + [1] * 5
    ranked = membership_ranks(truth, runs, range(200), methods=methods)
    assert ranked.ranks == (1, 2)
    turned = membership_ranks(truth, runs[::-1], range(200), methods=methods[::-1])
    assert turned.ranks == (1, 2)


def test_a_run_that_is_there_twice_changes_nothing():
    draws = np.random.default_rng(4)
    truth = np.repeat([0, 1], 50)
    runs = draws.integers(0, 2, (3, 100))
    once = membership_ranks(truth, runs, range(100))
    twice = membership_ranks(truth, runs[[0, 0, 1, 2, 2]], range(100), methods=[0, 0, 1, 2, 2])
    assert twice.ranks == once.ranks
    assert twice.ps == pytest.approx(once.ps)


def test_methods_of_runs_are_numbered_without_a_gap():
    with pytest.raises(ValueError, match="0 to M-1"):
        membership_ranks([0, 1], [[0, 1], [0, 1]], range(2), methods=[0, 2])
