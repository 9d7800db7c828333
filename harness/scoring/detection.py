"""How little a method detects: false alarms, and the limit of detection over redrawn data.

A trial is a data set whose truth was dealt at random and whose pool holds copies of a known share
of the members. Its z says how far the AUC of a method lies above that of deals of the truth to
whole patients, in standard deviations of those deals. A method detects where z reaches 1.645, which
is one false alarm in 20 where nothing is planted.

The limit of detection is the smallest share at which a method detects in 95 of 100 trials. As with
limits of chemical assays (CLSI EP17: limit of the blank + 1.645 standard deviations), z is taken as
normal round a mean that never falls with the share (isotonic regression, straight lines between the
shares tried), with one standard deviation for all. Its interval is the percentile interval of 1,000
bootstrap samples of the redrawn data sets, each with all of its shares, widened by the t quantile
for how few they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.permuting import Deal
from harness.scoring.sample import Groups, finite, make_sample, numbered_classes

Floats = NDArray[np.float64]

LEVEL = 0.05  # false alarms
POWER = 0.95
POINT = 1.6448536269514722  # of the normal distribution, for both of them
DEALS = 1000
SAMPLES = 1000

_SEED = 20252


@dataclass(frozen=True)
class Trial:
    """One redrawn data set, and how clearly a method detects what was planted in it."""

    share: float  # of the members whose copies were planted, 0 to 1
    draw: int  # number of the redrawn data set
    z: float

    @property
    def detects(self) -> bool:
        """Whether the method is above chance at 5 % false alarms."""
        return self.z >= POINT


@dataclass(frozen=True)
class Share:
    """A share of trials, with its exact 95 % interval (Clopper and Pearson 1934)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Limit:
    """The limit of detection, as a share of the members."""

    value: float | None  # None: not reached at the largest share tried
    low: float | None  # ends of the 95 % interval; None: beyond the largest share tried
    high: float | None
    largest: float  # share tried


def auc_z(truth: ArrayLike, scores: ArrayLike, groups: Groups) -> float:
    """Return how far an AUC lies above chance, in standard deviations of deals of the truth.

    Args:
        truth: (N,) integers, 1 used, 0 not used, of both some.
        scores: (N,) finite floats, higher where "used" is more likely.
        groups: (N,) the patient of each image; a patient's images are dealt one class.

    Returns:
        Nought where all scores are the same.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    from scipy.stats import rankdata

    sample = make_sample(truth, groups, numbered_classes(2))
    if sample.lacking():
        raise ValueError(sample.lacking())
    ranks = rankdata(finite(scores, sample.truth.size))
    order = np.argsort(sample.codes, kind="stable")
    ranks, known = ranks[order], sample.truth[order]
    deals = np.concatenate([*Deal.of(known, sample.codes[order]).draws(DEALS, _SEED)])
    observed, drawn = _areas(ranks, known[None])[0], _areas(ranks, deals)
    spread = float(drawn.std())
    return float(observed - drawn.mean()) / spread if spread > 1e-12 else 0.0


def _areas(ranks: Floats, truths: NDArray[np.int64]) -> Floats:
    """Return the AUC of scores by their ranks (N,) under each of B truths (B, N)."""
    used = truths.sum(1)
    areas: Floats = (truths @ ranks - used * (used + 1) / 2) / (used * (ranks.size - used))
    return areas


def detected(trials: Sequence[Trial]) -> Share:
    """Return the share of trials that detect; of those without a copy, the false alarms."""
    from scipy.stats import binomtest

    found = binomtest(sum(trial.detects for trial in trials), len(trials))
    interval = found.proportion_ci()
    return Share(found.k / found.n, float(interval.low), float(interval.high), found.n)


def detection_limit(trials: Sequence[Trial]) -> Limit:
    """Return the smallest share that is detected in 95 % of trials, with 5 % false alarms.

    Args:
        trials: of one method at one fidelity; each draw at all shares but nought, of which there
            may be more draws. At least two draws and one share above nought.
    """
    shares = sorted({trial.share for trial in trials if trial.share > 0})
    known = {(trial.share, trial.draw): trial.z for trial in trials}
    draws = sorted({trial.draw for trial in trials if trial.share > 0})
    planted = np.array([[known[share, draw] for share in shares] for draw in draws])
    blank = np.array([trial.z for trial in trials if trial.share == 0])
    rng = np.random.default_rng(_SEED)
    value = _limit(planted, blank, shares)
    wider = _widening(len(draws))
    middle = planted.mean(0)
    found = []
    for _ in range(SAMPLES):
        taken = rng.integers(len(draws), size=len(draws))
        again = blank[rng.integers(len(blank), size=len(blank))] if len(blank) else blank
        moved = planted[taken] + (wider - 1) * (planted[taken].mean(0) - middle)
        found.append(_limit(moved, again, shares))
    low, high = np.quantile(found, [0.025, 0.975], method="closest_observation")
    return Limit(_told(value), _told(min(low, value)), _told(max(high, value)), shares[-1])


def _told(share: float) -> float | None:
    return float(share) if np.isfinite(share) else None


def _widening(draws: int) -> float:
    """Return by how much means of bootstrap samples of so few draws vary too little."""
    from scipy.special import stdtrit

    return float(stdtrit(draws - 1, 0.975) / 1.96 * np.sqrt(draws / (draws - 1)))


def _limit(planted: Floats, blank: Floats, shares: Sequence[float]) -> float:
    """Return the limit of z (D, S) at S shares and of blank ones; infinity if not reached."""
    from scipy.optimize import isotonic_regression

    groups = [blank, *planted.T]
    squares = sum(float(((z - z.mean()) ** 2).sum()) for z in groups if z.size)
    freedom = sum(z.size - 1 for z in groups if z.size)
    target = POINT * (1 + np.sqrt(squares / freedom))
    counts = np.array([max(z.size, 1) for z in groups], float)
    means = [z.mean() if z.size else 0.0 for z in groups]
    rising = isotonic_regression(means, weights=counts).x
    places = np.array([0.0, *shares])
    if rising[-1] < target:
        return float("inf")
    after = int(np.argmax(rising >= target))
    if after == 0:
        return 0.0
    step = (target - rising[after - 1]) / (rising[after] - rising[after - 1])
    return float(places[after - 1] + step * (places[after] - places[after - 1]))
