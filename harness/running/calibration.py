"""Calibrations: what methods detect of copies of a known share of the members.

They lie beside the records of a data set, one file a method and budget, and hold neither truth nor
answers. How they are made is in :mod:`harness.running.calibrating`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import BenchError
from harness.files import read_json, write_text
from harness.forge.copies import Fidelity
from harness.method import Budget
from harness.scoring.detection import Limit, Share, Trial, detected, detection_limit

CLOSE = "close"
FIDELITIES = {  # as of phantom-planted, and what hardly shows the noise of the original
    CLOSE: Fidelity(blur=0.6, noise=6.0, gain=0.05),
    "coarse": Fidelity(blur=1.5, noise=15.0, gain=0.1),
}
SCREENED = 3  # draws, and as many blanks, of a first look at the largest share
FORM = 1  # raised when a trial would come out otherwise


@dataclass(frozen=True)
class Design:
    """How much is tried.

    Raises:
        BenchError: a value is out of range.
    """

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.45, 0.7)
    draws: int = 6  # redrawn data sets with copies
    blanks: int = 20  # redrawn data sets without

    def __post_init__(self) -> None:
        for share in self.shares:
            if not 0 < share <= 1:
                raise BenchError(f"--share {share}: must lie above 0, and be 1 at most")
        for option, value, least in (("--draws", self.draws, 2), ("--blanks", self.blanks, 2)):
            if value < least:
                raise BenchError(f"{option} {value}: must be at least {least}")

    def trials(self) -> Iterator[tuple[str | None, float, int]]:
        """Yield fidelity, share and draw of every trial; what is not planted has no fidelity."""
        for draw in range(max(self.draws, self.blanks)):
            if draw < self.blanks:
                yield None, 0.0, draw
            if draw < self.draws:
                for fidelity in FIDELITIES:
                    for share in sorted(set(self.shares)):
                        yield fidelity, share, draw

    def screen(self) -> Design:
        """Return the part of it that looks at the largest share alone, in the first draws."""
        draws, blanks = min(self.draws, SCREENED), min(self.blanks, SCREENED)
        return Design((max(self.shares),), draws, blanks)


class Tried(BaseModel):
    """What came of one trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fidelity: str | None  # None: nothing was planted
    share: float
    draw: int
    z: float

    @property
    def detects(self) -> bool:
        """Whether copies were planted and the method is above chance."""
        return self.fidelity is not None and Trial(self.share, self.draw, self.z).detects


class Calibration(BaseModel):
    """What a method detects on redrawn versions of a data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str  # digest of method, parameters, data and how trials are made
    method: str
    source_digest: str
    parameters: dict[str, Any]
    budget: Budget
    fingerprint: str  # of the data that were dealt anew
    tried: tuple[Tried, ...] = ()
    limits: dict[str, Limit] = {}  # by fidelity; empty until all trials are made
    false_alarms: Share | None = None

    def trials(self, fidelity: str | None) -> list[Trial]:
        """Return the trials at a fidelity, or those where nothing was planted."""
        return [Trial(t.share, t.draw, t.z) for t in self.tried if t.fidelity == fidelity]

    def as_json(self) -> dict[str, Any]:
        """Return what it says, in the form that programs read."""
        kept = {"limits", "false_alarms"}
        return self.model_dump(mode="json", include=kept)

    def concluded(self) -> Calibration:
        """Return the calibration with what its trials say."""
        blank = self.trials(None)
        limits = {name: detection_limit([*blank, *self.trials(name)]) for name in FIDELITIES}
        return self.model_copy(update={"limits": limits, "false_alarms": detected(blank)})


def calibration_file(folder: Path, budget: str, method: str) -> Path:
    """Return where the calibration of a method lies."""
    return folder / f"calibration-{budget}-{method}.json"


def read_calibrations(folder: Path, budget: str) -> dict[str, Calibration]:
    """Return the finished calibrations on a data set, by the name of the method."""
    found = (read_calibration(path) for path in sorted(folder.glob(f"calibration-{budget}-*.json")))
    return {held.method: held for held in found if held is not None and held.limits}


def bring_calibrations(folder: Path, target: Path) -> None:
    """Publish the finished calibrations in ``folder``, which name no image."""
    for path in sorted(folder.glob("calibration-*.json")):
        held = read_calibration(path)
        if held is not None and held.limits:
            write_text(target / path.name, path.read_text())


def read_calibration(path: Path) -> Calibration | None:
    """Return a calibration; one that is absent, damaged or of another form is ``None``."""
    try:
        return Calibration.model_validate(read_json(path))
    except ValidationError:
        return None
