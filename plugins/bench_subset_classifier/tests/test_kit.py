"""How the methods behave in a worker, by the kit."""

import pytest

from harness.testing import check_method


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("subset-efficientnet", {"epochs": 1}),
    ],
)
def test_it_behaves(name, changes):
    check_method(name, changes=changes)
