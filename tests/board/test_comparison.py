"""Boards whose methods are compared by their answers, from a run to what a reader is told."""

import json
import shutil
from dataclasses import replace

import pytest

from harness.board.board import Board, Row
from harness.board.comparison import Comparison, Standing
from harness.board.wording import finding
from harness.method import Budget, Task
from harness.running.records import Figure, Status
from support import Bench, method_source

METHODS = ("nearest-pixel", "nearest-pixel-l2", "coin", "random")


@pytest.fixture(scope="module")
def bench(tmp_path_factory, cards):
    bench = Bench(tmp_path_factory.mktemp("compared"), cards=cards)
    bench.plugin("coin", method_source("coin", "return Prediction(np.zeros(n), np.arange(n) % 2)"))
    named = [part for name in METHODS for part in ("-m", name)]
    bench("run", *named, "--datasets", bench.phantom(), "-d", "small")
    return bench


def small(bench):
    return bench.json("board", "small", "--format", "json")


def comparison_of(bench):
    return bench.folder / "results" / "small" / "comparison-official-demo.json"


def test_a_run_compares_its_methods_by_their_answers(bench):
    rows = {found["method"]: found for found in small(bench)["rows"]}
    assert small(bench)["compared"]
    assert rows["nearest-pixel"]["rank"] == rows["nearest-pixel-l2"]["rank"] == 1
    assert rows["coin"]["rank"] == 3
    assert rows["nearest-pixel"]["p_adjusted"] < 0.05 < rows["coin"]["p_adjusted"]
    assert rows["random"]["rank"] is rows["random"]["p"] is None, "a control is no competitor"


def test_the_board_says_first_who_is_above_chance(bench):
    [said] = [line for line in bench("board", "small").stdout.splitlines() if "chance" in line]
    assert said.startswith("Above chance: nearest-pixel")
    assert "(2 of 3 methods, corrected for their number)" in said
    assert "**Above chance: nearest-pixel" in bench("board", "small", "--format", "md").stdout


def test_the_comparison_holds_neither_truth_nor_answers(bench):
    content = json.loads(comparison_of(bench).read_text())
    told = {"standings", "blind", "best_p", "draws", "note", "rehearsals", "form"}
    assert set(content) == told
    assert all(
        set(s) == {"answers", "rank", "rank_in_access", "p", "adjusted", "thresholds"}
        for s in content["standings"].values()
    )


def test_ranks_of_other_answers_are_not_taken(bench, tmp_path):
    """A record that came or changed since makes the comparison one of other methods."""
    shutil.copytree(bench.folder / "results", tmp_path / "results")
    (tmp_path / "results" / "small" / "coin@official-demo-0.json").unlink()
    told = bench.json("board", "small", "--format", "json", "--results", tmp_path / "results")
    assert not told["compared"]
    assert {found["p"] for found in told["rows"]} == {None}
    text = bench("board", "small", "--results", tmp_path / "results").stdout
    assert "interval lies wholly above" in " ".join(text.split())


def test_published_runs_stand_on_a_board_whose_images_they_were_measured_on(bench):
    declared = (bench.folder / "small.yaml").read_text() + "  comparable_to: [2025-membership]\n"
    (bench.folder / "declared.yaml").write_text(declared)
    assert "run 1878" not in bench("board", "small").stdout
    shown = bench("board", "small", "--datasets", "declared.yaml").stdout
    [row] = [line for line in shown.splitlines() if "Neural Nexus, run 1878" in line]
    assert row.split()[0] == "published"
    assert "0.148 [" in row
    same = bench.json("board", "small", "--format", "json", "--datasets", "declared.yaml")["rows"]
    assert {found["rank"] for found in same if "run 1878" in found["method"]} == {None}


def test_published_boards_keep_the_comparison(bench):
    bench("publish", "--to", "boards")
    first = (bench.folder / "boards" / "small.md").read_text()
    assert "Above chance: nearest-pixel" in first
    bench("publish", "--to", "boards")
    assert (bench.folder / "boards" / "small.md").read_text() == first


def test_two_methods_are_compared_on_the_same_questions(bench):
    compare = ("compare", "nearest-pixel", "coin", "--datasets", "small.yaml")
    told = bench.json(*compare, "-d", "small", "--json")
    kappa, auc = told["differences"]["kappa"], told["differences"]["auc"]
    assert 0 < kappa["low"] < kappa["value"] < kappa["high"]
    assert kappa["p"] < 0.05
    assert auc["n"] == 60
    assert sum(told["overlap"].values()) == pytest.approx(1)
    turned = bench.json("compare", "coin", "nearest-pixel", *compare[3:], "-d", "small", "--json")
    assert turned["differences"]["kappa"]["value"] == -kappa["value"]
    text = bench(*compare, "-d", "small").stdout
    assert "nearest-pixel less coin" in text
    assert "Both right" in text


def test_a_method_without_results_is_refused_with_the_nearest_name(bench):
    line = bench.refused(
        "compare", "nearest-pixl", "random", "--datasets", "small.yaml", "-d", "small"
    )
    assert "nearest-pixl" in line
    assert "did you mean nearest-pixel" in line


def test_answers_that_were_changed_are_not_compared(bench, tmp_path):
    shutil.copytree(bench.folder / "results", tmp_path / "results")
    answers = tmp_path / "results" / "small" / "random@official-demo-0.csv"
    answers.write_text(answers.read_text().replace(",1,", ",0,"))
    line = bench.refused(
        "compare", "nearest-pixel", "random", "--datasets", "small.yaml", "-d", "small",
        "--results", tmp_path / "results",
    )  # fmt: skip
    assert "not at hand" in line


def compared(adjusted, *, blind=0.11, best_p=0.02):
    """A board of methods with the given corrected p values, the first one the best."""
    rows = []
    for place, p in enumerate(adjusted):
        kappa = Figure(value=0.2 - place / 100, low=0.1, high=0.3, n=400, groups=200)
        told = Standing(answers="0", rank=1, p=p, adjusted=p)
        name, metrics = f"method-{place}", {"kappa": kappa}
        rows.append(Row(name, name, False, Status.OK, None, 1, (), (), metrics, 1.0, told))
    comparison = Comparison(standings={}, blind=blind, best_p=best_p, draws=2000)
    return Board("set", Task.MEMBERSHIP, "official", Budget.DEMO, "0", (), tuple(rows), comparison)


def test_nobody_above_chance_is_said_with_what_luck_does():
    said = finding(compared([0.4, 1.0], best_p=0.4))
    assert said.startswith("None of 2 methods is above chance, corrected for their number.")
    assert "The best, method-0, has kappa 0.200 [0.10, 0.30]." in said
    assert "The best of 2 that know nothing exceeds kappa 0.110 on one such board in 20." in said


def test_what_is_above_chance_without_the_generator_is_no_leak():
    told = compared([0.001, 0.001])
    auc = told.rows[0].metrics["kappa"].model_copy(update={"value": 0.9, "low": 0.85, "high": 0.95})
    alike = auc.model_copy(update={"value": 0.8, "low": 0.7, "high": 0.88})
    low = auc.model_copy(update={"value": 0.5, "low": 0.4, "high": 0.6})
    rows = [
        replace(found, metrics={**found.metrics, "auc": auc, "auc_null_pool": null})
        for found, null in zip(told.rows, (low, alike), strict=True)
    ]
    assert "No leak is shown by method-1:" in finding(replace(told, rows=tuple(rows)))


def test_too_few_patients_are_said_to_tell_nothing():
    told = compared([None])
    untold = replace(told, rows=tuple(replace(found, rank=None) for found in told.rows))
    assert finding(untold) == "Whether any method is above chance cannot be told."


def test_in_cross_validation_intervals_tell_who_is_above_chance():
    """What was learnt of the labels of other folds does not change when the truth is dealt anew."""
    told = compared([None, None])
    cv = replace(told, comparison=told.comparison.model_copy(update={"draws": 0, "blind": None}))
    assert (
        finding(cv)
        == "Above chance: method-0, method-1 (2 of 2 methods, corrected for their number)."
    )
