"""Where the harness keeps things, and how a file is written whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import platformdirs

PROJECT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """Return the folder for packs, features and cards: ``BENCH_CACHE`` or the user's cache."""
    chosen = os.environ.get("BENCH_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("fingerprint-bench"))


def data_dir() -> Path:
    """Return the folder for public images: ``BENCH_DATA`` or the user's data."""
    chosen = os.environ.get("BENCH_DATA")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("fingerprint-bench"))


def results_dir() -> Path:
    """Return the folder of the working records: ``BENCH_RESULTS`` or ``results``."""
    return Path(os.environ.get("BENCH_RESULTS") or "results")


def shipped(*parts: str) -> Path:
    """Return a file that travels with the project, in a wheel or in a checkout alike."""
    inside = Path(__file__).resolve().parent.joinpath("shipped", *parts)
    return inside if inside.exists() else PROJECT.joinpath(*parts)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error of the block name a file; the system does not say where a disk was full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of ``path`` that takes its name only when the block succeeds.

    The data reach the disk before the name does, so a power cut leaves the old file or the new.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".tmp"
    )
    try:
        with naming(path), os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic(path) as stream:
        stream.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any | None:
    """Return the content of a JSON file, or ``None`` when it is absent or not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form as hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
