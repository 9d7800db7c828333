"""Which data sets the features in the store are of: the store itself knows images only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.datasets.pack import names_by_image
from harness.features.inventory import Shard
from harness.features.store import CorruptShardError, map_digests


def origins(packs: Path) -> Callable[[Shard], tuple[str, ...]]:
    """Return what tells the names of the data sets that a shard is of, by its first image.

    A shard is of one set of a data set, or of a part of it; several data sets may share that set.
    It is of none that is known where their packs were removed or made by an older version.

    Args:
        packs: the folder of packs in the cache.
    """
    names = names_by_image(packs)

    def of(shard: Shard) -> tuple[str, ...]:
        try:
            digests = map_digests(shard.path)
        except (CorruptShardError, OSError):
            return ()
        first = digests[0].decode() if len(digests) else ""
        return tuple(sorted(names.get(first, ())))

    return of
