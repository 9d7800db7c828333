"""How the methods behave in a worker, by the kit."""

import pytest

from harness.testing import check_method

QUICK = {"anchors": 16, "batch": 8, "side": 32, "backbone": "tf_efficientnet_lite0"}
MIXED = {"backbones": ("tf_efficientnet_lite0",) * 3, "width": 64}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("moco-resnet50", QUICK),
        ("moco-resnet50-as-coded", QUICK),
        ("moco-moe", QUICK | MIXED),
        ("moco-moe-as-coded", QUICK | MIXED),
    ],
)
def test_it_behaves(name, changes):
    check_method(name, changes=changes)
