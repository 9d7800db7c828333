"""The job: all that a worker is told. It names pixels by path and nothing by its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """What a worker is told."""

    plugin: str
    method: str
    parameters: dict[str, Any]
    budget: str
    seed: int
    classes: int
    device: str
    threads: int
    scratch: str
    sets: dict[str, str]  # name, as in ``training.used`` → .npy of its pixels
    watched: bool  # whether the worker notes what it writes outside its scratch folder
