"""The verdict of an audit as a file beside the records of its data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.files import read_json, write_json

FILE = "audit.json"


def write_audit(folder: Path, fingerprint: str | None, verdict: dict[str, Any]) -> None:
    """Write a verdict into the results of a data set.

    Args:
        folder: the results of the data set.
        fingerprint: of the data that were audited; ``None`` where they cannot be read.
        verdict: from :func:`harness.audit.verdict.as_json`, without examples.
    """
    write_json(folder / FILE, {"fingerprint": fingerprint, **verdict})


def read_sentence(folder: Path, fingerprint: str) -> str | None:
    """Return the verdict on the data of ``fingerprint``, or ``None`` if they were not audited."""
    content = read_audit(folder, fingerprint)
    sentence = None if content is None else content.get("sentence")
    return sentence if isinstance(sentence, str) else None


def read_audit(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return all that was written of the data of ``fingerprint``, as :func:`read_sentence` does."""
    content = read_json(folder / FILE)
    if not isinstance(content, dict) or content.get("fingerprint") != fingerprint:
        return None
    return content


def bring_audit(folder: Path, target: Path) -> None:
    """Publish the verdict in ``folder``, which names no image, if there is one."""
    content = read_json(folder / FILE)
    if content is not None:
        write_json(target / FILE, content)
