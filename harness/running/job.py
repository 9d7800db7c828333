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
    precision: str
    threads: int
    scratch: str
    checkpoints: str
    sets: dict[str, str]  # name, as in ``training.used`` → .npy of its pixels
    groups: dict[str, list[int]]  # by the same names, of the sets whose patients are told
    watched: bool  # whether the worker notes what it writes outside its own folders
