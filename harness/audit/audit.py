"""The audit of a data set: every check, and the verdict on them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.audit.blind import FOLDS, blind_gate, describe, make_folds, patient_lookup
from harness.audit.cohort import Cohort, make_cohort
from harness.audit.copying import Reals, Statistic, copying_statistics
from harness.audit.duplicates import (
    Pair,
    duplicate_findings,
    find_duplicates,
    find_matches,
    fine_structure,
    match_findings,
)
from harness.audit.files import Files, file_findings
from harness.audit.groups import balance_findings, group_findings
from harness.audit.properties import property_tests, untested
from harness.audit.verdict import Finding, Level, Test, Verdict, judge
from harness.datasets.dataset import Dataset
from harness.features.backbones import PIXELS_SIDE
from harness.features.client import FeatureClient
from harness.features.extractor import POOL
from harness.features.store import map_rows
from harness.method import Task

BACKBONE = "tf_efficientnet_lite0"
PIXELS = "pixels"
REALS = ("train/used", "train/not_used", "test/unknown")
POOLS = ("train/generated", "test/generated", "null")

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found, and the pairs to look at."""

    verdict: Verdict
    fingerprint: str | None  # of the data; None where they cannot be read
    pairs: tuple[Pair, ...] = ()
    copying: tuple[Statistic, ...] = ()  # of each pool as a whole; no part of the verdict


def audit_dataset(dataset: Dataset, files: Files | None, service: FeatureClient, say: Say) -> Audit:
    """Make every check that the data allow.

    Args:
        dataset: the opened data set.
        files: what its files say; ``None`` where a recipe makes it.
        service: gives features.
        say: told what is being done.

    Raises:
        BenchError: the weights of the backbone cannot be had.
    """
    membership = dataset.entry.task is Task.MEMBERSHIP
    families = {"real": REALS if membership else _sets_of(dataset, "real")}
    if not membership:
        families["generated"] = _sets_of(dataset, "generated")
    reals = make_cohort(dataset, families["real"])
    pool = make_cohort(dataset, POOLS if membership else families["generated"])
    say("looking for duplicates")
    pixels = _features(service, dataset, [*dataset.sets], PIXELS)
    fine = {name: fine_structure(_square(dataset, name, rows)) for name, rows in pixels.items()}
    findings = [*file_findings(files), *group_findings(reals)]
    findings += balance_findings(reals, dataset.classes)
    pairs: list[Pair] = []
    for what, names in families.items():
        cohort = make_cohort(dataset, names)
        found = find_duplicates(cohort, cohort.gather(fine))
        findings += duplicate_findings(found, what)
        pairs += [pair for pair in found if pair.counts]
    matches = find_matches(pool, pool.gather(fine), reals, reals.gather(fine))
    findings += match_findings(matches)
    tests: list[Test] = []
    copying: tuple[Statistic, ...] = ()
    known = reals.labelled()
    if membership:
        say("testing properties")
        brightness = describe(_pixels(dataset, known))[:, 0]
        tests = property_tests(files, known, brightness)
        findings += [untested(tests, known)] if files else []
        tests += _blind_tests(dataset, known, pixels, service, say)
        say("comparing pools")
        copying = _copying(known, pixels)
    findings += [] if any(test.gate for test in tests) else [_no_gate(membership)]
    pairs.sort(key=lambda pair: not pair.across)
    return Audit(judge(findings, tests), dataset.fingerprint, (*pairs, *matches), copying)


def unreadable(files: Files) -> Audit:
    """Return the audit of a data set whose files cannot all be read."""
    return Audit(judge(file_findings(files), []), None)


def _blind_tests(
    dataset: Dataset,
    known: Cohort,
    pixels: Mapping[str, NDArray[np.float32]],
    service: FeatureClient,
    say: Say,
) -> list[Test]:
    """Try what can be told without generated images, as far as there are patients for it."""
    tests = []
    if len(np.unique(known.labels)) == 2:
        say("looking patients up")
        tests.append(patient_lookup("patient lookup", known.gather(pixels), known))
    folds = make_folds(known.labels, known.groups)
    if folds is not None:
        say(f"extracting features by {BACKBONE}")
        names = sorted(set(known.sets.tolist()))
        network = _features(service, dataset, names, BACKBONE)
        say("training blind classifiers")
        kinds = {
            "statistics": describe(_pixels(dataset, known)),
            PIXELS: known.gather(pixels),
            BACKBONE: known.gather(network),
        }
        tests += [blind_gate(f"blind gate: {k}", f, known, folds) for k, f in kinds.items()]
    return tests


def _copying(known: Cohort, pixels: Mapping[str, NDArray[np.float32]]) -> tuple[Statistic, ...]:
    """Compare the pools with the labelled reals, as pixels."""
    points = known.gather(pixels) if len(known) else np.empty((0, 1), np.float32)
    used, others = (
        Reals.of(points[known.labels == label], known.groups[known.labels == label])
        for label in (1, 0)
    )
    pools = {
        "generated": [pixels[name] for name in POOLS[:2] if name in pixels],
        "null": [pixels[name] for name in POOLS[2:] if name in pixels],
    }
    joined = {name: np.concatenate(parts) for name, parts in pools.items() if parts}
    return copying_statistics(joined, used, others)


def _no_gate(membership: bool) -> Finding:
    if membership:
        why = f"it needs {FOLDS} patients of each class"
        return Finding("blind gate", Level.SKIPPED, "too few patients", why)
    why = "the subsets of attribution are meant to differ"
    return Finding("blind gate", Level.SKIPPED, "not for attribution", why)


def _sets_of(dataset: Dataset, kind: str) -> tuple[str, ...]:
    """Return the sets of an attribution data set that hold ``real`` or ``generated`` images."""
    return tuple(name for name in dataset.sets if name.split("/")[1] == kind)


def _features(
    service: FeatureClient, dataset: Dataset, names: Sequence[str], backbone: str
) -> dict[str, NDArray[np.float32]]:
    """Return the (N, D) features of the named sets."""
    sets = {name: dataset.sets[name] for name in names}
    service.open({name: (s.path, s.digests) for name, s in sets.items()})
    return {name: map_rows(service.features(name, backbone, [POOL]).paths[0]) for name in names}


def _square(dataset: Dataset, name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of the backbone ``pixels`` as (N, H, W) images again."""
    height, width = (min(side, PIXELS_SIDE) for side in dataset.sets[name].pixels().shape[1:])
    return rows.reshape(len(rows), height, width)


def _pixels(dataset: Dataset, cohort: Cohort) -> NDArray[np.uint8]:
    names = sorted(set(cohort.sets.tolist()))
    return cohort.gather({name: dataset.sets[name].pixels() for name in names})
