"""Duplicates: images that occur twice, to the pixel or nearly.

Two images are nearly equal when their fine structure is: each is reduced to at most 64 pixels a
side, what is coarser than a pixel or so is taken away (the image less its Gaussian blur of sd 1),
and the rest is correlated. That rest is anatomy and noise that only one slice has, and it does not
change when grey values are shifted or scaled.

The threshold lies between what was measured on images that are the same and on images of different
patients. Fine structure correlates as follows (phantoms of 60 patients and 400 real CT slices):

    the same image, as JPEG of quality 75, stored at 64 pixels    0.91 to 0.97
    the same, stored at 256 pixels                                0.998 to 1.000
    the same, 10 or 20 grey levels brighter                       0.99 to 1.00
    nearest image of another patient, phantoms at 64 pixels       at most 0.25 (0.61 at 32 pixels)
    nearest image of another pseudo-patient, real CT              at most 0.81
    the next slice of the same patient, 1 mm away                 0.91 to 0.99
    5 mm away / 10 mm away                                        0.78 to 0.95 / 0.65 to 0.90

So a neighbouring slice cannot be told from a coarse re-encoding. Within one patient of one set
such pairs are expected and not reported; across classes or parts they give as much away as a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from harness.audit.cohort import UNKNOWN, Cohort
from harness.audit.files import SHOWN
from harness.audit.verdict import Finding, Level
from harness.features.neighbours import nearest

THRESHOLD = 0.88
NEIGHBOURS = 8  # of each image that are looked at

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """One image of a data set."""

    set: str
    row: int
    name: str

    def __str__(self) -> str:
        return f"{self.set}/{self.name}"


@dataclass(frozen=True)
class Pair:
    """Two images that are equal, or nearly."""

    first: Place
    second: Place
    alike: float  # correlation of the fine structure; 1 where the pixels are equal
    exact: bool
    across: bool  # in different classes, or in train and test
    counts: bool = True  # unless they are nearly equal slices of one patient in one set

    def __str__(self) -> str:
        return f"{self.first} = {self.second}" + ("" if self.exact else f" ({self.alike:.2f})")


def fine_structure(pixels: NDArray[np.float32]) -> Floats:
    """Return what is finer than a pixel or so in (N, H, W) images, as (N, H x W)."""
    from scipy.ndimage import gaussian_filter

    fine = np.asarray(pixels, np.float32)
    fine = fine - gaussian_filter(fine, (0, 1, 1), mode="nearest")
    return fine.reshape(len(fine), -1)


def find_duplicates(cohort: Cohort, fine: Floats) -> list[Pair]:
    """Return the pairs among the images of a cohort, exact ones first.

    Args:
        cohort: N images.
        fine: (N, D) their fine structure.
    """
    equal = [_pair(cohort, a, cohort, b, 1.0) for a, b in _equal(cohort.digests)]
    names = [f"{s}/{label}" for s, label in zip(cohort.sets, cohort.labels, strict=True)]
    sides = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    near = {}
    # Side by side, so that the slices next to an image do not crowd out its copy elsewhere.
    for one, two in combinations_with_replacement(sides, 2):
        for a, b, alike in _near(fine[one], fine[two], min(NEIGHBOURS + 1, len(two))):
            near[min(one[a], two[b]), max(one[a], two[b])] = alike
    different = [(a, b) for a, b in sorted(near) if cohort.digests[a] != cohort.digests[b]]
    return equal + [_pair(cohort, a, cohort, b, near[a, b]) for a, b in different]


def find_matches(pool: Cohort, fine_pool: Floats, reals: Cohort, fine_reals: Floats) -> list[Pair]:
    """Return for each image of ``pool`` the real image that it equals, if any."""
    return [
        _pair(pool, a, reals, b, alike)
        for a, b, alike in _near(fine_pool, fine_reals, min(1, len(fine_reals)))
    ]


def duplicate_findings(pairs: Iterable[Pair], what: str = "real") -> list[Finding]:
    """Return what duplicates among images of one kind mean."""
    pairs = [pair for pair in pairs if pair.counts]
    findings = []
    for exact, check in ((True, "exact duplicates"), (False, "near duplicates")):
        kind = [pair for pair in pairs if pair.exact == exact]
        across = [pair for pair in kind if pair.across]
        inside = [pair for pair in kind if not pair.across]
        if across:
            meaning = "an image on both sides gives the answer away"
            if not exact:
                meaning = "an image, or the slice next to it, on both sides gives the answer away"
            findings.append(_finding(check, Level.FLAW, across, what, meaning))
        if inside:
            meaning = "they count as more images than they are"
            findings.append(_finding(f"{check} in a set", Level.WARNING, inside, what, meaning))
        if not kind:
            findings.append(Finding(check, Level.FINE, f"no pair of {what} images", "none found"))
    return findings


def match_findings(matches: Iterable[Pair]) -> list[Finding]:
    """Return what generated images that equal a real one mean."""
    matches = list(matches)
    leaked = [pair for pair in matches if pair.first.set != "null"]
    odd = [pair for pair in leaked if pair.second.set == "train/not_used"]
    null = [pair for pair in matches if pair.first.set == "null"]
    meanings = {
        "generated = real": (leaked, "evidence of a leak, no flaw of the data set"),
        "generated = not used": (
            odd,
            "called not used, and yet in the pool: are the labels right?",
        ),
        "null pool = real": (null, "its generator saw these reals: it cannot serve as null pool"),
    }
    findings = [
        _finding(check, Level.WARNING, pairs, "generated and real", meaning)
        for check, (pairs, meaning) in meanings.items()
        if pairs
    ]
    none = "nothing can be said of leaks by other means than copying"
    return findings or [Finding("generated = real", Level.FINE, "no pair", none)]


def _finding(check: str, level: Level, pairs: list[Pair], what: str, meaning: str) -> Finding:
    sets = Counter(" and ".join(sorted({p.first.set, p.second.set})) for p in pairs)
    where = ", ".join(f"{count} in {names}" for names, count in sorted(sets.items()))
    result = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} of {what} images: {where}"
    return Finding(check, level, result, meaning, tuple(map(str, pairs[:SHOWN])))


def _near(asked: Floats, pool: Floats, k: int) -> Iterator[tuple[int, int, float]]:
    if not k or not len(asked):
        return
    alike, rows = nearest(asked, pool, "correlation", k)
    for a, column in np.argwhere(alike >= THRESHOLD).tolist():
        yield a, int(rows[a, column]), float(alike[a, column])


def _equal(digests: NDArray[np.str_]) -> Iterator[tuple[int, int]]:
    """Yield each image that equals an earlier one, with the first of them."""
    first: dict[str, int] = {}
    for row, digest in enumerate(digests.tolist()):
        if digest in first:
            yield first[digest], row
        first.setdefault(digest, row)


def _pair(one: Cohort, a: int, two: Cohort, b: int, alike: float) -> Pair:
    labels = {int(one.labels[a]), int(two.labels[b])} - {UNKNOWN}
    exact = bool(one.digests[a] == two.digests[b])
    together = one.sets[a] == two.sets[b] and one.groups[a] == two.groups[b]
    return Pair(
        _place(one, a),
        _place(two, b),
        alike,
        exact=exact,
        across=bool(one.parts[a] != two.parts[b]) or len(labels) > 1,
        counts=exact or not together,
    )


def _place(cohort: Cohort, at: int) -> Place:
    return Place(str(cohort.sets[at]), int(cohort.rows[at]), str(cohort.ids[at]))
