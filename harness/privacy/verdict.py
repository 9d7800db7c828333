"""The verdict in plain words: detected, not detected, cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.privacy.finding import FALSE_ALARMS, Finding, others_needed
from harness.privacy.limit import OFTEN, Point


class Kind(StrEnum):
    """What an audit can say."""

    DETECTED = "detected"
    NOT_DETECTED = "not detected"
    CANNOT_TELL = "cannot tell"
    SCORES_ONLY = "scores only"


@dataclass(frozen=True)
class Verdict:
    """One word, and the sentences that go with it."""

    kind: Kind
    sentence: str  # what was found
    limit: str  # what would have been found, or what is missing


def give_verdict(finding: Finding | None, points: Sequence[Point]) -> Verdict:
    """Say what a finding means, with the limit of detection in this very pool.

    Args:
        finding: on the patients asked about; ``None`` without patients who were not used.
        points: what the same audit would have found of planted copies.
    """
    if finding is None:
        missing = "give --reference, images of patients who were certainly not used"
        said = "Without a reference there is no error rate: a high score may be chance."
        return Verdict(Kind.SCORES_ONLY, said, f"To get one, {missing}.")
    if finding.detected:
        return Verdict(Kind.DETECTED, _what(finding), _alarms())
    limit = _limit(points, len(finding.patients))
    if limit is None:
        said = f"Nothing stands out, but {_why(finding, points)}."
        return Verdict(Kind.CANNOT_TELL, said, f"{_needed(finding)}.")
    return Verdict(Kind.NOT_DETECTED, _nothing(finding), limit)


def _what(finding: Finding) -> str:
    n, told = len(finding.patients), finding.told
    if n == 1:
        return "The patient can be told to have been in the training set."
    if told:
        return f"{told} of {n} patients can be told to have been in the training set."
    return (
        f"The {n} patients as a group are closer to the generated images than the "
        f"{finding.others} who were not used (p = {p_text(finding.together)}); none of them can "
        "be told singly."
    )


def _alarms() -> str:
    return (
        f"For patients like those of the reference, an audit says this wrongly at most "
        f"{100 * FALSE_ALARMS:.0f} % of the time."
    )


def _nothing(finding: Finding) -> str:
    n = len(finding.patients)
    if n == 1:
        return "The patient is no closer to the generated images than patients who were not used."
    said = f"The {n} patients as a group are no closer to the generated images than others"
    if finding.smallest_p <= finding.level:
        return f"{said}, and none of them stands out."
    return f"{said}. {_few(finding)} {_needed(finding)}."


def _few(finding: Finding) -> str:
    return f"Single patients cannot be told by comparison with {finding.others}."


def _limit(points: Sequence[Point], asked: int) -> str | None:
    """Return what would have been found of the faintest copies that anything is found of."""
    found = [point for point in points if point.fewest is not None and not point.dose.warp]
    if not found:
        return None
    faintest = min(found, key=lambda point: point.likeness)
    who = "the patient" if asked == 1 else f"{faintest.fewest} of the {asked} patients"
    return (
        f"Had {who} been copied into this pool once each, as {faintest.dose.name} (correlation "
        f"{faintest.likeness:.2f} with the original), the audit would have said so at least "
        f"{100 * OFTEN:.0f} % of the time. Less than that it may miss."
    )


def _why(finding: Finding, points: Sequence[Point]) -> str:
    if not points:
        return "the pool is too small to measure what would have been found"
    if finding.smallest_p > finding.level:
        return (
            f"{finding.others} patients to compare with are too few: no p value can be smaller "
            f"than 1/{finding.others + 1}"
        )
    return "copies planted into this very pool are not found either"


def _needed(finding: Finding) -> str:
    n = len(finding.patients)
    whom = "the patient" if n == 1 else f"one patient among {n}"
    return f"To tell {whom} takes at least {others_needed(n):,} patients to compare with"


def p_text(p: float) -> str:
    """Return a p value as text."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
