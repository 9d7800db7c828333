"""Properties of files and images that may give the label away: each is tested by itself.

Size, dimensions, pixel format, coding and metadata are compared between used and not used in the
train part and, where the truth is known, among the questions. Names and times of modification are
tested among the questions only: in the train part the folders tell the classes openly, and files
are written folder by folder. Brightness is a property of the image, tested over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness.audit.cohort import Cohort
from harness.audit.files import FileFacts, Files
from harness.audit.permutations import DRAWS, aucs, permutation_p
from harness.audit.verdict import Finding, Level, Test
from harness.scoring.metrics import auc_metric

Floats = NDArray[np.float64]

AMOUNTS: dict[str, Callable[[FileFacts], float]] = {
    "file size": lambda facts: facts.bytes,
    "time of modification": lambda facts: facts.modified,
}
KINDS: dict[str, Callable[[FileFacts], str]] = {
    "dimensions": lambda facts: facts.dimensions,
    "pixel format": lambda facts: facts.pixels,
    "compression": lambda facts: facts.coding,
    "metadata fields": lambda facts: facts.metadata,
}
QUESTIONS_ONLY = ("time of modification",)


def property_tests(
    files: Files | None, cohort: Cohort, brightness: Floats, draws: int = DRAWS
) -> list[Test]:
    """Return a test of every property that is not the same for all.

    Args:
        files: what the files say; ``None`` leaves all but brightness out.
        cohort: N labelled reals.
        brightness: (N,) mean grey of each.
        draws: permutations of each test.
    """
    tests = [_amount("brightness", brightness, cohort, draws)]
    for part in ("train", "test"):
        asked = cohort.part(part)
        if files is None or len(np.unique(asked.labels)) < 2:
            continue
        facts = [files.facts[s][i] for s, i in zip(asked.sets, asked.ids, strict=True)]
        for name, amount in _amounts(facts, asked, part):
            tests.append(_amount(f"{name} ({part})", amount, asked, draws))
        for name, kinds in _kinds(facts, asked, part):
            tests.append(_kind(f"{name} ({part})", kinds, asked, draws))
    return tests


def untested(tests: list[Test], cohort: Cohort) -> Finding:
    """Return what became of the properties that need no test."""
    names = [*AMOUNTS, *KINDS]
    tested = {test.check.partition(" (")[0] for test in tests}
    same = ", ".join(name for name in names if name not in tested) or "none"
    truth = "" if (cohort.parts == "test").any() else "; the questions have no truth to test by"
    return Finding(
        "file properties", Level.FINE, f"the same for all: {same}{truth}", "tell nothing"
    )


def _amounts(facts: list[FileFacts], asked: Cohort, part: str) -> Iterator[tuple[str, Floats]]:
    for name, read in AMOUNTS.items():
        if part == "test" or name not in QUESTIONS_ONLY:
            values = np.array([read(f) for f in facts], np.float64)
            if len(np.unique(values)) > 1:
                yield name, values
    if part == "test":
        yield "order of names", _order(asked.ids.tolist())


def _kinds(
    facts: list[FileFacts], asked: Cohort, part: str
) -> Iterator[tuple[str, NDArray[np.str_]]]:
    columns = {name: np.array([read(f) for f in facts], np.str_) for name, read in KINDS.items()}
    if part == "test":
        patterns = [re.sub(r"[0-9]+", "0", name) for name in asked.ids.tolist()]
        columns["pattern of names"] = np.array(patterns, np.str_)
    yield from ((name, kinds) for name, kinds in columns.items() if len(np.unique(kinds)) > 1)


def _order(names: list[str]) -> Floats:
    """Return the place of each name when they are sorted as a person would, numbers by value."""
    keys = [[int(p) if n % 2 else p for n, p in enumerate(re.split(r"([0-9]+)", s))] for s in names]
    places = np.empty(len(names))
    places[sorted(range(len(names)), key=keys.__getitem__)] = np.arange(len(names))
    return places


def _amount(check: str, values: Floats, asked: Cohort, draws: int) -> Test:
    """Test whether used images have more, or less, of something."""
    from scipy.stats import rankdata

    ranks = rankdata(values)[:, None]

    def statistic(labels: Floats) -> Floats:
        return np.abs(aucs(ranks, labels) - 0.5)

    figure = auc_metric(asked.labels, values, asked.groups)
    return Test(check, figure, _p(statistic, asked, draws), _meaning(check, asked))


def _kind(check: str, kinds: NDArray[np.str_], asked: Cohort, draws: int) -> Test:
    """Test whether used images are of other kinds, by the share of used images in each kind."""
    _, codes = np.unique(kinds, return_inverse=True)
    member = np.eye(codes.max() + 1)[codes]  # (N, K)

    def shares(labels: Floats) -> Floats:
        found: Floats = (member.T @ labels) / member.sum(0)[:, None]
        return found

    def statistic(labels: Floats) -> Floats:
        from scipy.stats import rankdata

        return aucs(rankdata(shares(labels)[codes], axis=0), labels)

    scores = shares(asked.labels[:, None].astype(np.float64))[codes, 0]
    figure = auc_metric(asked.labels, scores, asked.groups)
    return Test(check, figure, _p(statistic, asked, draws), _meaning(check, asked))


def _p(statistic: Callable[[Floats], Floats], asked: Cohort, draws: int) -> float:
    strata = (asked.parts == "test").astype(np.int64)
    return permutation_p(statistic, asked.labels, asked.groups, strata, draws)


def _meaning(check: str, asked: Cohort) -> str:
    doubt = "" if asked.grouped else "; without groups this may be a matter of few patients"
    return f"{check.partition(' (')[0]} gives the label away{doubt}"
