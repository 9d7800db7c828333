"""Where an audit came from: what it takes to do it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from harness import __version__
from harness.privacy.asking import Questioner
from harness.running.engine import Settings


@dataclass(frozen=True)
class Provenance:
    """What an audit was done with.

    Attributes:
        command: as it was typed.
        finished: date and time, UTC.
        seed: of everything random.
        parameters: of the method.
        weights: of the backbones that it used, by name: SHA-256 and precision.
        versions: of what computed.
        device: with the threads on a CPU.
    """

    command: str
    finished: str
    seed: int
    parameters: Mapping[str, Any]
    weights: Mapping[str, str]
    versions: Mapping[str, str]
    device: str


def describe_run(command: str, questioner: Questioner, settings: Settings) -> Provenance:
    """Write down what an audit that has just ended was done with."""
    versions = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "torch")}
    return Provenance(
        command=command,
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seed=questioner.seed,
        parameters=questioner.parameters,
        weights={
            name: f"{used.weights.sha256}, {used.precision}"
            for name, used in sorted(questioner.weights.items())
        },
        versions={"fingerprint-bench": __version__, "python": platform.python_version()} | versions,
        device=f"{settings.device}, {settings.threads} threads, {platform.machine()}",
    )
