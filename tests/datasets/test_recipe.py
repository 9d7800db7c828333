"""RawSet refuses parts that do not belong together."""

import numpy as np
import pytest

from harness.datasets.recipe import RawSet

TWO = np.zeros((2, 4, 4), np.uint8)


def test_a_set_without_labels_and_groups_is_sound() -> None:
    assert RawSet(("a", "b"), TWO).labels is None


@pytest.mark.parametrize(
    ("parts", "flaw"),
    [
        ({"ids": ("a",)}, "1 ids for 2 images"),
        ({"labels": (1,)}, "1 labels for 2 images"),
        ({"groups": ("p", "q", "r")}, "3 groups for 2 images"),
        ({"ids": ("a", "a")}, "twice"),
        ({"pixels": TWO.astype(float)}, "float64"),
        ({"pixels": TWO[0]}, r"\(4, 4\)"),
    ],
)
def test_parts_that_disagree_are_refused(parts: dict[str, object], flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw):
        RawSet(**{"ids": ("a", "b"), "pixels": TWO, **parts})  # type: ignore[arg-type]
