"""Sentences about an audit that terminal and report share."""

from __future__ import annotations

from collections.abc import Iterator

from harness.privacy.audit import Audit
from harness.privacy.folders import NOT_USED, Role
from harness.privacy.release import RATE, Release, holdout_needed


def release_text(release: Release) -> str:
    """Return how many members are identified, with the bound."""
    rate, upper = 100 * release.rate, 100 * release.upper
    return (
        f"At {rate:.1f} % false alarms {release.identified} of {release.members} members are "
        f"identified; with 95 % confidence no more than {upper:.0f} % are, of patients like these."
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
            f"A rate of {100 * RATE:.0f} % false alarms takes {holdout_needed()} held-out patients "
            f"to compare with; there are {len(audit.null)}, so the smallest rate is "
            f"{100 * audit.release.rate:.1f} %."
        )
