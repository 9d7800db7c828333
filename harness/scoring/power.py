"""How many images and patients a test set needs, and what a given one can show.

Kappa of a balanced test set is the share of used images called used less that of not-used images
called used. On n independent images its variance is 1/n when a method is blind and calls half of
the images used, and (1 - kappa^2)/n when it is right about both classes equally often; at other
rates of positive answers it is smaller. A test at level alpha/M, two-sided (Bonferroni over M
methods), then detects a true kappa with the power asked for if

    n >= ((z(alpha / 2M) + z(1 - power) sqrt(1 - kappa^2)) / kappa)^2,

where z(q) is what a standard normal exceeds with probability q. That is the textbook comparison of
two proportions with the variance under either hypothesis (Fleiss, Levin and Paik 2003, section 4.2,
without correction for continuity).

Images of a patient are worth less: m of them with a correlation r count like m / (1 + (m - 1) r)
independent ones (the design effect; Kish 1965). The correlation is that of being right, between two
images of one patient.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, norm

_DEVIATIONS = 12


@dataclass(frozen=True)
class Needed:
    """What a balanced test set must have."""

    independent: int  # images, if all were independent
    images: int  # with several of a patient
    patients: int
    design_effect: float  # how many images count like one independent image


def design_effect(images_per_patient: float, correlation: float) -> float:
    """Return how many images of patients are worth one independent image (Kish 1965).

    Args:
        images_per_patient: at least 1.
        correlation: of being right, between two images of one patient, 0 to 1.

    Raises:
        ValueError: an argument is not as described.
    """
    if images_per_patient < 1:
        raise ValueError(f"images per patient must be at least 1, not {images_per_patient:g}")
    if not 0 <= correlation <= 1:
        raise ValueError(f"the correlation must lie in 0 to 1, not {correlation:g}")
    return 1 + (images_per_patient - 1) * correlation


def needed(
    kappa: float,
    methods: int = 1,
    *,
    power: float = 0.80,
    alpha: float = 0.05,
    images_per_patient: float = 1,
    correlation: float = 0,
) -> Needed:
    """Return what tells a method of a true kappa from chance, corrected for all methods tried.

    Args:
        kappa: the true one, above 0 and below 1.
        methods: number of methods that are tested together, M.
        power: share of test sets in which the method is detected.
        alpha: chance that any of M blind methods is called a detector, two-sided.
        images_per_patient: at least 1.
        correlation: of being right, between two images of one patient, 0 to 1.

    Returns:
        Images and patients, both classes together, half of them used.

    Raises:
        ValueError: an argument is not as described.
    """
    if not 0 < kappa < 1:
        raise ValueError(f"kappa must lie between 0 and 1, not {kappa:g}")
    level, reach = _quantiles(methods, power, alpha)
    effect = design_effect(images_per_patient, correlation)
    exactly = ((level + reach * math.sqrt(1 - kappa**2)) / kappa) ** 2
    patients = math.ceil(exactly * effect / images_per_patient)
    images = math.ceil(patients * images_per_patient)
    return Needed(math.ceil(exactly), images, patients, effect)


def smallest_kappa(
    images: float,
    methods: int = 1,
    *,
    power: float = 0.80,
    alpha: float = 0.05,
    images_per_patient: float = 1,
    correlation: float = 0,
) -> float | None:
    """Return the smallest true kappa that a balanced test set can show; the inverse of ``needed``.

    Args:
        images: how many there are, both classes together.
        methods: as of :func:`needed`, like all that follow.
        power: share of test sets in which the method is detected.
        alpha: chance that any of M blind methods is called a detector, two-sided.
        images_per_patient: at least 1.
        correlation: of being right, between two images of one patient, 0 to 1.

    Returns:
        The kappa; None where not even a perfect method would be detected.

    Raises:
        ValueError: an argument is not as described.
    """
    if images < 2:
        raise ValueError(f"there must be at least 2 images, not {images:g}")
    level, reach = _quantiles(methods, power, alpha)
    n = images / design_effect(images_per_patient, correlation)
    # sqrt(n) kappa - level = reach sqrt(1 - kappa^2), solved for kappa.
    under = n + reach**2 - level**2
    if under < 0 or level**2 >= n:
        return None
    return (level * math.sqrt(n) + reach * math.sqrt(under)) / (n + reach**2)


def expected_maximum(
    methods: int, images: int, used: int | None = None, positives: int | None = None
) -> float:
    """Return the expected largest kappa of so many blind methods, independent of each other.

    Exact for independent images: the number of right positive answers of a blind method is
    hypergeometric, and the largest of M has the M-th power of its distribution function.

    Args:
        methods: how many blind methods there are, M.
        images: how many images are asked about.
        used: how many of them were used; half by default.
        positives: how many of them each method calls used; half by default.

    Returns:
        The mean of the largest kappa.

    Raises:
        ValueError: a number is too small, or all images are of one class.
    """
    used = images // 2 if used is None else used
    positives = images // 2 if positives is None else positives
    if methods < 1:
        raise ValueError(f"methods must be at least 1, not {methods}")
    if not 0 < used < images or not 0 <= positives <= images:
        raise ValueError(f"of {images} images {used} used and {positives} positive cannot be")
    mean = used * positives / images
    variance = mean * (1 - used / images) * (images - positives) / (images - 1)
    reach = _DEVIATIONS * math.sqrt(variance) + 1  # what lies beyond is too rare to count
    first = max(0, math.floor(mean - reach))
    hits = np.arange(first, min(used, positives, math.ceil(mean + reach)) + 1)
    below = hypergeom.cdf(hits, images, used, positives)
    largest = np.diff(below**methods, prepend=0.0)
    accuracy = 1 - (used + positives - 2 * hits) / images
    chance = (used * positives + (images - used) * (images - positives)) / images**2
    return float(largest @ ((accuracy - chance) / (1 - chance)))


def _quantiles(methods: int, power: float, alpha: float) -> tuple[float, float]:
    """Return what a standard normal must exceed to be significant, and by how much, for power."""
    if methods < 1:
        raise ValueError(f"methods must be at least 1, not {methods}")
    for name, share in (("power", power), ("alpha", alpha)):
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {share:g}")
    return float(norm.isf(alpha / (2 * methods))), float(norm.ppf(power))
