"""A contact sheet: the pairs of images that look alike, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.audit.duplicates import Pair
from harness.datasets.dataset import Dataset
from harness.files import atomic

PAIRS = 60  # on one sheet
SIDE, GAP, LINE = 128, 8, 14  # pixels
COLUMNS = 3


def write_sheet(path: Path, dataset: Dataset, pairs: Sequence[Pair]) -> int:
    """Write a PNG of the first pairs, each with the names and how alike they are.

    Returns:
        How many pairs are on it; without any, nothing is written.
    """
    from PIL import Image, ImageDraw

    shown = pairs[:PAIRS]
    if not shown:
        return 0
    width, height = 2 * SIDE + 3 * GAP, SIDE + 2 * GAP + 3 * LINE
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("L", (min(COLUMNS, len(shown)) * width, rows * height), 255)
    draw = ImageDraw.Draw(sheet)
    for number, pair in enumerate(shown):
        left, top = number % COLUMNS * width + GAP, number // COLUMNS * height + GAP
        for column, place in enumerate((pair.first, pair.second)):
            picture = Image.fromarray(np.asarray(dataset.sets[place.set].pixels()[place.row]))
            scaled = picture.resize((SIDE, SIDE), Image.Resampling.NEAREST)
            sheet.paste(scaled, (left + column * (SIDE + GAP), top))
        how = "equal" if pair.exact else f"alike {pair.alike:.3f}"
        for line, text in enumerate((str(pair.first), str(pair.second), how)):
            plain = text.encode("ascii", "replace").decode()  # what Pillow's own font can draw
            draw.text((left, top + SIDE + 2 + line * LINE), plain)
    with atomic(path) as stream:
        sheet.save(stream, "PNG")
    return len(shown)
