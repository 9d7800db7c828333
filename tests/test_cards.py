import json

import pytest

from harness import cards
from support import OTHERS, QUICK, method_source

ANSWER = "return Prediction(np.zeros(n), np.zeros(n, int))"


def rows(bench, *arguments):
    return {row["name"]: row for row in bench.json("list", "methods", "--json", *arguments)}


def test_a_new_plugin_is_listed_beside_the_built_in_ones(bench):
    bench.plugin("mine", method_source("my-method", ANSWER))
    listed = rows(bench)
    assert listed["my-method"]["family"] == "mine"
    assert listed["my-method"]["summary"] == "Made by a test."
    assert listed["cosine-threshold"]["runs"] == ["1288"]
    assert listed["blind"]["control"]


def test_broken_plugins_are_listed_with_their_reason_and_spare_the_others(bench):
    bench.plugin("a-raises", "raise RuntimeError('no luck')")
    bench.plugin("b-exits", "import os; os._exit(7)")
    bench.plugin("c-empty", "")
    bench.plugin("d-prints", "print('noise on stdout')\n" + method_source("d-prints", ANSWER))
    bench.plugin("e-prints-much", method_source("e", ANSWER, top="print('x' * 10_000_000)"))
    bench.plugin("f-outside", method_source("../outside", ANSWER))
    bench.plugin("z-twice", method_source("nearest-pixel", ANSWER))
    (bench.folder / "plugins" / "c_empty.py").unlink()
    listed = rows(bench)
    assert listed["a-raises"]["broken"] == "RuntimeError: no luck"
    assert "exit 7" in listed["b-exits"]["broken"]
    assert "No module named" in listed["c-empty"]["broken"]
    assert listed["d-prints"]["broken"] is None
    assert listed["e"]["broken"] is None
    assert "write it as in my-method" in listed["f-outside"]["broken"]
    assert "already brought by nearest-pixel" in listed["z-twice"]["broken"]
    assert "cosine-threshold" in listed


def test_a_plugins_code_never_runs_in_the_parent(bench):
    """The command line is imported by the parent alone; where it is, this plugin is broken."""
    top = "import sys; assert 'harness.cli' not in sys.modules, 'imported by the parent'"
    bench.plugin("spy", method_source("spy", ANSWER, top=top))
    bench("run", "-m", "spy", "--datasets", bench.phantom(), "-d", "small")


def test_a_plugin_is_imported_again_only_when_its_source_changed(bench):
    source = (
        method_source("noted", ANSWER) + "\n\nimport time\nMade.__doc__ = str(time.time_ns())\n"
    )
    bench.plugin("noted", source)
    first = rows(bench)["noted"]["summary"]
    assert rows(bench)["noted"]["summary"] == first
    bench.plugin("noted", source + "changed = 1\n")
    assert rows(bench)["noted"]["summary"] != first


def test_a_card_shows_the_parameters_of_both_budgets_and_the_deviations(bench):
    card = bench.json("show", "cosine-threshold", "--json")
    assert card["parameters"]["paper"]["backbone"] == "resnet50.tv_in1k"
    assert card["parameters"]["demo"]["backbone"] == "tf_efficientnet_lite0"
    assert card["parameters"]["paper"]["alpha"] == 0.5
    assert card["deviations"]
    text = bench("show", "cosine-threshold").stdout
    assert "resnet50.tv_in1k" in text
    assert "1288" in text


def test_set_is_validated_by_the_method_before_anything_runs(bench):
    yaml = bench.phantom()

    def refusal(change, method="cosine-threshold"):
        return bench.refused(
            "run", "-m", method, "--datasets", yaml, "-d", "small", "--set", change
        )

    assert "greater than or equal to 0" in refusal("cosine-threshold.alpha=-1")
    assert "did you mean alpha?" in refusal("cosine-threshold.alpa=1")
    assert "METHOD.KEY=VALUE" in refusal("alpha=1")
    assert "did you mean cosine-threshold?" in refusal("cosine-treshold.alpha=1")
    assert not (bench.folder / "results").exists()


def test_the_cards_are_plain_json(bench):
    rows(bench)
    [card, *_] = json.loads(
        next((bench.folder / "cache" / "cards").glob("cosine-threshold-*.json")).read_text()
    )
    assert card["name"] == "cosine-threshold"


@pytest.mark.slow
def test_a_plugin_whose_import_hangs_is_broken_and_spares_the_others(bench, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(bench.folder / "cache"))
    monkeypatch.setenv("BENCH_DISABLE_PLUGINS", ",".join((*OTHERS, *QUICK)))
    monkeypatch.setenv("PYTHONPATH", bench.environment["PYTHONPATH"])
    monkeypatch.syspath_prepend(bench.folder / "plugins")
    monkeypatch.setattr(cards, "DISCOVERY_SECONDS", 30)
    bench.plugin("a-hangs", method_source("a-hangs", ANSWER, top="import time; time.sleep(3600)"))
    bench.plugin("b-fine", method_source("b-fine", ANSWER))
    found = cards.read_cards()
    [broken] = found.broken
    assert (broken.plugin, broken.reason) == ("a-hangs", "no answer within 30 s of import")
    assert list(found.methods) == ["b-fine"]
