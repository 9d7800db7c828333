"""Images to be timed with: soft blobs under noise, no two alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.images import pixel_digest, read_images
from harness.datasets.pack import PackedSet, open_pack
from harness.datasets.recipe import RawSet


def drawn(count: int, side: int, seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Yield (side, side) uint8 images."""
    draws = np.random.default_rng(seed)
    for _ in range(count):
        coarse = Image.fromarray(draws.integers(30, 220, (8, 8), np.uint8))
        soft = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        yield np.clip(soft + draws.integers(-12, 13, soft.shape), 0, 255).astype(np.uint8)


def write_pngs(folder: Path, count: int, side: int = 256) -> list[Path]:
    """Write images as PNG files and return their paths."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    for path, image in zip(paths, drawn(count, side), strict=True):
        Image.fromarray(image).save(path)
    return paths


def packed(paths: list[Path], name: str) -> PackedSet:
    """Decode files into a pack of the cache, as opening a data set does."""

    def make() -> Iterator[tuple[str, RawSet]]:
        images = read_images(paths)
        yield "images", RawSet(images.ids, images.pixels)

    return open_pack(name, make, lambda _: name).sets["images"]


def write_array(path: Path, count: int, side: int) -> tuple[Path, tuple[str, ...]]:
    """Write images as one array, with never more than one in memory; return it and its digests."""
    array = open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, side, side))
    digests = []
    for row, image in enumerate(drawn(count, side)):
        array[row] = image
        digests.append(pixel_digest(image).hex())
    array.flush()
    return path, tuple(digests)
