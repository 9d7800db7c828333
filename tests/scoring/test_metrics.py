import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import binom
from sklearn import metrics as sk

from harness.scoring.metrics import (
    Metric,
    attribution_metrics,
    auc_metric,
    kappa_metric,
    membership_metrics,
)
from harness.scoring.uncertainty import jackknife_interval

MEMBERSHIP = [
    "kappa", "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1",
    "auc", "tpr_at_fpr_5", "tpr_at_fpr_1", "tpr_at_fpr_0",
]  # fmt: skip


@st.composite
def answered(draw, least=2, most=60, classes=2):
    size = draw(st.integers(least, most))

    def column(top):
        return np.array(draw(st.lists(st.integers(0, top), min_size=size, max_size=size)))

    truth, labels = column(classes - 1), column(classes - 1)
    assume(np.unique(truth).size == classes)
    return truth, labels, column(6) / 2 - 1, column(max(1, size // 2))


def patients(seed, per_class, images, auc=0.75, share=0.4):
    """Truth, labels, scores and groups of patients of very unequal size, whose images agree."""
    rng = np.random.default_rng(seed)
    apart = np.sqrt(2) * ndtri(auc)
    sizes = []
    for _ in range(2):
        weight = rng.gamma(1.5, size=per_class)
        sizes.append(1 + rng.multinomial(images // 2 - per_class, weight / weight.sum()))
    groups = np.repeat(np.arange(2 * per_class), np.concatenate(sizes))
    truth = (groups < per_class).astype(int)
    effect = np.sqrt(share) * rng.normal(size=2 * per_class)[groups]
    scores = apart * truth + effect + np.sqrt(1 - share) * rng.normal(size=images)
    return truth, (scores > apart / 2).astype(int), scores, groups


def mixed(seed, count=30, images=200):
    """Answers about patients who have images of both classes."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(count, size=images)
    truth = rng.integers(2, size=images)
    scores = np.round(rng.normal(size=images) + truth + rng.normal(size=count)[groups], 1)
    return truth, (scores > 0.5).astype(int), scores, groups


def kinds(truth, groups, folds=None):
    """Which groups are of a kind: the same class, or both, and the same fold."""
    folds = np.zeros_like(truth) if folds is None else folds
    found = [
        (folds[groups == one].min(), tuple(np.unique(truth[groups == one])))
        for one in np.unique(groups)
    ]
    return np.array([sorted(set(found)).index(kind) for kind in found])


def counted(tp, fp, tn, fn):
    """Truth and labels with these counts, every image a group of its own."""
    truth = np.repeat([1, 0, 0, 1], [tp, fp, tn, fn])
    labels = np.repeat([1, 1, 0, 0], [tp, fp, tn, fn])
    return truth, labels, np.arange(truth.size)


# --- values ---


@settings(deadline=None)
@given(answered())
def test_values_agree_with_scikit_learn(case):
    truth, labels, scores, groups = case
    figures = membership_metrics(truth, labels, scores, groups)
    expected = {
        "kappa": sk.cohen_kappa_score(truth, labels),
        "accuracy": sk.accuracy_score(truth, labels),
        "balanced_accuracy": sk.recall_score(truth, labels, average="macro", zero_division=0),
        "recall": sk.recall_score(truth, labels),
        "specificity": sk.recall_score(truth, labels, pos_label=0),
        "f1": sk.f1_score(truth, labels),
        "auc": sk.roc_auc_score(truth, scores),
    }
    if labels.any():
        expected["precision"] = sk.precision_score(truth, labels)
    for name, value in expected.items():
        assert figures[name].value == pytest.approx(value, abs=1e-12), name
    assert list(figures) == MEMBERSHIP


@settings(deadline=None)
@given(answered(least=6, classes=3))
def test_attribution_agrees_with_scikit_learn_and_specificity_with_its_definition(case):
    truth, predicted, _, groups = case
    figures = attribution_metrics(truth, predicted, groups, 3)
    assert list(figures) == ["accuracy", "precision", "recall", "f1", "specificity"]
    assert figures["accuracy"].value == pytest.approx(sk.accuracy_score(truth, predicted))
    assert figures["recall"].value == pytest.approx(
        sk.recall_score(truth, predicted, average="macro")
    )
    assert figures["f1"].value == pytest.approx(
        sk.f1_score(truth, predicted, average="macro", labels=[0, 1, 2])
    )
    spared = [np.mean(predicted[truth != one] != one) for one in range(3)]
    assert figures["specificity"].value == pytest.approx(np.mean(spared))
    if np.unique(predicted).size == 3:
        precision = sk.precision_score(truth, predicted, average="macro")
        assert figures["precision"].value == pytest.approx(precision)
    else:
        assert figures["precision"].value is None
        assert "no answer is class" in figures["precision"].note


@pytest.mark.parametrize(
    ("counts", "kappa", "accuracy"),
    [((151, 114, 136, 99), 0.148, 0.574), ((130, 120, 130, 120), 0.040, 0.520)],
)
def test_kappa_follows_from_published_counts(counts, kappa, accuracy):
    truth, labels, groups = counted(*counts)
    figures = membership_metrics(truth, labels, labels.astype(float), groups)
    assert round(figures["kappa"].value, 3) == kappa
    assert round(figures["accuracy"].value, 3) == accuracy
    # Half of the images are of each class, so the standard error is that of two proportions.
    tp, fp, tn, fn = counts
    used, other = tp + fn, fp + tn
    error = np.sqrt(tp * fn / used**3 + fp * tn / other**3)
    assert figures["kappa"].high - figures["kappa"].low == pytest.approx(3.92 * error, rel=0.02)


@settings(deadline=None)
@given(answered(least=50, most=70))
def test_tpr_is_the_best_over_all_thresholds_that_keep_the_false_positive_rate(case):
    truth, labels, scores, _ = case
    assume((truth == 0).sum() >= 20)
    figures = membership_metrics(truth, labels, scores, np.arange(truth.size))

    def best(rate):
        thresholds = [-np.inf, *scores]
        kept = [t for t in thresholds if np.mean(scores[truth == 0] > t) <= rate]
        return max(np.mean(scores[truth == 1] > t) for t in kept)

    assert figures["tpr_at_fpr_5"].value == pytest.approx(best(0.05))
    highest = scores[truth == 0].max()
    assert figures["tpr_at_fpr_0"].value == pytest.approx(np.mean(scores[truth == 1] > highest))
    assert figures["tpr_at_fpr_1"].value is None


def test_tpr_counts_a_tie_with_the_threshold_as_not_above_it():
    truth = np.repeat([1, 0], [40, 100])
    scores = np.concatenate([np.repeat([3.0, 2.0], 20), [3.0], np.full(4, 2.0), np.full(95, 1.0)])
    figures = membership_metrics(truth, truth, scores, np.arange(140))
    assert figures["tpr_at_fpr_0"].value == 0.0
    assert figures["tpr_at_fpr_1"].value == 0.5
    assert figures["tpr_at_fpr_5"].value == 1.0


# --- folds ---


def test_with_folds_auc_and_tpr_are_means_over_folds_and_labels_are_pooled():
    truth, labels, scores, groups = patients(1, 150, 700)
    folds = groups % 5
    figures = membership_metrics(truth, labels, scores, groups, folds)
    alone = [
        membership_metrics(*(column[folds == fold] for column in (truth, labels, scores, groups)))
        for fold in range(5)
    ]
    for name in ("auc", "tpr_at_fpr_5", "tpr_at_fpr_0"):
        assert figures[name].value == pytest.approx(np.mean([one[name].value for one in alone]))
    assert figures["kappa"] == membership_metrics(truth, labels, scores, groups)["kappa"]


def test_scores_of_different_folds_need_no_common_scale():
    truth, labels, scores, groups = patients(2, 60, 400)
    folds = groups % 3
    shifted = np.exp(scores) * 10.0**folds
    assert membership_metrics(truth, labels, scores, groups, folds) == membership_metrics(
        truth, labels, shifted, groups, folds
    )


def test_small_folds_make_tpr_not_measurable():
    truth, labels, scores, groups = patients(3, 40, 300)
    figures = membership_metrics(truth, labels, scores, groups, groups % 5)
    for name, needed in (("tpr_at_fpr_5", 20), ("tpr_at_fpr_1", 100), ("tpr_at_fpr_0", 10)):
        assert figures[name].value is None
        assert f"needs {needed} not-used groups in every fold, has 8" in figures[name].note
    assert figures["auc"].low is not None


def test_a_fold_with_one_class_leaves_auc_undefined():
    truth, labels, scores, groups = patients(4, 20, 100)
    figures = membership_metrics(truth, labels, scores, groups, truth)
    assert figures["auc"].value is figures["tpr_at_fpr_0"].value is None
    assert "fold 0 holds one class only" in figures["auc"].note
    assert figures["kappa"].low is not None


def test_a_fold_whose_class_rests_on_one_group_gets_no_interval():
    truth, _, scores, groups = patients(5, 20, 100)
    folds = np.where(groups == 0, 1, np.where(truth == 1, 0, groups % 2))
    figure = auc_metric(truth, scores, groups, folds)
    assert figure.value is not None
    assert figure.low is None
    assert "without one of the groups" in figure.note


def test_draws_that_leave_a_fold_without_used_images_are_passed_over():
    truth, labels, scores, groups = patients(19, 30, 300)
    folds = np.where(truth == 0, groups % 2, 0)
    folds[np.flatnonzero(groups == 0)[0]] = 1
    figure = membership_metrics(truth, labels, scores, groups, folds)["tpr_at_fpr_0"]
    assert 0 <= figure.low <= figure.value <= figure.high <= 1


# --- what must not matter ---


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_order_of_images_and_names_of_groups_do_not_matter(seed, both):
    truth, labels, scores, groups = mixed(seed) if both else patients(seed, 25, 150)
    folds = groups % 2
    before = membership_metrics(truth, labels, scores, groups, folds)
    rng = np.random.default_rng(seed)
    order = rng.permutation(truth.size)
    names = np.array([f"patient {number}" for number in rng.permutation(groups.max() + 1)])
    after = membership_metrics(
        truth[order], labels[order], scores[order], names[groups][order], folds[order]
    )
    assert before == after


def test_groups_may_be_any_hashable():
    truth, labels, scores, groups = patients(6, 12, 60)
    pairs = [("scan", int(group)) for group in groups]
    assert membership_metrics(truth, labels, scores, groups) == membership_metrics(
        truth, labels, scores, pairs
    )


def test_figures_of_scores_depend_on_their_order_only():
    truth, labels, scores, groups = patients(7, 25, 200)
    assert membership_metrics(truth, labels, scores, groups) == membership_metrics(
        truth, labels, np.exp(3 * scores) * 1e300, groups
    )


def test_copies_of_images_within_their_group_add_images_but_no_certainty():
    truth, labels, scores, groups = patients(8, 110, 500)
    once = membership_metrics(truth, labels, scores, groups)
    twice = membership_metrics(*(np.repeat(a, 2) for a in (truth, labels, scores, groups)))
    for name in MEMBERSHIP:
        assert twice[name].n == 2 * once[name].n
        assert twice[name].groups == once[name].groups
        ends = (once[name].value, once[name].low, once[name].high)
        assert (twice[name].value, twice[name].low, twice[name].high) == pytest.approx(ends)


def test_the_same_images_from_fewer_patients_are_less_certain():
    truth, labels, scores, groups = patients(9, 20, 400)
    by_patient = membership_metrics(truth, labels, scores, groups)
    by_image = membership_metrics(truth, labels, scores, np.arange(400))
    for name in ("kappa", "accuracy", "auc", "recall", "f1", "tpr_at_fpr_5"):
        wide, narrow = by_patient[name], by_image[name]
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low), name


# --- the jackknife, recomputed slowly ---


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("make", [lambda: patients(10, 12, 90), lambda: mixed(11)])
def test_auc_interval_is_that_of_leaving_each_group_out(make, count):
    truth, _, scores, groups = make()
    folds = groups % count
    figure = auc_metric(truth, scores, groups, folds)

    def mean_area(kept):
        areas = [
            sk.roc_auc_score(truth[kept & (folds == fold)], scores[kept & (folds == fold)])
            for fold in range(count)
        ]
        return np.mean(areas)

    value = mean_area(groups >= 0)
    without = np.array([mean_area(groups != group) for group in np.unique(groups)])
    expected = jackknife_interval(value, without, kinds(truth, groups, folds), 10)
    assert (figure.low, figure.high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("make", [lambda: patients(12, 12, 90), lambda: mixed(13)])
def test_label_intervals_are_those_of_leaving_each_group_out_at_fixed_class_sizes(make):
    truth, labels, scores, groups = make()
    figures = membership_metrics(truth, labels, scores, groups)
    size, strata = np.bincount(truth), kinds(truth, groups)

    def left_out(score):
        for group in np.unique(groups):
            kept = groups != group
            weight = (size / np.bincount(truth[kept]))[truth[kept]]
            yield score(truth[kept], labels[kept], sample_weight=weight)

    slow = {"accuracy": sk.accuracy_score, "f1": sk.f1_score, "precision": sk.precision_score}
    for name, score in slow.items():
        without = np.array(list(left_out(score)))
        expected = jackknife_interval(score(truth, labels), without, strata, 10)
        assert (figures[name].low, figures[name].high) == pytest.approx(expected, abs=1e-9), name
    chance = sum(np.mean(truth == one) * np.mean(labels == one) for one in (0, 1))
    expected = jackknife_interval(
        sk.cohen_kappa_score(truth, labels),
        np.array(list(left_out(sk.cohen_kappa_score))),
        strata,
        10,
        (-chance / (1 - chance), 1.0),
    )
    assert (figures["kappa"].low, figures["kappa"].high) == pytest.approx(expected, abs=1e-9)


# --- the ends ---


def test_a_perfect_score_is_not_certain_and_more_so_with_more_patients():
    lows = []
    for count in (10, 40):
        truth, _, _, groups = patients(14, count, 200)
        figures = membership_metrics(truth, truth, truth.astype(float), groups)
        figures |= {
            f"macro {k}": v for k, v in attribution_metrics(truth, truth, groups, 2).items()
        }
        figures = {name: one for name, one in figures.items() if one.value is not None}
        assert all(one.value == 1.0 == one.high > one.low > 0 for one in figures.values())
        lows.append({name: one.low for name, one in figures.items()})
    assert all(lows[0][name] < 0.75 for name in lows[0] if "accuracy" not in name)
    assert all(lows[0][name] < lows[1][name] for name in lows[0])


def test_perfect_kappa_is_the_interval_of_accuracy_less_chance():
    truth, labels, groups = counted(20, 0, 180, 0)
    figures = membership_metrics(truth, labels, labels.astype(float), groups)
    error = 1 - figures["accuracy"].low
    assert figures["kappa"].low == pytest.approx(1 - error / (2 * 0.1 * 0.9))


@pytest.mark.parametrize("answer", [0, 1])
def test_the_same_answer_everywhere_has_exactly_no_skill(answer):
    truth, _, _, groups = patients(15, 13, 178)
    labels = np.full(truth.size, answer)
    figures = membership_metrics(truth, labels, labels.astype(float), groups)
    for name, value in (("kappa", 0.0), ("balanced_accuracy", 0.5), ("auc", 0.5)):
        assert (figures[name].low, figures[name].value, figures[name].high) == (value,) * 3
        assert "are the same" in figures[name].note
    assert figures["recall"].value == answer
    assert figures["recall"].high > figures["recall"].low
    assert (figures["precision"].value is None) == (answer == 0)
    assert figures["tpr_at_fpr_0"].value == 0.0 < figures["tpr_at_fpr_0"].high


def test_scores_that_are_the_same_within_each_fold_have_exactly_no_skill():
    truth, _, _, groups = patients(16, 30, 120)
    figure = auc_metric(truth, (groups % 3).astype(float), groups, groups % 3)
    assert (figure.low, figure.value, figure.high) == (0.5, 0.5, 0.5)


def test_intervals_hold_their_value_and_stay_within_the_scale():
    for seed in range(20):
        figures = membership_metrics(*patients(seed, 15, 120, auc=0.97, share=0.8))
        for name, one in figures.items():
            if one.low is not None:
                assert (-1 if name == "kappa" else 0) <= one.low <= one.value <= one.high <= 1


# --- too little to say ---


def test_precision_without_a_positive_answer_is_not_defined():
    truth, _, scores, groups = patients(17, 12, 60)
    figure = membership_metrics(truth, np.zeros(60, int), scores, groups)["precision"]
    assert figure == Metric(None, None, None, 0, 0, "not defined: no answer is used")


def test_precision_on_one_patient_has_no_interval():
    truth, _, scores, groups = patients(18, 12, 120)
    figure = membership_metrics(truth, (groups == 0).astype(int), scores, groups)["precision"]
    assert (figure.value, figure.low, figure.groups) == (1.0, None, 1)
    assert "without one of the groups" in figure.note


def test_few_groups_leave_the_value_and_take_the_interval():
    truth = np.repeat([1, 0], [60, 90])
    groups = np.concatenate([np.arange(60) % 6, 100 + np.arange(90) % 9])
    labels = (np.arange(150) % 3 > 0).astype(int)
    figures = membership_metrics(truth, labels, np.arange(150.0) % 7, groups)
    for name in MEMBERSHIP[:8]:
        assert figures[name].value is not None
        assert figures[name].low is figures[name].high is None
        assert figures[name].note == "too few groups (6 used, 9 not used) for an interval"
    assert figures["tpr_at_fpr_0"].note == "not measurable: needs 10 not-used groups, has 9"


def test_only_the_class_that_is_short_is_named():
    truth = np.repeat([0, 1, 2], 20)
    groups = np.concatenate([np.arange(40), 100 + np.arange(20) % 4])
    figures = attribution_metrics(truth, truth, groups, 3)
    assert {one.note for one in figures.values()} == {"too few groups (4 class 2) for an interval"}


@pytest.mark.parametrize(
    ("not_used", "measurable"),
    [
        (9, set()),
        (10, {"0"}),
        (19, {"0"}),
        (20, {"0", "5"}),
        (99, {"0", "5"}),
        (100, {"0", "5", "1"}),
    ],
)
def test_a_low_false_positive_rate_needs_many_not_used_patients(not_used, measurable):
    truth = np.repeat([1, 0, 0], [30, not_used, not_used])
    groups = np.concatenate([np.arange(30), 100 + np.arange(2 * not_used) // 2])
    scores = np.random.default_rng(0).normal(size=truth.size) + truth
    figures = membership_metrics(truth, truth, scores, groups)
    said = {rate for rate in "510" if figures[f"tpr_at_fpr_{rate}"].value is not None}
    assert said == measurable


def test_a_patient_with_both_classes_counts_for_both():
    truth = np.tile([0, 1], 12)
    scores = np.random.default_rng(1).normal(size=24) + truth
    groups = np.arange(24) // 2
    figures = membership_metrics(truth, (scores > 0.5).astype(int), scores, groups)
    assert figures["kappa"].low is not None
    assert (figures["kappa"].n, figures["kappa"].groups) == (24, 12)
    assert (figures["recall"].n, figures["recall"].groups) == (12, 12)


@pytest.mark.parametrize("truth", [np.ones(30, int), np.zeros(30, int), np.zeros(0, int)])
def test_a_truth_of_one_class_defines_nothing_and_fails_nothing(truth):
    size = truth.size
    figures = membership_metrics(truth, truth, np.zeros(size), np.arange(size))
    figures |= attribution_metrics(truth, truth, np.arange(size), 3)
    figures["alone"] = auc_metric(truth, np.zeros(size), np.arange(size))
    for one in figures.values():
        assert one.value is one.low is one.high is None
        assert one.note.startswith("not defined: the truth has no image that is")


# --- bad calls ---


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"truth": [0, 1, 2, 1]}, "truth must lie in 0 to 1"),
        ({"truth": [0, 1, 0]}, "truth has shape"),
        ({"labels": [0.0, 1.0, 0.5, 1.0]}, "labels must be integers"),
        ({"labels": [[0, 1, 0, 1]]}, "labels has shape"),
        ({"scores": [0.1, np.nan, 0.2, 0.3]}, "scores must be finite"),
        ({"scores": [0.1]}, "scores has shape"),
        ({"folds": [0, 0, 1]}, "folds has shape"),
        ({"groups": np.zeros((4, 1))}, "groups has shape"),
    ],
)
def test_a_wrong_call_is_refused(changed, said):
    call = {"truth": [0, 1, 0, 1], "labels": [0, 1, 1, 1], "scores": [0.1, 0.4, 0.2, 0.3]}
    with pytest.raises(ValueError, match=said):
        membership_metrics(**({**call, "groups": "abcd"} | changed))


def test_attribution_refuses_answers_outside_its_classes():
    with pytest.raises(ValueError, match="predicted must lie in 0 to 2"):
        attribution_metrics([0, 1, 2], [0, 1, 3], "abc", 3)
    with pytest.raises(ValueError, match="classes must be at least 2"):
        attribution_metrics([0, 0], [0, 0], "ab", 1)


def test_scoring_starts_without_the_slow_libraries():
    code = (
        "import sys\n"
        "from harness.scoring import comparing, metrics, permuting\n"
        "slow = {'scipy.stats', 'sklearn', 'pandas', 'torch'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(slow)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- coverage ---


def covered(
    per_class: int, images: int, auc: float, share: float, draws: int, full: bool = False
) -> dict[str, float]:
    """The share of draws whose interval holds the true figure."""
    apart = np.sqrt(2) * ndtri(auc)
    right = float(ndtr(apart / 2))
    truth = {"auc": auc, "accuracy": right, "kappa": 2 * right - 1}
    truth["tpr_at_fpr_5"] = float(1 - ndtr(ndtri(0.95) - apart))

    def draw() -> Iterator[dict[str, Metric]]:
        for seed in range(draws):
            case = patients([seed, per_class, images], per_class, images, auc, share)
            yield membership_metrics(*case) if full else {"auc": auc_metric(case[0], *case[2:])}

    held = {name: [] for name in truth}
    for figures in draw():
        for name, one in figures.items():
            if name in truth and one.low is not None:
                held[name].append(one.low <= truth[name] <= one.high)
    return {name: float(np.mean(holds)) for name, holds in held.items() if holds}


@pytest.mark.parametrize("auc", [0.5, 0.9])
@pytest.mark.parametrize("per_class", [10, 30, 100])
def test_auc_intervals_cover_the_truth(per_class, auc):
    assert 0.9 <= covered(per_class, 300, auc, 0.3, 300)["auc"] <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("auc", [0.5, 0.9])
@pytest.mark.parametrize(("per_class", "images"), [(10, 200), (30, 500), (100, 500)])
def test_intervals_of_all_kinds_cover_the_truth(per_class, images, auc):
    shares = covered(per_class, images, auc, 0.3, 250, full=True)
    assert {"auc", "accuracy", "kappa"} <= set(shares)
    assert all(0.9 <= share <= 0.99 for share in shares.values()), shares


DRAWS = int(os.environ.get("COVERAGE_DRAWS", "250"))  # 4,000 take about twenty minutes


@pytest.mark.slow
@pytest.mark.parametrize("auc", [0.5, 0.9])
@pytest.mark.parametrize("images", [200, 500])
@pytest.mark.parametrize("per_class", [10, 30, 100])
def test_intervals_hold_the_truth_in_93_to_97_percent_of_draws(per_class, images, auc):
    """Within what chance adds to that on so many draws: 99.9 % binomial bounds."""
    right = float(ndtr(ndtri(auc) / np.sqrt(2)))
    truths = {"auc": auc, "accuracy": right, "kappa": 2 * right - 1}
    held = dict.fromkeys(truths, 0)
    for seed in range(DRAWS):
        truth, labels, scores, groups = patients([7, seed, images], per_class, images, auc, 0.3)
        figures = {
            "auc": auc_metric(truth, scores, groups),
            "accuracy": attribution_metrics(truth, labels, groups, 2)["accuracy"],
            "kappa": kappa_metric(truth, labels, groups),
        }
        for name, figure in figures.items():
            held[name] += figure.low <= truths[name] <= figure.high
    low, high = binom.ppf(0.001, DRAWS, 0.93), binom.ppf(0.999, DRAWS, 0.97)
    assert all(low <= count <= high for count in held.values()), held


def test_other_slices_are_scored_apart_and_count_nowhere_else():
    truth, labels, scores, groups = patients(3, 30, 200)
    without = membership_metrics(truth, labels, scores, groups)
    used = np.flatnonzero(truth == 1)[:40]
    asked = {
        "truth": np.r_[truth, np.zeros(40, int)],
        "labels": np.r_[labels, np.ones(40, int)],
        "scores": np.r_[scores, np.full(40, scores.max() + 1)],
        "groups": np.r_[groups, groups[used]],
    }
    apart = np.r_[np.zeros(len(truth), bool), np.ones(40, bool)]
    found = membership_metrics(*asked.values(), apart=apart)
    assert {name: found[name] for name in MEMBERSHIP} == without
    other = found["auc_other_slice"]
    assert other.value == 1
    assert other.n == 40 + int((truth == 0).sum())
