"""Looks: how often the answers of a method to a test split were scored.

Who may look often finds something by luck, so every look is counted: another seed, other
parameters, another version of the source or another machine's weights. The same cell run again
gives the same answers and is no new look. The count outlives the records, which a later run of a
cell overwrites; it lies beside them, one line a look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from harness.datasets.cases import Protocol
from harness.files import json_digest, write_text
from harness.running.records import Record

LOOKS = "looks.txt"

Look = tuple[str, str, str]  # fingerprint of the data, method, digest of the cell


def count_look(folder: Path, record: Record) -> None:
    """Note beside the records of a data set that a record of it was scored.

    Training reals are asked in cross-validation; that is no look at the test split.
    """
    look = _look(record)
    if look is not None and look not in _noted(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOOKS).open("a", encoding="utf-8") as stream:
            stream.write(" ".join(look) + "\n")


def count_looks(folder: Path, records: Iterable[Record]) -> dict[tuple[str, str], int]:
    """Return how many looks there were, by fingerprint of the data and name of the method.

    Args:
        folder: where the records of a data set lie.
        records: of that data set; each of them is a look, also if it was never noted.
    """
    every = _noted(folder) | {look for record in records if (look := _look(record))}
    return Counter((fingerprint, method) for fingerprint, method, _ in every)


def bring_looks(folder: Path, target: Path) -> None:
    """Publish the looks noted in ``folder``, beside those that are published already."""
    both = _noted(folder) | _noted(target)
    if both:
        write_text(target / LOOKS, "".join(" ".join(look) + "\n" for look in sorted(both)))


def _look(record: Record) -> Look | None:
    if record.protocol != Protocol.OFFICIAL or not record.metrics:
        return None
    weights = [used.sha256 for used in record.weights]
    return record.dataset.fingerprint, record.method.name, json_digest([record.key, weights])[:16]


def _noted(folder: Path) -> set[Look]:
    path = folder / LOOKS
    lines = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    )
    looks = (line.split(" ") for line in lines)
    return {(look[0], look[1], look[2]) for look in looks if len(look) == 3}
