"""How the methods behave in a worker, by the kit."""

import pytest

from harness.testing import check_method

QUICK = {"side": 32, "filters": (4, 4), "epochs": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("enhanced-resnet-jaccard", {}),
    ],
)
def test_it_behaves(name, changes):
    check_method(name, changes=changes)
