"""A method is calibrated on redrawn data: it detects what is planted, resumes, and is found."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from harness.datasets.cases import Protocol
from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import open_dataset
from harness.errors import BenchError
from harness.features.store import set_digest
from harness.files import cache_dir
from harness.forge.builtin import bench_recipes
from harness.method import Budget
from harness.running.calibrating import Calibrator
from harness.running.calibration import (
    Design,
    bring_calibrations,
    calibration_file,
    read_calibrations,
)
from harness.running.engine import Answer
from harness.running.plan import Cell
from harness.running.records import Status
from support import Bench, method_source
from world import card

DESIGN = Design(shares=(0.5, 1.0), draws=2, blanks=3)


class Finder:
    """Stands for an engine whose method is the largest correlation with a generated image."""

    def __init__(self, fails_after: int = 10**6) -> None:
        self.asked = 0
        self.fails_after = fails_after

    def run(self, cell, case, progress):
        self.asked += 1
        if self.asked > self.fails_after:
            return Answer(Status.FAILED, reason="ValueError: no", log=("last words",))
        reals, pool = (
            np.reshape(part.pixels(), (len(part), -1)).astype(float)
            for part in (case.asked, case.questions["generated"])
        )
        reals, pool = (
            (p - p.mean(1, keepdims=True)) / p.std(1, keepdims=True) for p in (reals, pool)
        )
        return Answer(Status.OK, scores=(reals @ pool.T).max(1))


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    path = Bench(folder).phantom(share=0, null=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        [entry] = Catalogue([path])
        yield Cell(
            card=card("finds"), parameters={"k": 1}, changed={}, budget=Budget.DEMO,
            dataset=open_dataset(entry, bench_recipes()), protocol=Protocol.OFFICIAL, seed=0,
            precision="fp32",
        )  # fmt: skip


def ignored(*_):
    pass


def calibrate(cell, design, engine, folder, tell, **options):
    with Calibrator(engine, folder, tell) as calibrator:
        return calibrator.calibrate(cell, design, **options)


def test_what_finds_copies_detects_them_and_not_what_is_not_there(cell, tmp_path):
    engine, told = Finder(), []
    found = calibrate(cell, DESIGN, engine, tmp_path, lambda *step: told.append(step))
    assert engine.asked == 3 + 2 * 2 * 2
    assert told[0][1:] == (0, 11)
    assert told[-1][1:] == (11, 11)
    at_most = {trial.share: trial.z for trial in found.trials("close")}
    assert at_most[1.0] > at_most[0.5] > 0
    assert found.limits["close"].value < 1
    assert found.false_alarms.n == 3
    assert calibrate(cell, DESIGN, engine, tmp_path, ignored) == found
    assert engine.asked == 11, "what was tried is not tried again"


def test_an_interrupted_calibration_goes_on_to_the_same_end(cell, tmp_path):
    with pytest.raises(BenchError, match=r"finds failed on redrawn small: ValueError: no \(last"):
        calibrate(cell, DESIGN, Finder(fails_after=4), tmp_path / "a", ignored)
    assert read_calibrations(tmp_path / "a", "demo") == {}, "nothing is told before the end"
    rest = Finder()
    resumed = calibrate(cell, DESIGN, rest, tmp_path / "a", ignored)
    assert rest.asked == 7
    assert resumed == calibrate(cell, DESIGN, Finder(), tmp_path / "b", ignored)


def test_another_source_begins_anew(cell, tmp_path):
    calibrate(cell, DESIGN, Finder(), tmp_path, ignored)
    changed = replace(cell, card=cell.card.model_copy(update={"source_digest": "1" * 64}))
    engine = Finder()
    calibrate(changed, DESIGN, engine, tmp_path, ignored)
    assert engine.asked == 11


def test_more_draws_keep_those_that_were_made(cell, tmp_path):
    calibrate(cell, DESIGN, Finder(), tmp_path, ignored)
    engine = Finder()
    more = calibrate(cell, replace(DESIGN, blanks=5), engine, tmp_path, ignored)
    assert engine.asked == 2
    assert more.false_alarms.n == 5


class Blind(Finder):
    """Stands for an engine whose method knows nothing."""

    def run(self, cell, case, progress):
        self.asked += 1
        rng = np.random.default_rng(self.asked)
        return Answer(Status.OK, scores=rng.normal(size=len(case.asked)))


def test_screening_leaves_what_detects_nothing_and_goes_on_with_the_others(cell, tmp_path):
    blind, finder = Blind(), Finder()
    design = replace(DESIGN, draws=4, blanks=4)
    left = calibrate(cell, design, blind, tmp_path / "blind", ignored, screen=True)
    assert blind.asked == 3 + 3 * 2, "three blanks, three draws of the largest share"
    assert {t.share for t in left.tried} == {0.0, 1.0}
    assert left.limits["close"].value is None
    found = calibrate(cell, design, finder, tmp_path / "finder", ignored, screen=True)
    assert finder.asked == 4 + 4 * 4
    assert found == calibrate(cell, design, Finder(), tmp_path / "whole", ignored)


def test_screening_forgets_no_trial_of_a_whole_calibration(cell, tmp_path):
    design = replace(DESIGN, draws=4, blanks=4)
    whole = calibrate(cell, design, Blind(), tmp_path, ignored)
    engine = Blind()
    assert calibrate(cell, design, engine, tmp_path, ignored, screen=True) == whole
    assert engine.asked == 0


@pytest.mark.parametrize("another_reads", [False, True])
def test_features_of_redrawn_sets_go_unless_another_uses_them(cell, tmp_path, another_reads):
    class Keeper(Finder):
        def run(self, cell, case, progress):
            used = time.time() + (60 if another_reads else -1)
            for part in (*case.training.values(), *case.questions.values()):
                path = features / f"{set_digest(part.digests)}.safetensors"
                path.write_bytes(b"rows")
                os.utime(path, (used, used))
            return super().run(cell, case, progress)

    features = cache_dir() / "features" / "pixels"
    features.mkdir(parents=True, exist_ok=True)
    calibrate(cell, DESIGN, Keeper(), tmp_path, ignored)
    lasting = {set_digest(packed.digests) for packed in cell.dataset.sets.values()}
    redrawn = {path.stem for path in features.iterdir()} - lasting
    assert bool(redrawn) == another_reads


def test_the_file_holds_neither_truth_nor_answers_and_is_published(cell, tmp_path):
    found = calibrate(cell, DESIGN, Finder(), tmp_path / "working", ignored)
    content = json.loads(calibration_file(tmp_path / "working", "demo", "finds").read_text())
    assert set(content) == {
        "key", "method", "source_digest", "parameters", "budget", "fingerprint", "tried", "limits",
        "false_alarms",
    }  # fmt: skip
    assert all(set(trial) == {"fidelity", "share", "draw", "z"} for trial in content["tried"])
    bring_calibrations(tmp_path / "working", tmp_path / "published")
    assert read_calibrations(tmp_path / "published", "demo") == {"finds": found}


@pytest.mark.slow
def test_the_board_of_the_data_shows_the_limit(bench):
    named = ("-m", "nearest-pixel", "--datasets", bench.phantom(share=0, null=60), "-d", "small")
    few = ("--share", "0.5", "--share", "1", "--draws", "2", "--blanks", "2")
    assert "limit, close copies" in bench("calibrate", *named, *few).stdout
    bench("run", *named)
    [row] = bench.json("board", "small", "--format", "json")["rows"]
    assert row["limit_of_detection"]["limits"]["close"]["value"] > 0
    bench("publish", "--to", "boards", "--site", "pages", "--datasets", "small.yaml")
    assert "| LoD |" in (bench.folder / "boards" / "small.md").read_text()
    page = (bench.folder / "pages" / "methods" / "nearest-pixel.html").read_text()
    assert "Limit of detection" in page


def test_of_several_methods_one_that_fails_does_not_stop_the_others(bench):
    bench.plugin("falls", method_source("falls", "raise ValueError('no')"))
    chosen = ("-m", "falls", "-m", "constant", "--screen")
    data = ("--datasets", bench.phantom(share=0, null=60), "-d", "small", "--share", "1")
    done = bench("calibrate", *chosen, *data, "--draws", "2", "--blanks", "2", code=1)
    assert "error: falls failed on redrawn small: ValueError: no" in done.stderr
    assert "screening constant on small: 6 of 6 trials" in done.stderr
    assert "constant" in done.stdout
    assert "either --all or -m METHOD" in bench.refused("calibrate", *data)
