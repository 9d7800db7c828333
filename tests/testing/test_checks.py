"""Every check passes what behaves and finds what does not, in the harness's own workers."""

import re

import pytest

import bench_controls.method
import bench_cosine_threshold.method
import bench_nearest_pixel.method
from harness.errors import BenchError
from harness.testing import CHECKS, Outcome, check_method, run_checks

FOUND = {
    "crashes": ("runs", "RuntimeError: no luck"),
    "dies": ("runs", "exit 3"),
    "greedy": ("access", "declare Access.LABELS"),
    "infinite": ("scores", "are not finite"),
    "short": ("scores", "expected (48,)"),
    "labels": ("labels", "labels must be 0 to 1; there are 2"),
    "low-scores": ("direction", "scores must be higher for used images"),
    "wrong-labels": ("direction", "labels must be 1 for used images"),
    "salted": ("seed", "with the same seed"),
    "in-turn": ("order", "in another order"),
    "ranks": ("alone", "declare Access.TRANSDUCTIVE"),
    "many-used": ("one-used-image", "too few used images"),
    "many-generated": ("two-generated-images", "out of bounds"),
    "contrast": ("flat-images", "are not finite"),
    "one-thread": ("threads", "one thread only"),
    "overwrites": ("inputs", "work on a copy"),
    "overwrites-file": ("inputs", "change its inputs; work on a copy"),
    "litters": ("files", "litter.txt; write into tools.scratch or"),
}
BUILT_IN = (bench_controls.method, bench_cosine_threshold.method, bench_nearest_pixel.method)
QUICK = "patient-lookup"

pytestmark = pytest.mark.usefixtures("misbehaving")


@pytest.mark.slow
def test_a_method_that_behaves_passes_every_check():
    report = run_checks("good")
    assert outcomes(report) == dict.fromkeys(CHECKS, "passed")
    assert report.passed
    assert report.fit_seconds >= 0
    assert report.peak_bytes > 10_000_000


@pytest.mark.parametrize("name", FOUND)
def test_what_does_not_behave_is_found_and_said(name):
    check, said = FOUND[name]
    report = run_checks(name, checks=[check])
    [result] = report.results
    assert result.outcome is Outcome.FAILED
    assert said in result.reason
    assert f"{check}: " in str(report)


def test_every_check_can_fail():
    assert {check for check, _ in FOUND.values()} == set(CHECKS)


def outcomes(report):
    return {result.check: str(result.outcome) for result in report.results}


def test_a_method_that_trains_has_patients_checkpoints_and_an_external_set():
    assert run_checks("trains", checks=["files", "inputs", "order"]).passed


def test_where_the_plain_run_ends_badly_the_other_checks_are_not_reached():
    report = run_checks("crashes")
    found = outcomes(report)
    assert found.pop("runs") == "failed"
    assert set(found.values()) == {"not reached"}
    assert not report.passed
    assert "not reached: access, scores" in str(report)


@pytest.mark.parametrize(("name", "check"), [("declared-ranks", "alone"), ("control", "direction")])
def test_a_check_that_does_not_apply_says_why_and_harms_nothing(name, check):
    report = run_checks(name, checks=[check])
    assert outcomes(report) == {check: "exempt"}
    assert report.results[0].reason
    assert report.passed


def test_an_attribution_method_is_checked_on_subsets():
    report = run_checks("centroid", checks=[name for name in CHECKS if name != "seed"])
    assert report.passed
    found = outcomes(report)
    assert found["direction"] == found["two-generated-images"] == "passed"
    assert found["one-used-image"] == "exempt"
    backwards = run_checks("farthest", checks=["direction"])
    assert "accuracy of labels 0.00" in backwards.results[0].reason


def test_in_a_test_what_fails_is_an_assertion_with_a_readable_text():
    with pytest.raises(AssertionError, match=r"(?s)^crashes: .*\n  runs: RuntimeError: no luck"):
        check_method("crashes")
    assert check_method("good", checks=["seed", "order"]).passed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "gud"}, "did you mean good?"),
        ({"name": "good", "checks": ["sede"]}, "did you mean seed?"),
        ({"name": "good", "changes": {"k": 1}}, "no such parameter"),
    ],
)
def test_what_does_not_exist_is_named(arguments, said):
    with pytest.raises(BenchError, match=re.escape(said)):
        check_method(**arguments)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(method.name, marks=[pytest.mark.slow] if method.name != QUICK else [])
        for family in BUILT_IN
        for method in family.bench_methods()
    ],
)
def test_a_built_in_method_behaves(name):
    check_method(name)
