import csv
import io
import subprocess
from types import SimpleNamespace

import pytest

from harness.cli import reporting
from harness.datasets.catalogue import Catalogue
from harness.forge.builtin import bench_recipes
from harness.method import Task
from harness.running.plan import Plan
from harness.running.records import RecordStore


def small(bench, **options):
    return ("--datasets", bench.phantom(**options), "-d", "small")


def test_help_of_every_verb_shows_examples(bench):
    verbs = [
        "run",
        "show",
        "board",
        "fetch",
        "publish",
        "check",
        "submit",
        "score",
        "power",
        "forge gan",
    ]
    verbs += ["plugin new", "plugin check"]
    helped = bench("--help").stdout
    for verb in verbs:
        assert verb.split()[0] in helped
        assert f"bench {verb}" in bench(*verb.split(), "--help").stdout


def test_help_needs_neither_torch_nor_numpy(bench):
    code = "import sys, harness.cli; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_nothing_to_do_needs_neither_torch_nor_scikit_learn(bench):
    bench("run", "-m", "nearest-pixel", "-m", "blind", *small(bench))
    import sys

    code = (
        "import sys; from harness.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: print({'torch', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    arguments = ["run", "-m", "nearest-pixel", "-m", "blind", *map(str, small(bench))]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=True, env=bench.environment, cwd=bench.folder,
    )  # fmt: skip
    assert "nothing to do" in done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_submission_scores_as_the_run_it_came_from(bench):
    data = small(bench)
    bench("run", "-m", "nearest-pixel", *data)
    bench("submit", "-m", "nearest-pixel", *data, "-o", "run.csv")
    scored = bench.json("score", "run.csv", *data, "--json")
    record = bench.records()["results/small/nearest-pixel@official-demo-0.json"]
    assert set(record["metrics"]) == set(scored)
    for name, figure in record["metrics"].items():
        assert scored[name] == pytest.approx(figure), name


def test_the_same_board_in_every_format(bench):
    bench("run", "-m", "nearest-pixel", "-m", "random", *small(bench))
    board = bench.json("board", "small", "--format", "json")
    assert [row["control"] for row in board["rows"]] == [False, True]
    first = board["rows"][0]
    assert first["rank"] == 1
    kappa = f"{first['metrics']['kappa']['value']:.3f}"
    for form in ("table", "md", "csv"):
        text = bench("board", "small", "--format", form).stdout
        assert "nearest-pixel" in text
    assert kappa in bench("board", "--format", "md").stdout
    rows = list(csv.DictReader(io.StringIO(bench("board", "--format", "csv").stdout)))
    assert {row["method"] for row in rows} == {"nearest-pixel", "random"}
    bench("board", "small", "--format", "md", "-o", "board.md")
    assert kappa in (bench.folder / "board.md").read_text()


def test_publishing_again_without_a_change_gives_no_difference(bench):
    bench("run", "-m", "nearest-pixel", "-m", "random", *small(bench))
    bench("publish", "--to", "boards")

    def published():
        folder = bench.folder / "boards"
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = published()
    assert {path.name for path in first} >= {"small.md", "README.md"}
    bench("run", "-m", "nearest-pixel", "-m", "random", *small(bench), "--fresh")
    bench("publish", "--to", "boards")
    assert published() == first


def test_a_site_shows_what_was_run_and_again_the_same(bench):
    data = ("--datasets", bench.phantom())
    bench("run", "-m", "nearest-pixel", "-m", "random", *data, "-d", "small")
    arguments = ("publish", "--to", "boards", "--site", "pages", *data)

    def written():
        bench(*arguments)
        folder = bench.folder / "pages"
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = written()
    assert first == written()
    board = (bench.folder / "pages" / "boards" / "small.html").read_text()
    assert board.count("<img") > 10
    assert "ROC curves" in board
    assert not [path for path, content in first.items() if str(bench.folder).encode() in content]
    (bench.folder / "pages" / "mine.txt").write_text("kept")
    assert "holds mine.txt" in bench.refused(*arguments)


@pytest.mark.slow
def test_published_records_are_enough_for_a_site(bench):
    bench("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small")
    bench("publish", "--to", "boards")
    arguments = ("publish", "--to", "boards", "--results", "nowhere")
    assert "bench run --all" in bench.refused(*arguments)
    bench(*arguments, "--site", "pages")
    page = (bench.folder / "pages" / "boards" / "small.html").read_text()
    assert "the answers were not at hand" in page


def test_published_runs_are_listed_with_their_method_or_why_none_has_it(bench):
    rows = {row["run"]: row for row in bench.json("list", "published", "--json")}
    assert rows["1288"]["method"] == "cosine-threshold"
    assert rows["1288"]["metrics"]["kappa"] == 0.016
    assert all(bool(row["method"]) != bool(row["why_not"]) for row in rows.values())


def test_lists_name_data_sets_backbones_and_controls(bench):
    datasets = {row["name"]: row for row in bench.json("list", "datasets", "--json")}
    assert datasets["phantom-planted"]["default"]
    assert datasets["phantom-null"]["available"]
    backbones = {row["name"]: row for row in bench.json("list", "backbones", "--json")}
    here = {name for name, row in backbones.items() if row["available"]}
    assert {"pixels", "lbp", "tf_efficientnet_lite0"} <= here
    absent = backbones["vit_large_patch16_224"]
    assert absent["weights"] == "hub:timm/vit_large_patch16_224.augreg_in21k_ft_in1k"
    assert (absent["available"], absent["sha256"]) == (False, None)
    controls = [row["name"] for row in bench.json("list", "controls", "--json")]
    attribution = ["content-only", "content-only-features", "majority", "random-subset"]
    assert sorted(controls) == sorted(
        [*attribution, "blind", "constant", "patient-lookup", "random"]
    )


def test_datasets_may_be_given_before_the_verb(bench):
    shown = bench.json("--datasets", bench.phantom(), "show", "small", "--json")
    assert shown["fetch"]["phantom"]["seed"] == 1
    assert shown["origin"].endswith("small.yaml:2")


def test_a_long_run_shows_its_first_board_before_it_ends(bench, monkeypatch, capsys):
    bench("run", "-m", "random", "-m", "constant", "--datasets", bench.phantom(), "-d", "small")
    store = RecordStore(bench.folder / "results")
    records = list(store.of("small"))
    fingerprint = records[0].dataset.fingerprint
    entry = SimpleNamespace(name="small", task=Task.MEMBERSHIP, comparable_to=())
    dataset = SimpleNamespace(entry=entry, fingerprint=fingerprint)
    cells = [
        SimpleNamespace(
            card=SimpleNamespace(name=record.method.name), dataset=dataset, changed={}, seed=0,
            protocol=record.protocol, budget=record.method.budget, backbones=[],
        )
        for record in records
    ]  # fmt: skip
    monkeypatch.setattr(reporting, "FIRST_BOARD", -1)
    talker = reporting.Talker()
    talker.begin(Plan(tuple(cells), (), (0.5, 0.5), 0), store)
    for cell, record in zip(cells, records, strict=True):
        talker.cell(cell)
        talker.finished(cell, record)
    said = capsys.readouterr().err
    assert said.count("The board so far") == 1

    assert said.index("1/2") < said.index("small · membership") < said.index("2/2")


def test_a_log_names_the_data_set_that_took_long_to_draw(bench, monkeypatch, capsys):
    monkeypatch.setenv("BENCH_CACHE", str(bench.folder / "cache"))
    [entry] = Catalogue([bench.phantom()])
    monkeypatch.setattr(reporting, "LONG", 0.0)
    reporting.Talker().open_dataset(entry, bench_recipes())
    assert capsys.readouterr().err.startswith("read   small in ")
    monkeypatch.setattr(reporting, "LONG", 1e6)
    reporting.Talker().open_dataset(entry, bench_recipes())
    assert capsys.readouterr().err == ""
