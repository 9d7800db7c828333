"""Which weights a backbone has: where they come from and the digest that goes into the record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.files import cache_dir, file_digest, json_digest, read_json, write_json


@dataclass(frozen=True)
class Weights:
    """The weights of one backbone, as a record names them."""

    backbone: str
    source: str  # "hub:REPOSITORY", "file:NAME", "package:NAME", "random:SEED" or "none"
    sha256: str  # of the file; of the rule for extractors without weights


@dataclass(frozen=True)
class Used:
    """A backbone as it was used."""

    weights: Weights
    precision: str  # "fp32" or "bf16"
    reason: str | None  # why ``auto`` chose it


def weights_of_file(backbone: str, source: str, path: Path) -> Weights:
    """Return the weights in ``path``; its digest is remembered until size or time change.

    Raises:
        OSError: the file cannot be read.
    """
    state = path.stat()
    identity = [str(path.resolve()), state.st_size, state.st_mtime_ns]
    memory = cache_dir() / "weights" / f"{json_digest(identity)[:32]}.json"
    known = read_json(memory)
    if isinstance(known, str):
        return Weights(backbone, source, known)
    digest = file_digest(path)
    write_json(memory, digest)
    return Weights(backbone, source, digest)
