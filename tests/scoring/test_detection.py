"""What a limit of detection is worth: trials, false alarms, the limit and its interval."""

import numpy as np
import pytest
from scipy.stats import norm

from harness.scoring.detection import POINT, Trial, auc_z, detected, detection_limit

SHARES = (0.1, 0.2, 0.3, 0.5)


def trials(rng, slope: float, draws: int = 8, blanks: int = 20, spread: float = 1.0):
    """Trials of a method whose z rises straight with the share."""
    made = [Trial(0.0, draw, rng.normal(0, spread)) for draw in range(blanks)]
    return made + [
        Trial(share, draw, slope * share + rng.normal(0, spread))
        for share in SHARES
        for draw in range(draws)
    ]


def test_z_is_that_of_the_rank_sum_when_every_image_is_a_patient():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 60)
    scores = rng.normal(size=120) + 0.6 * truth
    pairs = scores[truth == 1][:, None] > scores[truth == 0]
    error = np.sqrt(121 / (12 * 60 * 60))
    assert auc_z(truth, scores, range(120)) == pytest.approx((pairs.mean() - 0.5) / error, rel=0.12)


def test_ten_images_of_a_patient_count_for_little_more_than_one():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 40)
    scores = rng.normal(size=80) + 0.7 * truth
    one = auc_z(truth, scores, range(80))
    ten = auc_z(truth.repeat(10), scores.repeat(10), np.arange(80).repeat(10))
    assert ten == pytest.approx(one, rel=0.02)


def test_scores_that_are_all_the_same_detect_nothing():
    assert auc_z([0, 1] * 20, np.zeros(40), range(40)) == 0.0


def test_a_truth_of_one_class_is_refused():
    with pytest.raises(ValueError, match="no image"):
        auc_z([1, 1, 1], [0.1, 0.2, 0.3], range(3))


def test_false_alarms_are_the_share_above_the_point():
    made = [Trial(0.0, draw, z) for draw, z in enumerate([0.0, 1.0, POINT, 3.0])]
    found = detected(made)
    assert (found.value, found.n) == (0.5, 4)
    assert 0 < found.low < 0.5 < found.high < 1


def test_without_noise_the_limit_is_where_the_line_crosses_the_point():
    made = [Trial(0.0, draw, 0.0) for draw in range(3)]
    made += [Trial(share, draw, 10 * share) for share in SHARES for draw in range(3)]
    limit = detection_limit(made)
    assert limit.value == limit.low == limit.high == pytest.approx(POINT / 10)


def test_what_is_blind_has_no_limit_and_says_how_far_was_tried():
    limit = detection_limit(trials(np.random.default_rng(2), slope=0.0))
    assert (limit.value, limit.high, limit.largest) == (None, None, 0.5)


@pytest.mark.slow
def test_at_the_limit_power_is_95_percent_and_the_interval_holds_it():
    """The true limit of a straight line with normal noise: where its power is 95 %."""
    rng, slope = np.random.default_rng(3), 12.0
    true = 2 * POINT / slope
    assert norm.sf(POINT - slope * true) == pytest.approx(0.95)
    limits = [detection_limit(trials(rng, slope)) for _ in range(60)]
    values = [limit.value for limit in limits]
    assert np.median(values) == pytest.approx(true, rel=0.05)
    held = sum(limit.low <= true and (limit.high is None or true <= limit.high) for limit in limits)
    assert held >= 51, "95 % of 60 but for chance (binomial, 0.2 %)"
