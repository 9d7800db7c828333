"""Which matrices stay on the device between two searches."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from harness.datasets.quiet import quiet
from harness.method import Rows

TILE_BYTES = 64 * 2**20  # of a matrix, moved at once
SHARE = 0.5  # of the device's free memory, by default

Place = tuple[int, int]  # a matrix, and the first row of a tile of it


class Residency:
    """Tiles of matrices on a device, up to a budget; the least recently used goes first.

    Only read-only memory maps stay, that is stored features: they cannot change, and what leaves
    the device is still in the host's page cache, from where the system takes it when memory is
    short. On the CPU that cache, which all processes share, is all that is needed: the budget is
    nought and a tile is the mapped file itself.
    """

    def __init__(self, device: str, budget: int | None = None) -> None:
        """Make an empty residency.

        Args:
            device: where the tiles are wanted.
            budget: bytes that may stay; ``None`` for half of what is free on an accelerator.
        """
        self.device = device
        self.budget = _free(device) if budget is None else budget
        self.used = 0  # bytes
        self._tiles: OrderedDict[Place, torch.Tensor] = OrderedDict()
        self._owners: dict[int, weakref.finalize[..., NDArray[np.generic]]] = {}

    def tiles(self, rows: Rows) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (N, D) numbers as float32 tensors on the device, each with its first row."""
        step = max(1, TILE_BYTES // (4 * max(1, rows.shape[1])))
        stays = isinstance(rows, np.memmap) and not rows.flags.writeable and self.budget > 0
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            yield start, self._kept(rows, start, part) if stays else self._moved(part)

    def _kept(self, rows: Rows, start: int, part: Rows) -> torch.Tensor:
        place = (id(rows), start)
        if place in self._tiles:
            self._tiles.move_to_end(place)
            return self._tiles[place]
        tile = self._moved(part)
        if tile.nbytes <= self.budget:
            while self.used + tile.nbytes > self.budget:
                self._drop(next(iter(self._tiles)))
            if id(rows) not in self._owners:
                self._owners[id(rows)] = weakref.finalize(rows, self._forget, id(rows))
            self._tiles[place] = tile
            self.used += tile.nbytes
        return tile

    def _moved(self, part: Rows) -> torch.Tensor:
        with quiet():  # torch warns of arrays that cannot be written; nobody writes to a tile
            tensor = torch.from_numpy(np.ascontiguousarray(part, np.float32))
        return tensor.to(self.device, copy=self.budget > 0)

    def _drop(self, place: Place) -> None:
        self.used -= self._tiles.pop(place).nbytes

    def _forget(self, owner: int) -> None:
        """Give up the tiles of a matrix that is gone, before another takes its identity."""
        self._owners.pop(owner, None)
        for place in [place for place in self._tiles if place[0] == owner]:
            self._drop(place)


def _free(device: str) -> int:
    """Return the default budget of a device in bytes."""
    if device.startswith("cuda"):
        return int(SHARE * torch.cuda.mem_get_info()[0])
    if device == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return int(SHARE * max(0, free))
    return 0
