"""Running the checks: one engine for all methods, one set of answers for all checks of a method."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from harness.cards import Card, read_cards, resolve
from harness.errors import BenchError, did_you_mean
from harness.files import cache_dir
from harness.machine import cores
from harness.method import Budget
from harness.running.claims import OwnFolder
from harness.running.engine import Settings, Told
from harness.running.limits import Limits
from harness.running.local import LocalEngine
from harness.testing.checks import CHECKS, CheckError
from harness.testing.report import Outcome, Report, Result
from harness.testing.trial import Trial

LIMITS = Limits(seconds=600.0)  # on the kit's small data; a method that takes longer hangs
Tell = Callable[[Result], None]


class Kit:
    """Feature service, workers and answers of the methods that are checked; a context manager.

    Args:
        weights: files of backbones' weights, by backbone.
        progress: told how far a worker or the feature service is.
        limits: of every fit and its answers.
    """

    def __init__(
        self,
        weights: Mapping[str, Path] | None = None,
        progress: Told | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        settings = Settings("cpu", "fp32", cores(), weights or {}, limits)
        self._engine = LocalEngine(settings)
        self._folder = OwnFolder(cache_dir() / "runs", f"{os.getpid()}-kit-")
        self._progress = progress or (lambda what, done, of: None)
        self._trials: dict[str, Trial] = {}

    def check(
        self,
        name: str,
        changes: Mapping[str, Any] | None = None,
        checks: Iterable[str] | None = None,
        tell: Tell | None = None,
    ) -> Report:
        """Check one method; see :func:`run_checks`."""
        chosen = chosen_checks(checks)
        trial = self._trial(read_cards().get(name), changes or {})
        results = []
        for check in chosen:
            results.append(_judge(check, trial))
            if tell:
                tell(results[-1])
        return Report(name, trial.parameters, tuple(results), **trial.costs())

    def close(self) -> None:
        """End all processes and remove what was written."""
        self._engine.close()
        self._folder.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trial(self, card: Card, changes: Mapping[str, Any]) -> Trial:
        key = json.dumps([card.name, card.source_digest, dict(changes)], sort_keys=True)
        if key not in self._trials:
            parameters = resolve(card, Budget.DEMO, changes)
            folder = Path(tempfile.mkdtemp(dir=self._folder.path))
            trial = Trial(
                self._engine,
                card,
                parameters=parameters,
                changed=changes,
                folder=folder,
                progress=self._progress,
            )
            trial.fetch_weights()
            self._trials[key] = trial
        return self._trials[key]


def run_checks(
    name: str,
    *,
    changes: Mapping[str, Any] | None = None,
    checks: Iterable[str] | None = None,
) -> Report:
    """Check how an installed method behaves on small data, at the demo budget, on the CPU.

    Several calls of one process share the answers of a method.

    Args:
        name: of the method, as in ``bench list methods``.
        changes: parameters that differ from those of the demo budget.
        checks: names out of ``CHECKS``; ``None`` for all of them.

    Raises:
        BenchError: there is no such method, parameter or check, or a backbone's weights cannot
            be had.
    """
    return _shared_kit(cache_dir()).check(name, changes, checks)


def check_method(
    name: str,
    *,
    changes: Mapping[str, Any] | None = None,
    checks: Iterable[str] | None = None,
) -> Report:
    """Check a method as :func:`run_checks` does; for tests.

    Raises:
        AssertionError: a check failed; the text says which, and why.
        BenchError: there is no such method, parameter or check, or a backbone's weights cannot
            be had.
    """
    report = run_checks(name, changes=changes, checks=checks)
    if not report.passed:
        raise AssertionError(str(report))
    return report


@cache
def _shared_kit(folder: Path) -> Kit:
    kit = Kit()
    atexit.register(kit.close)
    return kit


def chosen_checks(names: Iterable[str] | None) -> list[str]:
    """Return the names of checks, all of them for ``None``.

    Raises:
        BenchError: there is no check of that name.
    """
    chosen = list(CHECKS if names is None else names)
    for name in chosen:
        if name not in CHECKS:
            hint = did_you_mean(name, list(CHECKS))
            raise BenchError(f"no check is called {name!r}{hint}; there are: {', '.join(CHECKS)}")
    return chosen


def _judge(check: str, trial: Trial) -> Result:
    start = time.monotonic()
    outcome, reason = Outcome.PASSED, ""
    try:
        CHECKS[check](trial)
    except CheckError as error:
        outcome, reason = error.outcome, str(error)
    return Result(check, outcome, reason, round(time.monotonic() - start, 3))
