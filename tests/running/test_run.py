"""Cells that end well, badly or not at all: what the run, the records and the board then say."""

import csv
import hashlib
import json
import re

import pytest
import timm
import torch

from support import method_source

SCORES = "return Prediction(np.arange(n, dtype=float), np.arange(n) % 2)"


def record(bench, method, dataset="small"):
    path = bench.folder / "results" / dataset / f"{method}@official-demo-0.json"
    return json.loads(path.read_text())


def test_failed_cells_are_tried_again_and_finished_ones_are_not(bench):
    score = "import os; assert os.environ['PATH'].endswith('x'); " + SCORES
    bench.plugin("moody", method_source("moody", score.replace("; return", "\nreturn")))
    bench.plugin("fine", method_source("fine", SCORES))
    arguments = ["run", "-m", "moody", "-m", "fine", "--datasets", bench.phantom(), "-d", "small"]
    bench(*arguments, code=1)
    again = bench(*arguments, code=1)
    assert "1 cells to run, 1 already finished" in again.stderr


def test_a_worker_gets_pixels_in_the_order_of_their_digests_and_no_name(bench):
    """The method writes down all that it can see of the questions; none of it is a name."""
    score = """
        import hashlib, os, sys
        image = questions.unknown.pixels
        digests = [
            hashlib.sha256(f"{p.shape[0]}x{p.shape[1]}:".encode() + p.tobytes()).hexdigest()
            for p in image
        ]
        tools.log(str(digests == sorted(digests)))
        tools.log(str(image.flags.writeable))
        tools.log(str(sorted(os.environ)))
        tools.log(os.getcwd() + " " + str(os.listdir(".")))
        tools.log(str(sys.argv))
        raise RuntimeError("enough seen")
    """
    bench.plugin("looker", method_source("looker", score))
    bench("run", "-m", "looker", "--datasets", bench.phantom(), "-d", "small", code=1)
    order, writeable, environment, here, _ = [
        line
        for line in record(bench, "looker")["log"]
        if not line.startswith((" ", "Trace", "Run"))
    ]
    assert (order, writeable) == ("True", "False")
    assert "BENCH_RESULTS" not in environment
    assert here.endswith("[]")
    assert "real_unknown" not in json.dumps(record(bench, "looker")["log"])


def test_features_and_neighbours_reach_a_method_and_are_counted(bench):
    score = """
        from harness.features.store import map_rows
        whole = tools.features(questions.unknown, "pixels")
        half = tools.features(questions.unknown[::2], "pixels")
        assert np.array_equal(whole[::2], half)
        expected = questions.unknown.pixels.reshape(n, -1).astype(np.float32) / 255
        assert np.allclose(whole, expected)
        values, indices = tools.neighbours(whole, whole, "l2", k=2)
        assert (values[:, 0] == 0).all() and (indices[:, 0] == np.arange(n)).all()
        assert tools.cached("a", lambda: 1) == tools.cached("a", lambda: 2) == 1
        assert list(tools.progress(range(3), "counting")) == [0, 1, 2]
        return Prediction(-values[:, 1], np.ones(n, int))
    """
    bench.plugin("user", method_source("user", score))
    arguments = ("run", "-m", "user", "--datasets", bench.phantom(), "-d", "small")
    bench(*arguments)
    first = record(bench, "user")
    # Handed over are 60 questions and the pools of 60 each; access does not reach the reals.
    assert first["cache"] == {"hits": 0, "misses": 180, "answers": 0}
    assert first["weights"] == [
        {
            "backbone": "pixels",
            "source": "none",
            "sha256": first["weights"][0]["sha256"],
            "precision": "fp32",
        }
    ]
    bench(*arguments, "--fresh")
    assert record(bench, "user")["cache"] == {"hits": 180, "misses": 0, "answers": 0}


def test_several_layers_of_a_backbone_reach_a_method_from_one_pass(bench):
    score = """
        net = "test_resnet@random:0"
        pool, tokens = tools.features(questions.unknown, net, ("pool", "tokens"))
        assert tokens.shape == (n, 25, pool.shape[1]) and pool.dtype == tokens.dtype == np.float32
        assert np.allclose(tokens.mean(1), pool, atol=1e-5)
        some = questions.unknown[[5, 2]]
        assert np.array_equal(tools.features(some, net, "tokens"), tokens[[5, 2]])
        assert np.array_equal(tools.features(questions.unknown, net), pool)
        [inner] = tools.features(questions.unknown, net, ["stage3"])
        assert inner.ndim == 2 and np.isfinite(inner).all()
        return Prediction(pool[:, 0], np.ones(n, int))
    """
    bench.plugin("deep", method_source("deep", score))
    bench("run", "-m", "deep", "--datasets", bench.phantom(), "-d", "small")
    [weights] = record(bench, "deep")["weights"]
    assert (weights["backbone"], weights["source"]) == ("test_resnet@random:0", "random:0")
    # 180 images and three layers, of which the second pass computes the last one.
    assert record(bench, "deep")["cache"] == {"hits": 0, "misses": 540, "answers": 0}


TIGHT = """
import torch
from harness.features.backbones import Backbone
from harness.weights import Weights
from harness.plugins import hookimpl

class Extractor:
    preprocessing, precision, layers = "as it is", "fp32", ("pool",)
    independent, footprint = False, 1

    def __call__(self, pixels, layers):
        if len(pixels) > 8:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return [pixels.flatten(1).float()]

class Tight(Backbone):
    name = "tight"

    def at_hand(self):
        return Weights("tight", "none", "0" * 64)

    fetch = at_hand

    def load(self, device, precision):
        return Extractor()

@hookimpl
def bench_backbones():
    return {"tight": Tight()}
"""


def test_memory_that_is_short_is_said_in_the_record_of_a_cell_that_ends_well(bench):
    bench.plugin("tight", TIGHT, "hooks")
    score = "return Prediction(tools.features(questions.unknown, 'tight')[:, 0], np.ones(n, int))"
    bench.plugin("user", method_source("user", score))
    bench("run", "-m", "user", "--datasets", bench.phantom(), "-d", "small")
    found = record(bench, "user")
    assert found["status"] == "ok"
    said = "backbone tight: out of memory with {} images at a time on cpu; goes on with {}"
    assert found["log"] == [said.format(32, 16), said.format(16, 8)]


@pytest.mark.slow
def test_the_precision_that_auto_chose_is_in_the_record_with_the_reason(bench):
    net = "test_resnet@random:0"
    score = f"return Prediction(tools.features(questions.unknown, '{net}')[:, 0], np.ones(n, int))"
    bench.plugin("user", method_source("user", score))
    arguments = ["run", "-m", "user", "--datasets", bench.phantom(), "-d", "small"]
    bench(*arguments, "--precision", "auto")
    found = record(bench, "user")
    assert found["weights"][0]["precision"] == "fp32"
    assert found["environment"]["precision"] == "auto"
    reason = "fp32: 60 images are too few to check bf16 on"
    assert found["environment"]["precision_chosen"] == {net: reason}
    assert "1 cells to run; about" in bench(*arguments, "--dry-run").stderr, "another precision"
    bench(*arguments, "--precision", "bf16")
    found = record(bench, "user")
    assert found["weights"][0]["precision"] == "bf16"
    assert "precision_chosen" not in found["environment"]
    assert "choose auto, fp32 or bf16" in bench.refused(*arguments, "--precision", "fp16")


def test_a_run_on_fewer_threads_says_so(bench):
    bench("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small", "--threads", "1")
    assert record(bench, "random")["environment"]["threads"] == 1


def test_the_predictions_file_holds_every_question_once_under_its_digest(bench):
    bench("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small")
    facts = record(bench, "random")["predictions"]
    file = bench.folder / "results" / "small" / facts["path"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == facts["sha256"]
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len({row["image"] for row in rows}) == len(rows) == 60
    assert {row["case"] for row in rows} == {"official"}


@pytest.mark.slow
def test_a_cell_runs_again_when_what_it_depends_on_changes(bench):
    yaml = bench.phantom()
    weights = bench.folder / "lite.pth"
    network = timm.create_model("tf_efficientnet_lite0")
    torch.save(network.state_dict(), weights)
    bench.plugin("mine", method_source("mine", SCORES))
    arguments = ["run", "-m", "mine", "-m", "cosine-threshold", "--datasets", yaml, "-d", "small"]
    arguments += ["--weights", f"tf_efficientnet_lite0={weights}"]

    def to_run():
        said = bench(*arguments, "--dry-run").stderr
        return {line.split()[2] for line in said.splitlines() if line.startswith("to do")}

    bench(*arguments)
    assert "nothing to do: all 2 cells" in bench(*arguments).stderr
    arguments += ["--seed", "1"]
    assert to_run() == {"mine", "cosine-threshold"}
    arguments[-1] = "0"
    bench.plugin("mine", method_source("mine", SCORES.replace("% 2", "% 3 % 2")))
    assert to_run() == {"mine"}
    bench(*arguments)
    network.conv_stem.weight.data *= 1.5
    torch.save(network.state_dict(), weights)
    assert to_run() == {"cosine-threshold"}
    arguments += ["--set", "cosine-threshold.alpha=0.7"]
    assert to_run() == {"cosine-threshold"}
    bench(*arguments)
    assert "nothing to do" in bench(*arguments).stderr
    bench.phantom(seed=2)
    assert to_run() == {"mine", "cosine-threshold"}


def test_cross_validation_asks_every_labelled_real_once(bench):
    arguments = ("--datasets", bench.phantom(), "-d", "small", "--protocol", "cv")
    bench("run", "-m", "nearest-pixel", *arguments)
    path = bench.folder / "results" / "small" / "nearest-pixel@cv-demo-0.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len({row["image"] for row in rows}) == len(rows) == 48
    assert {row["case"] for row in rows} == {f"fold-{fold}" for fold in range(1, 6)}


def test_the_null_pool_takes_the_place_of_both_pools(bench):
    yaml = bench.phantom(share=1, null=60)
    bench("run", "-m", "nearest-pixel", "-m", "blind", "--datasets", yaml, "-d", "small")
    metrics = record(bench, "nearest-pixel")["metrics"]
    assert metrics["auc"]["value"] > 0.95
    assert metrics["auc_null_pool"]["value"] < 0.75
    assert "auc_null_pool" not in record(bench, "blind")["metrics"]


def test_what_two_data_sets_ask_alike_is_asked_once_a_run(bench):
    """The planted set and its null twin share reals and null pool."""
    planted, null = bench.phantom("planted", null=30), bench.phantom("null", null=30, share=0)
    both = bench.folder / "both.yaml"
    both.write_text(planted.read_text() + null.read_text())
    methods = ("-m", "nearest-pixel", "-m", "patient-lookup")
    bench("run", *methods, "--datasets", both, "-d", "planted", "-d", "null")
    together = bench.records()
    asked = {
        (name, dataset): record(bench, name, dataset)["cache"]["answers"]
        for name in ("nearest-pixel", "patient-lookup")
        for dataset in ("planted", "null")
    }
    assert asked == {
        ("nearest-pixel", "planted"): 0, ("patient-lookup", "planted"): 0,
        ("nearest-pixel", "null"): 1, ("patient-lookup", "null"): 1,
    }  # fmt: skip
    bench("run", *methods, "--datasets", both, "-d", "null", "--fresh")
    assert record(bench, "nearest-pixel", "null")["cache"]["answers"] == 0
    assert bench.records() == together


def test_a_run_in_json_tells_plan_cells_and_boards(bench):
    arguments = ("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small", "--json")
    events = [json.loads(line) for line in bench(*arguments).stdout.splitlines()]
    assert [event["event"] for event in events] == ["plan", "cell", "board"]
    assert events[1]["record"] == record(bench, "random")
    assert events[2]["board"]["rows"][0]["method"] == "random"


def test_a_dry_run_changes_nothing(bench):
    arguments = ("run", "--all", "--dry-run", "--datasets", bench.phantom(), "-d", "small")
    said = bench(*arguments).stderr.splitlines()
    cells = [line for line in said if line.startswith("to do ")]
    assert len(cells) > 5
    assert said[-1].startswith(f"{len(cells)} cells to run; about")
    assert not (bench.folder / "results").exists()


def test_the_first_run_takes_quick_methods_first_and_guesses_how_long_it_takes(bench):
    answer = "return Prediction(np.zeros(n), np.ones(n, int))"
    slow = method_source("a-slow", answer).replace("    name =", "    trains = True\n    name =")
    bench.plugin("a-slow", slow)
    bench.plugin("z-quick", method_source("z-quick", answer))
    methods = ("-m", "a-slow", "-m", "z-quick")
    arguments = ("run", *methods, "--datasets", bench.phantom(), "-d", "small")
    said = bench(*arguments, "--dry-run").stderr
    assert [line.split()[2] for line in said.splitlines()[:2]] == ["z-quick", "a-slow"]
    assert re.search(r"2 cells to run; about \d+ s \(2 never ran here: a guess\)", said)
    assert "not known" in bench(*arguments, "--dry-run", "--budget", "paper").stderr
    bench(*arguments)
    again = bench(*arguments, "--fresh", "--dry-run").stderr
    assert "guess" not in again


def test_a_dry_run_tells_how_long_cells_took_and_what_is_stored(bench):
    arguments = ("run", "-m", "nearest-pixel", "--datasets", bench.phantom(), "-d", "small")
    assert (
        "on small  about 2 s, pixels: 0 of 5 sets stored" in bench(*arguments, "--dry-run").stderr
    )
    bench(*arguments)
    path = bench.folder / "results/small/nearest-pixel@official-demo-0.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps(made | {"timing": {"seconds": 42.0}}))
    again = (*arguments, "--fresh", "--dry-run")
    assert "on small  about 42 s, pixels: 5 of 5 sets stored" in bench(*again).stderr
    path.write_text(json.dumps(made | {"cache": {"answers": 1}, "timing": {"seconds": 0.0}}))
    assert "about 2 s" in bench(*again).stderr, "what was taken over says nothing"
