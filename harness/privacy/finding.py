"""What can be said of a group of patients: p values, who is told, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.privacy.patients import Patient, patient_p, set_p

FALSE_ALARMS = 0.05  # the chance that an audit of patients who were not used says "detected"


@dataclass(frozen=True, eq=False)
class Judged:
    """A patient with what is known of chance."""

    patient: Patient
    p: float  # of this patient alone
    adjusted: float  # by Benjamini and Hochberg, for all patients of the group
    told: bool  # whether the patient can be told to have been used


@dataclass(frozen=True, eq=False)
class Finding:
    """What the scores of a group of patients show.

    Attributes:
        patients: the surest first.
        others: how many patients who were not used they are compared with.
        together: p value of the group as a whole.
        level: what a p value must not exceed; half of the false alarms where two tests are made.
    """

    patients: tuple[Judged, ...]
    others: int
    together: float
    level: float

    @property
    def told(self) -> int:
        """How many patients can be told."""
        return sum(judged.told for judged in self.patients)

    @property
    def detected(self) -> bool:
        """Whether anything is."""
        return self.told > 0 or (len(self.patients) > 1 and self.together <= self.level)

    @property
    def smallest_p(self) -> float:
        """The smallest p value that a patient can have."""
        return 1 / (self.others + 1)


def level_of(patients: int) -> float:
    """Return the level of a test; of one patient the group's test says the same, so it is one."""
    return FALSE_ALARMS if patients == 1 else FALSE_ALARMS / 2


def others_needed(patients: int) -> int:
    """Return how many patients who were not used it takes to tell one among so many."""
    return math.ceil(patients / level_of(patients)) - 1


def judge(asked: Sequence[Patient], others: Sequence[Patient], rng: np.random.Generator) -> Finding:
    """Compare patients with others who were not used and chose nothing.

    Conformal p values that share their reference keep the promise of Benjamini and Hochberg (Bates
    et al., Testing for outliers with conformal p-values, 2023).

    Args:
        asked: at least one patient.
        others: at least one patient who was not used.
        rng: of the permutations of the test of the whole group.
    """
    from scipy.stats import false_discovery_control

    null = [patient.scores for patient in others]
    ps = np.array([patient_p(patient.scores, null) for patient in asked])
    adjusted, level = false_discovery_control(ps), level_of(len(asked))
    judged = [
        Judged(patient, float(p), float(q), bool(q <= level))
        for patient, p, q in zip(asked, ps, adjusted, strict=True)
    ]
    judged.sort(key=lambda one: (one.p, -one.patient.best, one.patient.name))
    scores = [patient.scores for patient in asked]
    return Finding(tuple(judged), len(others), set_p(scores, null, rng), level)
