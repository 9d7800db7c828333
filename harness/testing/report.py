"""What came of the checks of one method."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What came of one check."""

    PASSED = "passed"
    FAILED = "failed"
    EXEMPT = "exempt"  # the check does not apply to this method; the reason says why
    NOT_REACHED = "not reached"  # the method does not even answer the plain case


@dataclass(frozen=True)
class Result:
    """One check of one method."""

    check: str
    outcome: Outcome
    reason: str  # empty where it passed
    seconds: float


@dataclass(frozen=True)
class Report:
    """All checks of one method that were asked for."""

    method: str
    parameters: dict[str, Any]  # in force
    results: tuple[Result, ...]
    fit_seconds: float | None  # of the plain case; None: it was not answered
    score_seconds: float | None
    peak_bytes: int | None  # largest resident memory of a worker, that of torch included

    @property
    def passed(self) -> bool:
        """Whether every check passed or does not apply."""
        return all(r.outcome in (Outcome.PASSED, Outcome.EXEMPT) for r in self.results)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        """Say what failed, a line per check."""
        lines = [f"{self.method}: {'passed' if self.passed else 'does not behave'}"]
        unreached = [r for r in self.results if r.outcome is Outcome.NOT_REACHED]
        failed = [r for r in self.results if r.outcome is Outcome.FAILED]
        lines += [f"  {result.check}: {result.reason}" for result in failed]
        if unreached:
            why = "" if failed else f", for {unreached[0].reason}"
            lines.append(f"  not reached: {', '.join(r.check for r in unreached)}{why}")
        return "\n".join(lines)
