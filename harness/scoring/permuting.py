"""Permutation tests of all methods of a board at once: is anything better than blind?

Answers stay as they are and the truth is dealt anew to whole patients, in the same draws for every
method. So each method keeps its rate of positive answers, what methods have in common is kept, and
the largest figure of a draw is that of the best of so many blind methods (Westfall and Young 1993).

What is exchangeable when a method is blind: the class of a patient whose images are all of one
class, with those of patients of a like size; and, within a patient who has images of several
classes, the classes of the images. A like size is a number of images with the same power of two (1,
2 to 3, 4 to 7 and so on). Dealing among all sizes would go wrong where one class was given the
larger patients, and patients of exactly one size are often too few. So a deal leaves the number of
patients of each class as it is, and the number of images nearly so.

What this supposes: that the choice of the used patients did not look at their size within a power
of two, nor, where a patient has images of several classes, at which slice it is. What it does not
cover: answers from cross-validation. There each fold was answered by a method that learned from the
truth of the others, which makes chance results vary more than draws with fixed answers do: ridge
regression on noise in 5 folds had p <= 0.05 in 10 % of 500 simulated sets.

By simulation, 1,000 boards of 20 blind methods, 200 images of 10, 15 or 40 unequal patients in each
class, patient effects of 0 or 0.5 of the variance, methods independent or alike: the best one had
p <= 0.05 on 4.3 to 5.5 % of boards; 4.8 and 5.6 % of 500 where used patients were larger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.sample import (
    Groups,
    Sample,
    answer_rows,
    make_sample,
    mean_by_method,
    membership_sample,
    method_numbers,
    numbered_classes,
)
from harness.scoring.uncertainty import ordered_by_content

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 2000

_SEED = 20251
_CELLS = 1_000_000  # images times draws held in memory at once
_ROUNDING = 1e-12
_POINT = 0.95


@dataclass(frozen=True)
class Blind:
    """What one method's figure would be worth if it were blind."""

    p: float  # one-sided, of this method alone
    adjusted: float  # of this method among all, by the largest figure, step-down
    point: float  # which the figure of so blind a method exceeds in at most 5 % of draws


@dataclass(frozen=True)
class Permuted:
    """The methods of a board against blind ones with the same answers."""

    methods: tuple[Blind, ...]
    best_p: float | None  # one-sided, that the best method is no better than the best of blind ones
    best_point: float | None  # which the best of so many blind ones exceeds in at most 5 % of draws
    draws: int
    note: str | None = None  # why there is nothing to say


def membership_permutations(
    truth: ArrayLike,
    labels: ArrayLike,
    groups: Groups,
    *,
    apart: ArrayLike | None = None,
    methods: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = _SEED,
) -> Permuted:
    """Return how the kappa of each method compares with that of blind methods.

    A p value is the share of draws, the data themselves among them, that reach the figure. The
    adjusted ones hold their size for all methods together, whichever of them are blind.

    Args:
        truth: (N,) integers, 1 used, 0 not used.
        labels: (R, N) integers, the answers of each run, 1 used, 0 not used.
        groups: (N,) the patient of each image, any hashable; one per image when unknown.
        apart: (N,) booleans, which images are other slices and left out, or None without any.
        methods: (R,) integers 0 to M-1, the method of each run where a method has several, which
            differ in their seed: its figure is their mean. None: every run is a method.
        draws: how many times the truth is dealt anew.
        seed: of the draws, which depend on nothing else but truth, patients and answers: neither
            on names nor on the order of images.

    Returns:
        The tests, in the order of the methods; none and a note where nothing can be told.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample, kept = membership_sample(truth, groups, apart)
    answers = answer_rows("labels", labels, kept.size, 2)[:, kept]
    of = method_numbers(methods, len(answers))
    return _permuted(sample, answers, of, draws, seed, chance=True)


def attribution_permutations(
    truth: ArrayLike,
    predicted: ArrayLike,
    groups: Groups,
    classes: int,
    *,
    methods: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = _SEED,
) -> Permuted:
    """Return how the accuracy of each method compares with that of blind methods.

    Args:
        truth: (N,) integers 0 to classes-1.
        predicted: (R, N) integers 0 to classes-1, the answers of each run.
        groups: (N,) the group of each image, any hashable; one per image when unknown.
        classes: number of classes, at least 2.
        methods: as of :func:`membership_permutations`.
        draws: as of :func:`membership_permutations`.
        seed: as of :func:`membership_permutations`.

    Returns:
        The tests, in the order of the methods; none and a note where nothing can be told.

    Raises:
        ValueError: shapes differ, or values are not as described.
    """
    sample = make_sample(truth, groups, numbered_classes(classes))
    answers = answer_rows("predicted", predicted, sample.truth.size, classes)
    of = method_numbers(methods, len(answers))
    return _permuted(sample, answers, of, draws, seed, chance=False)


def _permuted(
    sample: Sample, answers: Ints, of: Ints, draws: int, seed: int, *, chance: bool
) -> Permuted:
    note = sample.lacking()
    if note or not len(answers):
        return Permuted((), None, None, 0, note or "no method")
    codes = ordered_by_content(sample.codes, sample.truth, *answers)
    order = np.lexsort((*answers, sample.truth, codes))
    codes, truth, given = codes[order], sample.truth[order], answers[:, order]
    deal = Deal.of(truth, codes)
    if deal.fixed():
        note = "cannot tell: no two patients of like size are of different classes"
        return Permuted((), None, None, 0, note)
    classes = sample.held.size

    def figures(dealt: Ints) -> Floats:
        return mean_by_method(_figures(dealt, given, classes, chance), of)

    [observed] = figures(truth[None]).T
    parts = [figures(dealt) for dealt in deal.draws(draws, seed)]
    return _tests(observed, np.concatenate(parts, axis=1))


def _tests(observed: Floats, drawn: Floats) -> Permuted:
    """Return the tests of observed figures (M,) against drawn ones (M, B)."""
    alone = _ps(observed, drawn)
    down = np.argsort(-observed, kind="stable")
    # The best of those that are no better than the method at hand, in each draw.
    best = np.maximum.accumulate(drawn[down[::-1]], axis=0)[::-1]
    adjusted = np.empty_like(alone)
    adjusted[down] = np.maximum.accumulate(_ps(observed[down], best))
    points = np.quantile(drawn, _POINT, axis=1, method="higher")
    return Permuted(
        tuple(Blind(*map(float, row)) for row in zip(alone, adjusted, points, strict=True)),
        float(adjusted[down[0]]),
        float(np.quantile(best[0], _POINT, method="higher")),
        drawn.shape[1],
    )


def _ps(observed: Floats, drawn: Floats) -> Floats:
    reached = (drawn >= observed[:, None] - _ROUNDING).sum(1)
    ps: Floats = (1 + reached) / (1 + drawn.shape[1])
    return ps


def _figures(dealt: Ints, answers: Ints, classes: int, chance: bool) -> Floats:
    """Return, (M, B), accuracy or kappa of answers (M, N) under each of B truths (B, N)."""
    images = answers.shape[1]
    right, by_chance = np.zeros((2, len(answers), len(dealt)))
    for one in range(classes):
        is_given, is_true = (answers == one).astype(float), (dealt == one).astype(float)
        right += is_given @ is_true.T
        by_chance += np.outer(is_given.sum(1), is_true.sum(1)) / images
    accuracy: Floats = right / images
    kappa: Floats = (right - by_chance) / (images - by_chance)
    return kappa if chance else accuracy


@dataclass(frozen=True)
class Deal:
    """What is dealt anew: the class of a patient, or of an image of a patient with several."""

    kinds: Ints  # (U,) class of each unit
    strata: Ints  # (U,) ascending; units of a stratum are exchangeable
    places: Ints  # (N,) the unit of each image

    @classmethod
    def of(cls, truth: Ints, codes: Ints) -> Self:
        """Return what can be dealt of a truth (N,) whose groups, (N,) codes, are in order."""
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        mixed = np.minimum.reduceat(truth, starts) < np.maximum.reduceat(truth, starts)
        sizes = np.bincount(codes)
        like = np.frexp(sizes)[1].astype(np.int64)  # the power of two
        _, first, unit = np.unique(
            np.where(mixed[codes], codes.size + np.arange(codes.size), codes),
            return_index=True,
            return_inverse=True,
        )
        # Patients with several classes are strata of their own, after the last power of two.
        strata = np.where(mixed[codes], like.max() + 1 + codes, like[codes])[first]
        order = np.argsort(strata, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        return cls(truth[first][order], strata[order], place[unit])

    def fixed(self) -> bool:
        """Return whether every deal gives the same truth."""
        return bool(
            np.unique(self.strata * (1 + self.kinds.max()) + self.kinds).size
            == np.unique(self.strata).size
        )

    def draws(self, draws: int, seed: int) -> Iterator[Ints]:
        """Yield (B, N) truths, ``draws`` rows in all; the same ones however many come at once."""
        rng = np.random.default_rng(seed)
        at_once = max(1, _CELLS // self.places.size)
        for start in range(0, draws, at_once):
            keys = rng.random((min(at_once, draws - start), self.kinds.size))
            yield self.kinds[np.argsort(keys + self.strata, axis=1)][:, self.places]
