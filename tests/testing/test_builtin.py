"""The built-in methods behave."""

import pytest

import bench_controls.method
import bench_cosine_threshold.method
import bench_nearest_pixel.method
from harness.testing import check_method

FAMILIES = (bench_controls.method, bench_cosine_threshold.method, bench_nearest_pixel.method)
METHODS = [method.name for family in FAMILIES for method in family.bench_methods()]
QUICK = "patient-lookup"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(
    "name", [QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in METHODS if n != QUICK)]
)
def test_a_built_in_method_behaves(name):
    check_method(name)
