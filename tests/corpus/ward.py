"""A small data set for odd files to lie in."""

from pathlib import Path

from corpus.pictures import GREY, encoded
from corpus.tables import NAMES

SETS = {
    "train/generated": 2,
    "train/real_used": 2,
    "train/real_not_used": 2,
    "test/generated": 1,
    "test/real_unknown": 4,
}
ENTRY = "ward: {task: membership, layout: imageclef-2025-membership, root: ward%s}\n"


def lay_out(root: Path) -> Path:
    """Write a small data set of 8x8 images and return its folder."""
    image = encoded(GREY, "PNG")
    for name, size in SETS.items():
        (root / name).mkdir(parents=True)
        for file in NAMES[:size]:
            (root / name / file).write_bytes(image)
    return root
