"""The limit of detection, and the bound on members identified."""

import numpy as np
import pytest

from harness.privacy.finding import Finding, Judged
from harness.privacy.folders import Role
from harness.privacy.limit import CLOSE, DOSES, find_copies, plant
from harness.privacy.patients import Patient
from harness.privacy.release import count_identified

ASKED = 20


def patients(scores):
    return [
        Patient(Role.REFERENCE, f"p{n}", (f"i{n}",), np.array([s])) for n, s in enumerate(scores)
    ]


def planted(others, shift):
    """Return what is found of copies that move the score of their originals by ``shift``."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (1, 16, 16), np.uint8) for _ in others]
    pool = rng.integers(0, 256, (400, 16, 16), np.uint8)
    made = plant(pool, others, images, CLOSE, rng)
    scores = [patient.scores + shift for patient in made.patients]
    return find_copies(made, scores, others, ASKED, rng)


def test_copies_take_the_place_of_a_tenth_of_the_pool_at_most():
    rng = np.random.default_rng(1)
    pool = rng.integers(0, 256, (50, 16, 16), np.uint8)
    others = patients(range(8))
    images = [rng.integers(0, 256, (2, 16, 16), np.uint8) for _ in others]
    exact = plant(pool, others, images, DOSES[0], np.random.default_rng(2))
    changed = np.flatnonzero((exact.pool != pool).any(axis=(1, 2)))
    assert len(changed) == len(exact.patients) == 5
    assert exact.likeness == pytest.approx(1)
    for patient in exact.patients:
        own = images[others.index(patient)]
        assert any((image == exact.pool).all(axis=(1, 2)).any() for image in own)
    close = plant(pool, others, images, CLOSE, np.random.default_rng(2))
    assert close.patients == exact.patients
    assert close.likeness < 1


def test_copies_that_stand_out_are_found_and_those_that_do_not_are_not():
    others = patients(np.random.default_rng(3).normal(size=39))
    clear, faint, none = (planted(others, shift) for shift in (9.0, 1.0, 0.0))
    assert clear.singly == 1
    assert clear.fewest < faint.fewest <= ASKED
    assert none.fewest is None
    assert none.singly <= 0.1


def test_too_few_patients_to_compare_with_find_no_single_one():
    point = planted(patients(np.random.default_rng(4).normal(size=12)), 9.0)
    assert point.singly is None
    assert point.fewest > 1


@pytest.mark.parametrize(
    ("others", "ps", "rate", "identified", "upper"),
    [
        (99, [0.01] * 3 + [0.02] * 27, 0.01, 3, 0.2386),
        (199, [0.5] * 30, 0.01, 0, 1 - 0.05 ** (1 / 30)),
        (19, [0.05, 0.10], 0.05, 1, 0.9747),
    ],
)
def test_members_identified_at_one_in_a_hundred(others, ps, rate, identified, upper):
    judged = tuple(
        Judged(one, p, 1.0, told=False) for one, p in zip(patients(range(len(ps))), ps, strict=True)
    )
    found = count_identified(Finding(judged, others, 0.5, 0.025))
    assert (found.rate, found.identified) == (rate, identified)
    assert found.upper == pytest.approx(upper, abs=1e-4)
