"""Sentences about an audit that terminal and report share."""

from __future__ import annotations

from collections.abc import Iterator

from harness.privacy.audit import Audit
from harness.privacy.folders import NOT_USED, Role
from harness.privacy.release import RATE, Release, holdout_needed


def release_text(release: Release) -> str:
    """Return how many members are identified, with the bound."""
    return (
        f"At {release.rate:.1%} false alarms {release.identified} of {release.members} members "
        f"are identified; with 95 % confidence fewer than {release.upper:.0%} are, of patients "
        f"like these."
    )


def notes(audit: Audit) -> Iterator[str]:
    """Yield what a reader has to know before the figures."""
    unknown = [
        f.role for f in audit.folders.values() if f.role is not Role.GENERATED if not f.known
    ]
    if unknown:
        where = ", ".join(unknown)
        yield (
            f"Patients are not known ({where}), so every image counts as a patient. Where one has "
            "several images, error rates are worse than stated; give --patients."
        )
    if audit.identical:
        role, name = audit.identical[0]
        yield (
            f"{len(audit.identical)} real images equal a generated one pixel by pixel, for example "
            f"{name} ({role})."
        )
        if any(role in NOT_USED for role, _ in audit.identical):
            yield "Some of them are said not to have been used: check the folders."
    if audit.release is not None and audit.release.rate > RATE:
        yield (
            f"A rate of {RATE:.0%} false alarms takes {holdout_needed()} held-out patients to "
            f"compare with; there are {len(audit.null)}, so the smallest rate is "
            f"{audit.release.rate:.1%}."
        )
