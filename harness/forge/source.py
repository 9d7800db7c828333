"""Where the forge's real images come from: drawn patients, or a folder of images."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.image_options import ImageOptions
from harness.datasets.images import pixel_digest, read_images
from harness.datasets.layouts import list_images
from harness.datasets.table import Table
from harness.errors import BenchError
from harness.forge.anatomy import draw_patient
from harness.forge.recipe import spread_heights

INDEX = "index.csv"  # where the groups of a folder are, unless said otherwise


@dataclass(frozen=True, eq=False)
class Source:
    """Real images of one population, and whose they are."""

    name: str  # phantom, or the folder's
    pixels: NDArray[np.uint8]  # (N, size, size)
    groups: tuple[str, ...]  # (N,) the patient of each image
    note: str  # how patients are known, in words
    ids: tuple[str, ...] = ()  # (N,) the file of each image, with its slice; of a folder alone

    def describe(self) -> str:
        """Return the source in one line."""
        patients = len(set(self.groups))
        return f"{self.name}: {len(self.pixels)} images of {patients} patients ({self.note})"

    def facts(self) -> dict[str, Any]:
        """Return what a card says of the source."""
        digest = hashlib.sha256()
        for image, group in zip(self.pixels, self.groups, strict=True):
            digest.update(pixel_digest(image) + group.encode() + b"\0")
        return {
            "name": self.name,
            "images": len(self.pixels),
            "patients": len(set(self.groups)),
            "groups": self.note,
            "digest": digest.hexdigest(),
        }


def draw_source(
    patients: int,
    slices: int,
    size: int,
    seed: np.random.SeedSequence,
    heights: tuple[float, float] = (0.0, 1.0),
) -> Source:
    """Draw patients, each with several slices of its own scan.

    Args:
        patients: how many.
        slices: images of each.
        size: side of an image in pixels, 32 to 512.
        seed: of anatomies, heights and noise.
        heights: the part of the trunk that is scanned, from 0 (low) to 1 (high).
    """
    from harness.forge.phantom import render_slice

    images, groups = [], []
    low, high = heights
    for number, own in enumerate(seed.spawn(patients), start=1):
        anatomy, where, *scans = own.spawn(2 + slices)
        patient = draw_patient(anatomy)
        spread = spread_heights(slices, np.random.default_rng(where))
        for place, scan in zip(spread, scans, strict=True):
            height = low + (high - low) * place
            images.append(render_slice(patient, height, size, np.random.default_rng(scan)))
            groups.append(f"patient-{number:04d}")
    return Source("phantom", np.stack(images), tuple(groups), "drawn, one anatomy each")


def read_source(folder: Path, options: ImageOptions, groups: str | None) -> Source:
    """Read a folder of images or volumes.

    Args:
        folder: holds PNG, JPEG, TIFF, DICOM or NIfTI files, none of them in folders below.
        options: how they are decoded, with the side that they are resized to.
        groups: csv ``image,group`` below the folder. ``None`` takes index.csv if it is there and
            has these columns; otherwise every file counts as a patient of its own.

    Raises:
        BenchError: The folder, an image or the table is not in order.
    """
    if not folder.is_dir():
        raise BenchError(f"--source {folder}: there is no such folder; write phantom or a folder")
    table = folder / (groups or INDEX)
    if groups is not None and not table.is_file():
        raise BenchError(f"--groups {groups}: there is no file {table}; correct the name")
    paths = list_images(folder, folder, [table])
    images = read_images(paths, options)
    if groups is None and not _has_groups(table):
        patients = {path: path.name for path in paths}
        note = "not known, so every image counts as a patient of its own"
        if len(images.pixels) > len(paths):
            note = "not known, so every volume counts as a patient of its own"
    else:
        by_file = Table(table, "group", "the name of a group", lambda text: text or None)
        patients, note = by_file.read(paths, folder), f"from {table.name}"
    named = tuple(patients[paths[file]] for file in images.files)
    return Source(folder.resolve().name, images.pixels, named, note, images.ids)


def _has_groups(table: Path) -> bool:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError):
        return False
    return [cell.strip().lower() for cell in header] == ["image", "group"]
