"""The same scores cut elsewhere than a method cuts them: what a threshold costs or brings.

Kappa depends on where a method puts its threshold. Beside its own there are three that are the same
rule for every method: one that is learnt on labelled training reals; one that calls as large a
share used as was used among them, which looks at all questions together; and the best there is,
which looks at the truth.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.metrics import Metric, kappa_metric
from harness.scoring.sample import Groups, membership_sample
from harness.thresholds import best_kappa_threshold

ORACLE = "oracle: the threshold is chosen with the truth"
COMMON, PRIOR, BEST = "kappa_common", "kappa_prior", "kappa_best"


def kappas(
    truth: ArrayLike,
    scores: ArrayLike,
    groups: Groups,
    *,
    share: float,
    threshold: float | None,
    apart: ArrayLike | None = None,
) -> dict[str, Metric]:
    """Return kappa at the thresholds that are the same rule for every method.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        scores: (N,) finite floats, higher where "used" is more likely.
        groups: (N,) the patient of each image, any hashable; one per image when unknown.
        share: of the labelled training reals that was used, 0 to 1.
        threshold: learnt on the training reals, above which an image is called used; None where
            there is none.
        apart: (N,) booleans, which images are other slices and left out, or None without any.

    Returns:
        ``kappa_common`` at the threshold, where there is one; ``kappa_prior``; and ``kappa_best``,
        which has no interval, for its threshold was chosen on the very images.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample, kept = membership_sample(truth, groups, apart)
    values = np.asarray(scores, float)[kept]
    cuts = {} if threshold is None else {COMMON: threshold}
    cuts |= {
        PRIOR: share_threshold(values, share),
        BEST: best_kappa_threshold(values, sample.truth),
    }
    found = {
        name: kappa_metric(sample.truth, (values > cut).astype(int), sample.codes)
        for name, cut in cuts.items()
    }
    best = found[BEST]
    return found | {BEST: Metric(best.value, None, None, best.n, best.groups, best.note or ORACLE)}


def share_threshold(scores: NDArray[np.float64], share: float) -> float:
    """Return the threshold above which a share of the scores lies; less where scores are tied."""
    flagged = round(share * len(scores))
    if flagged >= len(scores):
        return -np.inf
    return float(np.sort(scores)[len(scores) - 1 - flagged])
