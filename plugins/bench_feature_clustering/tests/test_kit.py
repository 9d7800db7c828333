"""How the methods behave in a worker, by the kit."""

import pytest

from bench_feature_clustering.method import bench_methods
from harness.testing import check_method


@pytest.mark.slow
@pytest.mark.parametrize("name", [method.name for method in bench_methods()])
def test_it_behaves(name):
    check_method(name)
