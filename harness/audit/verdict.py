"""What an audit found, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.scoring.correction import holm
from harness.scoring.metrics import Metric

ALPHA = 0.01  # of all tests of an audit together
LIMIT = 0.60  # of the upper end of a blind AUC's interval, for a data set to be sound


class Level(StrEnum):
    """How much a finding weighs."""

    FLAW = "flaw"
    WARNING = "warning"  # to be known, but no flaw
    FINE = "fine"
    SKIPPED = "skipped"


class Kind(StrEnum):
    """What an audit says of a data set."""

    FLAWED = "flawed"
    SOUND = "sound"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """What one check gave."""

    check: str
    level: Level
    result: str  # in figures; names no image, so that a board may show it
    meaning: str
    examples: tuple[str, ...] = ()  # images by name; stay on this machine
    figure: Metric | None = None  # an AUC, where the check is a test
    p: float | None = None  # of the test, corrected for the number of tests (Holm)


@dataclass(frozen=True)
class Test:
    """A test that has been made, but not yet corrected for the others."""

    check: str
    figure: Metric  # an AUC
    p: float
    flaw: str  # what it means when the test finds something
    gate: bool = False  # whether a sound data set needs its interval to end below LIMIT


@dataclass(frozen=True)
class Verdict:
    """What an audit says, and why."""

    kind: Kind
    why: str  # goes on after the kind: "flawed: ..."
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """The verdict in one plain sentence that names no image."""
        return f"{self.kind}: {self.why}"


def judge(findings: Sequence[Finding], tests: Sequence[Test]) -> Verdict:
    """Return the verdict on findings and tests; the tests are corrected together."""
    adjusted = holm([test.p for test in tests])
    tested = [_finding(test, p) for test, p in zip(tests, adjusted, strict=True)]
    everything = tuple(sorted((*findings, *tested), key=lambda f: list(Level).index(f.level)))
    flaws = [finding for finding in everything if finding.level is Level.FLAW]
    if flaws:
        return Verdict(Kind.FLAWED, "; ".join(f"{f.check}: {f.result}" for f in flaws), everything)
    gates = [test.figure for test in tests if test.gate]
    kind, why = _width(gates)
    return Verdict(kind, why, everything)


def auc_text(figure: Metric) -> str:
    """Return an AUC with its interval."""
    if figure.value is None:
        return "AUC n/a"
    if figure.low is None or figure.high is None:
        return f"AUC {figure.value:.2f} [?]"
    return f"AUC {figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _width(gates: Iterable[Metric]) -> tuple[Kind, str]:
    """Return what the blind gates allow to be said where no flaw was found."""
    gates = list(gates)
    if not gates:
        return Kind.CANNOT_TELL, "no flaw was found, but no blind classifier could be tried"
    unsure = [gate for gate in gates if gate.high is None]
    if unsure:
        why = unsure[0].note or "there is no interval"
        return Kind.CANNOT_TELL, f"no flaw was found, but the blind classifier says little: {why}"
    widest = max(gates, key=lambda gate: gate.high or 0.0)
    seen = f"{auc_text(widest)}, {widest.groups} patients"
    if (widest.high or 1.0) < LIMIT:
        return Kind.SOUND, f"no flaw was found, and a blind classifier stays at chance ({seen})"
    return Kind.CANNOT_TELL, (
        f"no flaw was found, but a blind classifier may reach AUC {widest.high:.2f} ({seen}); "
        f"sound needs less than {LIMIT:.2f}, which takes more patients"
    )


def _finding(test: Test, p: float) -> Finding:
    level = Level.FLAW if p < ALPHA else Level.FINE
    small = f"p < {ALPHA / 10:.3f}" if p < ALPHA / 10 else f"p = {p:.3f}"
    result = f"{auc_text(test.figure)}, {small} after Holm"
    meaning = test.flaw if level is Level.FLAW else "nothing that chance would not give"
    return Finding(test.check, level, result, meaning, (), test.figure, p)


def as_json(verdict: Verdict, *, examples: bool) -> dict[str, Any]:
    """Return a verdict for programs.

    Args:
        verdict: what was found.
        examples: whether to name images.
    """
    return {
        "verdict": verdict.kind.value,
        "sentence": verdict.sentence,
        "findings": [
            {
                "check": finding.check,
                "level": finding.level.value,
                "result": finding.result,
                "meaning": finding.meaning,
                "auc": finding.figure and vars(finding.figure),
                "p": finding.p,
                **({"examples": list(finding.examples)} if examples else {}),
            }
            for finding in verdict.findings
        ],
    }
