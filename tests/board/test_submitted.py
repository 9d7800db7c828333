"""An organiser ranks the run files of a challenge."""

import csv

import pytest

from support import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory, cards):
    """A folder of runs: two methods, the first one's copy and its inversion."""
    bench = Bench(tmp_path_factory.mktemp("submitted"), cards=cards)
    runs = bench.folder / "runs"
    runs.mkdir()
    for name in ("nearest-pixel", "random"):
        options = ("--datasets", bench.phantom(), "-d", "small", "-o", runs / f"{name}.csv")
        bench("submit", "-m", name, *options)
    rows = list(csv.reader((runs / "nearest-pixel.csv").read_text().splitlines()))
    written = {"copied": [(row[0], row[1]) for row in rows]}
    written["inverted"] = [(row[0], 1 - int(row[1])) for row in rows]
    for name, lines in written.items():
        (runs / f"{name}.csv").write_text("".join(f"{image},{label}\n" for image, label in lines))
    return bench


def test_run_files_are_ranked_like_methods(bench):
    told = bench.json(
        "score", "runs", "--datasets", "small.yaml", "-d", "small", "--board", "--json"
    )
    ranks = {row["method"]: row["rank"] for row in told["rows"]}
    assert ranks == {"nearest-pixel": 1, "copied": 1, "random": 3, "inverted": 4}
    rows = {row["method"]: row for row in told["rows"]}
    assert "auc" in rows["nearest-pixel"]["metrics"]
    assert "auc" not in rows["copied"]["metrics"], "it has labels alone"
    assert (told["budget"], told["compared"]) == (None, True)


def test_the_same_and_opposite_answers_are_flagged(bench):
    text = bench("score", "runs", "--datasets", "small.yaml", "-d", "small", "--board").stdout
    assert "! copied and nearest-pixel give the same label to every image" in text
    assert "! inverted and nearest-pixel give opposite labels to every image" in text
    assert "Above chance: " in text
    assert "official protocol, run files" in text


def test_a_folder_needs_the_word_and_a_run_file(bench):
    line = bench.refused("score", "runs", "--datasets", "small.yaml", "-d", "small")
    assert "add --board" in line
    (bench.folder / "none").mkdir()
    line = bench.refused("score", "none", "--datasets", "small.yaml", "-d", "small", "--board")
    assert "holds no run file" in line


def test_a_bad_run_file_is_named(bench):
    (bench.folder / "bad").mkdir()
    (bench.folder / "bad" / "team.csv").write_text("unknown.png,1\n")
    line = bench.refused("score", "bad", "--datasets", "small.yaml", "-d", "small", "--board")
    assert "team.csv" in line
