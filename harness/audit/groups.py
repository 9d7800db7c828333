"""Groups and classes: whether patients stay on one side, and how many there are."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from harness.audit.cohort import UNKNOWN, Cohort
from harness.audit.files import SHOWN
from harness.audit.verdict import Finding, Level
from harness.scoring.uncertainty import MIN_GROUPS

BALANCED = 0.5  # the smallest class as a share of the largest, below which it is said


def group_findings(cohort: Cohort) -> list[Finding]:
    """Return what is wrong with the patients of the real images."""
    if not cohort.grouped:
        meaning = (
            "every image counts as a patient: intervals are too narrow, and tests find too much"
        )
        return [Finding("groups", Level.WARNING, "no groups are given", meaning)]
    findings = []
    split = _spread(cohort, cohort.parts, np.ones(len(cohort), np.bool_))
    if split:
        result = f"{len(split)} groups are in train and test"
        meaning = "a method that knows a patient again has the answer"
        findings.append(Finding("groups", Level.FLAW, result, meaning, split[:SHOWN]))
    known = cohort.labels != UNKNOWN
    both = _spread(cohort, cohort.labels.astype(np.str_), known)
    if both:
        result = f"{len(both)} groups have images in more than one class"
        meaning = "the classes are not independent, and no split by patient can keep them apart"
        findings.append(Finding("groups", Level.FLAW, result, meaning, both[:SHOWN]))
    if not findings:
        count = len(np.unique(cohort.groups))
        meaning = "each is in one class and on one side of the split"
        findings.append(Finding("groups", Level.FINE, f"{count} groups", meaning))
    return findings


def balance_findings(cohort: Cohort, classes: tuple[str, ...]) -> list[Finding]:
    """Return the sizes of the classes, by part."""
    findings = []
    for part in dict.fromkeys(cohort.labelled().parts.tolist()):
        asked = cohort.labelled().part(part)
        counts = np.bincount(asked.labels, minlength=len(classes))
        patients = [asked.patients(label) for label in range(len(classes))]
        unit = "patients" if cohort.grouped else "images by themselves"
        result = ", ".join(
            f"{images} {name} of {people} {unit}"
            for images, name, people in zip(counts, classes, patients, strict=True)
        )
        level, meaning = Level.FINE, "enough of each for an interval"
        if counts.min() < BALANCED * counts.max():
            level, meaning = Level.WARNING, "the classes differ much in size"
        if min(patients) < MIN_GROUPS:
            level, meaning = Level.WARNING, f"fewer than {MIN_GROUPS} patients give no interval"
        findings.append(Finding(f"classes ({part})", level, result, meaning))
    return findings


def _spread(cohort: Cohort, sides: NDArray[np.str_], among: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the groups that are on more than one side."""
    on = defaultdict(set)
    for group, side in zip(cohort.groups[among].tolist(), sides[among].tolist(), strict=True):
        on[group].add(side)
    return tuple(sorted(group for group, found in on.items() if len(found) > 1))
