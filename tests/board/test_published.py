import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.board.published import COLUMNS, FIGURES, PublishedRun, read_published
from harness.errors import BenchError
from harness.files import shipped
from harness.plugins import METHODS, installed, load_methods

Array = NDArray[Any]
Counts = tuple[int | None, ...]

RUNS = read_published()
OFFICIAL = [run for run in RUNS if run.task == "membership" and run.source == "official"]
SELF_REPORTED_2025 = [run for run in RUNS if run.edition == "2025" and run not in OFFICIAL][-6:]
TEAM_603110 = [run for run in RUNS if run.run.startswith("603110-")]
ROUNDED, CUT_OFF = (
    (0.5, 0.5),
    (0.5, 1.0),
)  # how far truth may lie below and above the print, in units


def figures(tp: Array, fp: Array, positives: int, negatives: int) -> dict[str, Array]:
    total, called = positives + negatives, tp + fp
    accuracy = (tp + negatives - fp) / total
    chance = (called * positives + (total - called) * negatives) / total**2
    return {
        "kappa": (accuracy - chance) / (1 - chance),
        "accuracy": accuracy,
        "precision": tp / np.maximum(called, 1),
        "recall": tp / positives,
        "f1": 2 * tp / (called + positives),
        "specificity": 1 - fp / negatives,
    }


def fitting_counts(run: PublishedRun, slack: tuple[float, float] = ROUNDED) -> list[Counts]:
    """Every (tp, fp, tn, fn) whose figures agree with all that is printed."""
    positives, negatives = run.positives, run.negatives
    assert positives is not None
    assert negatives is not None
    tp, fp = np.ogrid[: positives + 1, : negatives + 1]
    fits = np.ones((positives + 1, negatives + 1), bool)
    exact = figures(tp, fp, positives, negatives)
    for name, printed in run.metrics().items():
        unit = 10.0 ** -len(getattr(run, name).partition(".")[2])
        above = (exact[name] - printed) / unit
        fits &= (above >= -slack[0] - 1e-6) & (above <= slack[1] + 1e-6)
    return [(int(t), int(f), int(negatives - f), int(positives - t)) for t, f in np.argwhere(fits)]


def stored_counts(run: PublishedRun) -> Counts:
    return (run.tp, run.fp, run.tn, run.fn)


def by_number(run: PublishedRun) -> str:
    return run.run


def test_the_tables_hold_every_published_run_once() -> None:
    names = [(run.edition, run.task, run.run) for run in RUNS]
    assert len(set(names)) == len(names)
    tables = [(run.edition, run.task, run.source) for run in RUNS]
    assert {table: tables.count(table) for table in tables} == {
        ("2023", "membership", "self-reported"): 4,
        ("2024", "membership", "self-reported"): 2,
        ("2025", "membership", "official"): 33,
        ("2025", "membership", "self-reported"): 6,
        ("2025", "attribution", "official"): 11,
    }


@pytest.mark.parametrize("run", OFFICIAL, ids=by_number)
def test_one_table_of_counts_fits_an_official_run_and_it_is_the_stored_one(
    run: PublishedRun,
) -> None:
    assert set(run.metrics()) == {"kappa", "accuracy", "precision", "recall", "f1"}
    assert fitting_counts(run) == [stored_counts(run)]


@pytest.mark.parametrize("run", TEAM_603110, ids=by_number)
def test_one_table_of_counts_fits_a_603110_run_and_it_is_the_stored_one(run: PublishedRun) -> None:
    assert fitting_counts(run, CUT_OFF) == [stored_counts(run)]


@pytest.mark.parametrize("run", SELF_REPORTED_2025, ids=by_number)
def test_counts_of_a_self_reported_run_are_stored_where_they_are_unique_and_only_there(
    run: PublishedRun,
) -> None:
    assert run.team == "taozi"
    fitting = fitting_counts(run)
    assert fitting
    assert stored_counts(run) == (fitting[0] if len(fitting) == 1 else (None,) * 4)


def test_the_figures_of_vcmi_fit_no_table_of_counts() -> None:
    (run,) = [run for run in RUNS if run.run == "VCMI-best"]
    assert fitting_counts(run, CUT_OFF) == []
    assert stored_counts(run) == (None,) * 4


@pytest.mark.parametrize(
    "run",
    [run for run in RUNS if run.run in {"1878", "1369", "1330", "1776", "1875"}],
    ids=by_number,
)
def test_scikit_learn_gives_the_printed_figures_on_labels_with_the_stored_counts(
    run: PublishedRun,
) -> None:
    from sklearn import metrics

    counts = [run.tp or 0, run.fp or 0, run.tn or 0, run.fn or 0]
    truth, called = np.repeat([1, 0, 0, 1], counts), np.repeat([1, 1, 0, 0], counts)
    measured = {
        "kappa": metrics.cohen_kappa_score(truth, called),
        "accuracy": metrics.accuracy_score(truth, called),
        "precision": metrics.precision_score(truth, called),
        "recall": metrics.recall_score(truth, called),
        "f1": metrics.f1_score(truth, called),
    }
    for name, value in measured.items():
        printed = getattr(run, name)
        digits = len(printed.partition(".")[2])
        assert abs(value - float(printed)) <= 0.5 * 10**-digits + 1e-9, name


def test_metrics_are_the_printed_figures_and_nothing_else() -> None:
    first, vcmi = OFFICIAL[0], next(run for run in RUNS if run.run == "VCMI-best")
    assert first.metrics() == {
        "kappa": 0.148,
        "accuracy": 0.574,
        "precision": 0.5698,
        "recall": 0.604,
        "f1": 0.5864,
    }
    assert vcmi.metrics() == {"accuracy": 0.81, "f1": 0.801}
    assert vcmi.accuracy == "0.810"


ROW = dict.fromkeys(COLUMNS, "") | {
    "edition": "2026",
    "task": "membership",
    "team": "us",
    "run": "7",
    "accuracy": "0.60",
    "source": "self-reported",
    "paper": "Us 2026",
    "where": "Table 1",
    "why_not": "secret",
}


def write_table(folder: Path, *rows: dict[str, str], name: str = "2026-membership.csv") -> Path:
    with (folder / name).open("w", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return folder


def test_a_table_of_ones_own_is_read_as_it_stands(tmp_path: Path) -> None:
    counts = {"tp": "3", "fp": "2", "tn": "3", "fn": "2", "positives": "5", "negatives": "5"}
    (run,) = read_published(write_table(tmp_path, ROW | counts))
    assert (run.accuracy, run.kappa, run.tp, run.negatives) == ("0.60", "", 3, 5)
    assert run.metrics() == {"accuracy": 0.6}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"team": ""}, "team is empty"),
        ({"task": "detection"}, "membership or attribution"),
        ({"edition": "2025"}, "belongs into '2025-membership.csv'"),
        ({"source": "rumour"}, "official or self-reported"),
        ({"accuracy": "60%"}, "accuracy '60%'"),
        ({"accuracy": "1.2"}, "from 0 to 1"),
        ({"recall": "-0.1"}, "from 0 to 1"),
        ({"kappa": "-1.1"}, "from -1 to 1"),
        ({"f1": "nan"}, "f1 'nan'"),
        ({"tp": "3"}, "all of tp, fp, tn and fn"),
        ({"positives": "many"}, "whole number"),
        ({"positives": "-5"}, "whole number"),
        ({"positives": "1" * 5000}, "whole number"),
        (
            {"tp": "3", "fp": "2", "tn": "3", "fn": "3", "positives": "5", "negatives": "5"},
            "tp + fn",
        ),
        ({"method": "random"}, "either method or why_not"),
        ({"why_not": ""}, "either method or why_not"),
    ],
)
def test_a_bad_value_is_named_with_its_file_and_line(
    tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    write_table(tmp_path, ROW, ROW | {"run": "8"} | change)
    with pytest.raises(BenchError) as error:
        read_published(tmp_path)
    message = str(error.value)
    assert f"{tmp_path / '2026-membership.csv'}, line 3" in message
    assert complaint in message
    assert "\n" not in message


def test_a_run_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"line 3: run '7' is listed twice"):
        read_published(write_table(tmp_path, ROW, ROW))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "line 1: the header must be edition,task"),
        (b"edition,task\n", "line 1: the header must be edition,task"),
        (",".join(COLUMNS).encode() + b"\n2026,membership\n", "line 2: 2 cells where 22 belong"),
        (b"\xff\xfe\x00", "not a readable UTF-8 table"),
        (b'"open', "not a readable UTF-8 table"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "2026-membership.csv").write_bytes(content)
    with pytest.raises(BenchError, match=complaint):
        read_published(tmp_path)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no published tables"):
        read_published(tmp_path / "nowhere")


def test_the_readme_counts_the_rows_of_each_table() -> None:
    text = shipped("leaderboards", "published", "README.md").read_text()
    for table in {f"{run.edition}-{run.task}" for run in RUNS}:
        rows = sum(f"{run.edition}-{run.task}" == table for run in RUNS)
        assert f"| `{table}.csv` | {rows} |" in text


def test_figures_are_fields_of_a_run() -> None:
    assert set(FIGURES) < set(COLUMNS)


UNDESCRIBED = {
    "yunnan-validation", "yunnan-best",
    "1330", "1356", "1359", "1360", "1364", "1366", "1367", "1368", "1369", "1777", "1794", "1877",
    "1879", "1882", "1883",
}  # fmt: skip


def test_every_described_run_has_a_method_and_no_other_is_claimed() -> None:
    assert {run.run for run in RUNS if not run.method} == UNDESCRIBED
    methods = {m.name: m for p in installed(METHODS) for m in load_methods(p)}
    claims = {name: m.reference.runs for name, m in methods.items() if m.reference}
    claimed = {(run, name) for name, runs in claims.items() for run in runs}
    for run in RUNS:
        if run.method:
            assert (run.run, run.method) in claimed
            assert methods[run.method].task == run.task
    assert {run for run, _ in claimed} == {run.run for run in RUNS} - UNDESCRIBED
