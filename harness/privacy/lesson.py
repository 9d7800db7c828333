"""Teaching a method that learns from members, where no member is known.

Some images take the members' part: degraded copies of them are planted into the pool, others of
their kind play the non-members. Both come from patients who are not asked about, so whoever is
asked about and whoever they are compared with are treated alike, and p values keep their promise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets.pack import PackedSet, write_set
from harness.datasets.recipe import RawSet
from harness.forge.copies import degrade
from harness.privacy.division import Part, halves
from harness.privacy.limit import CLOSE, MOST

TAKEN = 0.05  # of a pool becomes real images, where there is nobody else to learn from


def teach(
    pool: PackedSet, known: Part | None, seed: int, into: Path
) -> tuple[PackedSet, dict[str, Part]]:
    """Return a pool with copies of some images, and these and others as used and not used.

    Args:
        pool: the generated images.
        known: images of patients who were not used; ``None`` takes a twentieth of the pool itself.
        seed: of everything random.
        into: a folder to be made for the new pool.
    """
    rng = np.random.default_rng([seed, 4])
    generated = np.array(pool.pixels())
    if known is None:
        order = rng.permutation(len(pool))
        taken, kept = np.split(order, [max(2, int(TAKEN * len(pool)))])
        known, generated = (pool, np.sort(taken)), generated[np.sort(kept)]
    (images, used), not_used = halves(known, seed + 1)
    used = np.sort(rng.permutation(used)[: max(1, int(MOST * len(generated)))])
    places = rng.permutation(len(generated))[: len(used)]
    side = max(generated.shape[1:])
    generated[places] = degrade(images.pixels()[used], CLOSE.fidelity(side), rng)
    raw = RawSet(tuple(map(str, range(len(generated)))), generated)
    into.mkdir(parents=True)
    return write_set(into, pool.name, raw), {"used": (images, used), "not_used": not_used}
