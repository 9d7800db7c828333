"""What is in the feature store already of what cells will ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from harness.datasets.cases import Case
from harness.features.inventory import shards
from harness.running.plan import Cell
from harness.running.sealing import sets_seen


class Stock:
    """The image sets of which a store holds features.

    Args:
        root: the folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self._held: dict[str, set[str]] = defaultdict(set)
        for shard in shards(root):
            self._held[shard.backbone].add(shard.path.stem)

    def of(self, cell: Cell, cases: Iterable[Case]) -> dict[str, tuple[int, int]]:
        """Return by backbone that a cell names how many sets of its cases are held, of how many."""
        access = cell.card.access
        sets = {digest for case in cases for digest in sets_seen(case, cell.task, access)}
        return {name: (len(sets & self._held[name]), len(sets)) for name in cell.backbones}
