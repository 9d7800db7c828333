"""Several seeds make one row, and every look at a test split is counted."""

import json
import shutil

import pytest

from harness.board.board import make_board
from harness.board.markdown import board_markdown
from harness.board.seeds import mean_figures, spread
from harness.running.looks import bring_looks, count_look, count_looks
from harness.running.records import Figure, Status
from support import Bench, method_source
from world import record


def runs(kappas):
    return [record("set", "m", kappa, seed=seed) for seed, kappa in enumerate(kappas)]


def test_a_row_is_the_mean_of_its_seeds_and_not_the_best():
    [row] = make_board(runs([0.1, 0.4, 0.1])).rows
    kappa = row.metrics["kappa"]
    assert (kappa.value, kappa.low, kappa.high) == pytest.approx((0.2, 0.1, 0.3))
    assert "mean of 3 seeds" in kappa.note
    assert row.spread == pytest.approx(0.173, abs=0.001)
    assert (row.method, row.seeds) == ("m", (0, 1, 2))
    assert "| 3 (sd 0.173) |" in board_markdown(make_board(runs([0.1, 0.4, 0.1])))


def test_a_single_seed_stays_as_it_is_and_is_named():
    [single] = runs([0.3])
    assert mean_figures([single])["kappa"] == single.metrics["kappa"]
    assert spread([single], "kappa") is None
    later = single.model_copy(update={"seed": 7})
    assert [row.method for row in make_board([later]).rows] == ["m seed 7"]


def test_a_seed_that_failed_is_not_left_out_of_the_mean():
    good, bad = runs([0.9, 0.0])
    failed = bad.model_copy(update={"status": Status.FAILED, "reason": "no", "metrics": {}})
    [row] = make_board([good, failed]).rows
    assert (row.status, row.reason, row.metrics) == (Status.FAILED, "seed 1: no", {})
    assert row.rank is None


def test_a_figure_that_one_seed_lacks_has_no_mean_and_keeps_the_note():
    first, second = runs([0.1, 0.2])
    untold = Figure(value=None, low=None, high=None, n=0, groups=0, note="not defined: why")
    lacking = second.model_copy(update={"metrics": {**second.metrics, "auc": untold}})
    auc = mean_figures([first, lacking])["auc"]
    assert (auc.value, auc.note) == (None, "not defined: why")


def test_looks_are_counted_once_for_each_cell_and_not_in_cross_validation(tmp_path):
    first = record("set", "m", 0.1)
    other = first.model_copy(update={"key": "other parameters"})
    cv = first.model_copy(update={"key": "folds", "protocol": "cv"})
    for one in (first, other, first, cv):
        count_look(tmp_path / "set", one)
    looked = "f" * 64, "m"
    assert count_looks(tmp_path / "set", [])[looked] == 2
    third = first.model_copy(update={"key": "never noted"})
    assert count_looks(tmp_path / "set", [third, first])[looked] == 3
    assert count_looks(tmp_path / "nothing", [first])[looked] == 1


def test_published_looks_add_up_and_stay_the_same_when_published_again(tmp_path):
    here, there, target = (tmp_path / name for name in ("here", "there", "target"))
    first = record("set", "m", 0.1)
    count_look(here, first)
    count_look(there, first)
    count_look(there, first.model_copy(update={"key": "another"}))
    bring_looks(here, target)
    bring_looks(there, target)
    text = (target / "looks.txt").read_text()
    bring_looks(here, target)
    assert (target / "looks.txt").read_text() == text
    assert len(text.splitlines()) == 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory, cards):
    """Two methods with two seeds each, and their cross-validation with the same seeds."""
    bench = Bench(tmp_path_factory.mktemp("seeds"), cards=cards)
    coin = "labels = tools.rng.integers(0, 2, n)\nreturn Prediction(labels + 0.0, labels)"
    bench.plugin("coin", method_source("coin", coin))
    named = ("-m", "nearest-pixel", "-m", "coin", "--datasets", bench.phantom(), "-d", "small")
    seeds = ("--seed", "0", "--seed", "1")
    bench("run", *named, *seeds, "--protocol", "cv")
    bench("run", *named, *seeds)
    return bench


def test_a_run_of_several_seeds_is_compared_by_their_mean(bench):
    told = bench.json("board", "small", "--protocol", "official", "--format", "json")
    rows = {row["method"]: row for row in told["rows"]}
    assert set(rows) == {"nearest-pixel", "coin"}
    assert {name: row["seeds"] for name, row in rows.items()} == {key: [0, 1] for key in rows}
    assert (rows["nearest-pixel"]["rank"], rows["coin"]["rank"]) == (1, 2)
    assert rows["nearest-pixel"]["spread_between_seeds"] == 0.0
    assert rows["coin"]["spread_between_seeds"] > 0
    assert {row["looks"] for row in rows.values()} == {2}
    assert rows["nearest-pixel"]["rank_in_access"] == rows["coin"]["rank_in_access"] == 1
    assert rows["nearest-pixel"]["p_adjusted"] < 0.05 < rows["coin"]["p_adjusted"]


def test_kappa_is_told_at_thresholds_that_are_the_same_rule_for_all(bench):
    told = bench.json("board", "small", "--protocol", "official", "--format", "json")
    for row in told["rows"]:
        figures = row["metrics"]
        best = figures["kappa_best"]["value"]
        for name in ("kappa", "kappa_common", "kappa_prior"):
            assert figures[name]["value"] <= best
        assert 0 < figures["positive_rate"]["value"] < 1
    text = bench("board", "small", "--protocol", "official", "--format", "md").stdout
    assert "### Kappa at other thresholds" in text
    assert "best (oracle)" in text


def test_without_cross_validation_there_is_no_rule_learnt_on_training_reals(bench, tmp_path):
    shutil.copytree(bench.folder / "results", tmp_path / "results")
    for path in (tmp_path / "results" / "small").glob("*@cv-*"):
        path.unlink()
    named = ("-m", "nearest-pixel", "-m", "coin", "--datasets", "small.yaml", "-d", "small")
    seeds = ("--seed", "0", "--seed", "1", "--results", tmp_path / "results")
    said = bench("run", *named, *seeds).stderr
    assert "nothing to do" in said
    comparison = tmp_path / "results" / "small" / "comparison-official-demo.json"
    for standing in json.loads(comparison.read_text())["standings"].values():
        assert set(standing["thresholds"]) == {"kappa_prior", "kappa_best"}
