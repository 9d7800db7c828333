"""The images that a method is surest of, each beside its closest generated images.

Only for data sets whose pictures may be published; who calls sees to that, and it is checked here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from harness.datasets.cases import Case
from harness.datasets.dataset import Dataset
from harness.datasets.images import pixel_digest
from harness.features.backbones import PIXELS_SIDE
from harness.features.neighbours import nearest
from harness.features.pixels import reduced
from harness.site.outcome import Outcome

REALS, CLOSEST = 12, 4
SIDE = 128  # pixels of the longer side of a picture, at most
POOLS = ("train/generated", "test/generated")


@dataclass(frozen=True)
class Picture:
    """One image as a file of the site."""

    file: str
    alike: float | None = None  # correlation of a generated image with its real one


@dataclass(frozen=True)
class Likeness:
    """A real image and what the generator made that is closest to it."""

    real: Picture
    score: float
    used: bool
    closest: tuple[Picture, ...]  # the most alike first


@dataclass(frozen=True)
class Gallery:
    """The likenesses of the method that picked the reals, and the files with their pictures."""

    method: str
    rows: tuple[Likeness, ...]
    files: dict[str, bytes]  # PNG by file name


def make_gallery(dataset: Dataset, cases: Sequence[Case], method: str, outcome: Outcome) -> Gallery:
    """Show the reals with the highest scores, each with its closest images of both pools.

    Likeness is Pearson's correlation of grey values, whatever the method compared.

    Args:
        dataset: with ``publish_images``.
        cases: the questions that ``outcome`` answers.
        method: whose scores they are.
        outcome: the scores.

    Raises:
        ValueError: the pictures of the data set must not be published.
    """
    if not dataset.entry.publish_images:
        raise ValueError(f"the pictures of {dataset.entry.name} must not be published")
    best = np.argsort(-outcome.scores, kind="stable")[:REALS]
    asked = np.concatenate([case.asked.pixels() for case in cases])[outcome.places[best]]
    pool = np.concatenate([dataset.sets[n].pixels() for n in POOLS if n in dataset.sets])
    near, places = nearest(flat(asked), flat(pool), "correlation", min(CLOSEST, len(pool)))
    files: dict[str, bytes] = {}
    rows = []
    for row, place in enumerate(best):
        closest = [
            Picture(_add(files, pool[where]), float(alike))
            for where, alike in zip(places[row], near[row], strict=True)
        ]
        real = Picture(_add(files, asked[row]))
        used = bool(outcome.truth[place])
        rows.append(Likeness(real, float(outcome.scores[place]), used, tuple(closest)))
    return Gallery(method, tuple(rows), files)


def flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (N, H, W) images as (N, D) grey values, made smaller where they are large."""
    grey = torch.from_numpy(np.array(images)).float()
    flat: NDArray[np.float32] = reduced(grey, PIXELS_SIDE).flatten(1).numpy()
    return flat


def _add(files: dict[str, bytes], pixels: NDArray[np.uint8]) -> str:
    """Put an image among the files, once, and return its name."""
    name = f"{pixel_digest(pixels).hex()[:20]}.png"
    if name not in files:
        files[name] = png(pixels)
    return name


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an (H, W) image as a small PNG file."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(pixels))
    picture.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
