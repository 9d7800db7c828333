"""How the methods behave in a worker, by the kit."""

import pytest

from harness.testing import check_method


@pytest.mark.slow
@pytest.mark.parametrize("name", ["feature-clustering", "feature-centroids"])
def test_it_behaves(name):
    check_method(name)
