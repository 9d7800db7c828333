import json
import os

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
    """The plugin notes every process that imports it; none is the one that runs the command."""
    note = bench.folder / "pids"
    top = f"import os; open({str(note)!r}, 'a').write(f'{{os.getpid()}} ')"
    bench.plugin("spy", method_source("spy", ANSWER, top=top))
    yaml = bench.phantom()
    import subprocess

    process = subprocess.Popen(
        bench.command("run", "-m", "spy", "--datasets", yaml, "-d", "small"),
        env=bench.environment,
        cwd=bench.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    importers = set(map(int, note.read_text().split()))
    assert len(importers) >= 2  # discovery, then a worker
    assert process.pid not in importers
    assert os.getpid() not in importers


def test_a_plugin_is_imported_again_only_when_its_source_changed(bench):
    note = bench.folder / "imports"
    top = f"open({str(note)!r}, 'a').write('x')"
    bench.plugin("noted", method_source("noted", ANSWER, top=top))
    rows(bench)
    rows(bench)
    assert note.read_text() == "x"
    bench.plugin("noted", method_source("noted", ANSWER, top=top + "; changed = 1"))
    rows(bench)
    assert note.read_text() == "xx"


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
