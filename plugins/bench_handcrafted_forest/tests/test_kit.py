import pytest

from harness.testing import check_method


@pytest.mark.slow
@pytest.mark.parametrize("name", ["handcrafted-forest", "handcrafted-forest-as-coded"])
def test_it_behaves_as_a_method_should(name):
    check_method(name)
