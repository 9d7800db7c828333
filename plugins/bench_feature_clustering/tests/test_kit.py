"""How the methods behave in a worker, by the kit."""

import pytest

from harness.testing import check_method


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="k-means starts from points by their place among all")
def test_it_behaves():
    check_method("feature-clustering", checks=["order"])
