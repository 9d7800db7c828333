"""A loaded backbone over many images, in fixed batches that the device can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from harness.features.extractor import Extractor
from harness.machine import memory_bytes

LARGEST = {"cpu": 32}  # images in a batch; larger ones are no faster
LARGEST_ELSEWHERE = 256
SHARE = 4  # a batch may take one part in so many of the device's memory
# What torch says where memory is short: on Linux, on Windows and on Apple's devices.
SHORT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")

Rows = NDArray[np.float32]


class Batches:
    """An extractor on a device, and how many images it takes at a time.

    Every batch has the same number of images, the last one padded with black ones, so that an
    image's features do not depend on what stands beside it; where they never do, none is padded.
    """

    def __init__(self, name: str, extractor: Extractor, device: str) -> None:
        self.name = name
        self.extractor = extractor
        self.device = device
        self.batch = batch_size(device, extractor.footprint, memory_of(device))

    def rows(
        self,
        pixels: NDArray[np.uint8],
        chosen: NDArray[np.intp],
        layers: Sequence[str],
        say: Callable[[str], None],
    ) -> Iterator[list[Rows]]:
        """Yield float32 rows of the chosen images batch by batch, one array for each layer.

        A batch that the memory does not hold is halved, and so are all that follow.

        Args:
            pixels: (N, H, W) uint8; may be a memory map.
            chosen: positions of the images.
            layers: of the backbone.
            say: told when memory is short.

        Raises:
            RuntimeError: not even one image fits; or whatever else the network raises.
        """
        done = 0
        while done < len(chosen):
            part = chosen[done : done + self.batch]
            try:
                found = self._compute(pixels[part], layers)
            except (RuntimeError, MemoryError) as error:
                if self.batch == 1 or not is_out_of_memory(error):
                    raise
                found = None  # what the error holds is let go before the next attempt
            if found is None:
                self._halve(say)
                continue
            done += len(part)
            yield found

    def _compute(self, images: NDArray[np.uint8], layers: Sequence[str]) -> list[Rows]:
        size = len(images) if self.extractor.independent else self.batch
        batch = np.zeros((size, *images.shape[1:]), np.uint8)
        batch[: len(images)] = images
        found = self.extractor(torch.from_numpy(batch).to(self.device), layers)
        return [features[: len(images)].cpu().numpy() for features in found]

    def _halve(self, say: Callable[[str], None]) -> None:
        before, self.batch = self.batch, self.batch // 2
        if self.device == "cuda":
            torch.cuda.empty_cache()
        say(
            f"backbone {self.name}: out of memory with {before} images at a time on {self.device}; "
            f"goes on with {self.batch}"
        )


def batch_size(device: str, footprint: int, memory: int) -> int:
    """Return how many images to take at a time: a power of two.

    Args:
        device: "cpu", "cuda" or "mps".
        footprint: bytes that an image takes while it is computed, roughly.
        memory: of the device, in bytes.
    """
    room = max(1, memory // SHARE // footprint)
    largest = LARGEST.get(device, LARGEST_ELSEWHERE)
    return min(largest, 1 << (room.bit_length() - 1))


def memory_of(device: str) -> int:
    """Return the memory of a device in bytes, used or not: so the batch is the same each time."""
    if device == "cuda":
        total: int = torch.cuda.get_device_properties(device).total_memory
        return total
    if device == "mps":
        return torch.mps.recommended_max_memory()
    return memory_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory is short."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(text in str(error) for text in SHORT_OF_MEMORY)
