"""An audit as JSON values, for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.privacy.audit import Audit, Judgement
from harness.privacy.finding import Finding
from harness.privacy.provenance import Provenance
from harness.privacy.wording import notes


def as_json(audit: Audit, run: Provenance) -> dict[str, Any]:
    """Return all that an audit found; ``judgements`` has the verdict on each folder."""
    release = audit.release
    return {
        "schema": 1,
        "judgements": [_judgement(judgement) for judgement in audit.judgements],
        "release": None if release is None else asdict(release),
        "method": {"name": audit.card.name, "source_digest": audit.card.source_digest},
        "learnt": audit.learnt,
        "taught": audit.taught,
        "folders": [
            {
                "role": folder.role.value,
                "path": str(folder.path),
                "images": len(folder.images),
                "patients": folder.patients if folder.images.groups else None,
                "digest": folder.images.digest,
            }
            for folder in audit.folders.values()
        ],
        "identical": [{"role": role.value, "image": name} for role, name in audit.identical],
        "notes": list(notes(audit)),
        "provenance": asdict(run),
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    verdict, finding = judgement.verdict, judgement.finding
    known = {one.patient.name: one for one in finding.patients} if finding else {}
    return {
        "role": judgement.role.value,
        "verdict": verdict.kind.value,
        "sentence": verdict.sentence,
        "limit": verdict.limit,
        "finding": None if finding is None else _finding(finding),
        "limits": [
            {
                "copies": asdict(point.dose),
                "likeness": point.likeness,
                "planted": point.planted,
                "singly": point.singly,
                "fewest": point.fewest,
            }
            for point in judgement.points
        ],
        "patients": [
            {
                "patient": patient.name,
                "images": dict(zip(patient.images, patient.scores.tolist(), strict=True)),
                "p": known[patient.name].p if known else None,
                "adjusted": known[patient.name].adjusted if known else None,
                "told": known[patient.name].told if known else None,
            }
            for patient in judgement.scored
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "told": finding.told,
        "patients": len(finding.patients),
        "others": finding.others,
        "together": finding.together,
        "level": finding.level,
        "smallest_p": finding.smallest_p,
    }
