"""The kit for authors of methods: checks of how a method behaves, on small data.

In a test of your package::

    import pytest
    from harness.testing import CHECKS, check_method

    @pytest.mark.parametrize("check", CHECKS)
    def test_it_behaves(check):
        check_method("my-method", checks=[check])

Every check runs the method as the harness does: in worker processes that hold what its access
declares, beside the feature service.
"""

from harness.testing.checks import CHECKS
from harness.testing.kit import check_method, run_checks
from harness.testing.report import Outcome, Report, Result

__all__ = ["CHECKS", "Outcome", "Report", "Result", "check_method", "run_checks"]
