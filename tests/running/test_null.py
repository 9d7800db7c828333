"""Where there is nothing to find, nothing may be found."""

import csv

import pytest
from scipy.stats import binom

SETS = 20
POPULATION = """
null-{seed}:
  task: membership
  layout: pack
  fetch:
    phantom:
      seed: {seed}
      size: 32
      slices: 2
      patients: {{train: 15, test: 40}}
      generated: {{train: 60, test: 60, null: 0}}
      copies: {{share: 0}}
"""


@pytest.mark.slow
def test_intervals_of_auc_miss_one_half_no_more_often_than_they_may(bench):
    """Over redrawn null sets, the misses of each method's 95 % interval are binomial (1 %)."""
    yaml = bench.folder / "null.yaml"
    yaml.write_text("".join(POPULATION.format(seed=seed) for seed in range(1000, 1000 + SETS)))
    bench("run", "--all", "--datasets", yaml, "-d", "null-*")
    rows = list(csv.DictReader(bench("board", "--format", "csv").stdout.splitlines()))
    aucs = [row for row in rows if row["metric"] == "auc"]
    methods = {row["method"] for row in aucs}
    assert {"nearest-pixel", "cosine-threshold", "blind", "patient-lookup"} <= methods
    allowed = binom.ppf(0.99, SETS, 0.05)
    for method in methods:
        drawn = [row for row in aucs if row["method"] == method]
        assert len(drawn) == SETS
        missed = [row for row in drawn if not float(row["low"]) <= 0.5 <= float(row["high"])]
        assert len(missed) <= allowed, method


@pytest.mark.slow
def test_the_planted_leak_is_found_and_the_null_set_and_the_controls_find_nothing(bench):
    bench("run", "--all", "-d", "phantom-planted", "-d", "phantom-null")
    planted, null = (
        {row["method"]: row for row in bench.json("board", name, "--format", "json")["rows"]}
        for name in ("phantom-planted", "phantom-null")
    )
    auc = planted["nearest-pixel"]["metrics"]["auc"]
    assert auc["value"] >= 0.85
    assert auc["value"] <= 0.9 + 0.02  # the ceiling of a dose of 0.8, and chance among the others
    assert planted["nearest-pixel"]["metrics"]["auc_null_pool"]["high"] < auc["low"]
    for board in (planted, null):
        for control in ("blind", "patient-lookup", "random", "constant"):
            figure = board[control]["metrics"]["auc"]
            assert figure["low"] <= 0.5 <= figure["high"], control
    for row in null.values():  # whose patients differ a little by luck, as ``blind`` sees
        figure, unrelated = row["metrics"]["auc"], row["metrics"].get("auc_null_pool")
        assert row["control"] or row["p_adjusted"] > 0.05, row["method"]
        assert unrelated is None or figure["low"] <= unrelated["high"], row["method"]
