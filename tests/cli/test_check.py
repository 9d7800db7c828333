"""``bench check`` from the command line."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = os.environ.get("BENCH_REAL_DATA")


def small(bench):
    return ("--datasets", bench.phantom())


@pytest.mark.slow
def test_the_verdict_comes_first_and_the_board_of_the_same_data_shows_it(bench):
    data = small(bench)
    bench("run", "-m", "nearest-pixel", "-d", "small", *data)
    assert bench.json("board", "small", "--format", "json")["audit"] is None
    said = bench("check", "small", *data).stdout
    audit = json.loads((bench.folder / "results/small/audit.json").read_text())
    assert said.splitlines()[0] == f"Verdict on small: {audit['sentence']}"
    assert audit["verdict"] in ("sound", "cannot tell")
    assert "data-copying C_T" in said
    assert {line["pool"] for line in audit["copying"]} == {"generated"}
    board = bench.json("board", "small", "--format", "json")
    assert board["fingerprint"] == audit["fingerprint"]
    assert board["audit"] == audit["sentence"]
    assert bench("board", "small").stdout.startswith(
        f"Verdict on the data: {audit['verdict']}: no flaw"
    )
    bench("publish", "--to", "boards")
    assert audit["sentence"].split(";")[0] in (bench.folder / "boards/small.md").read_text()
    changed = bench.phantom(seed=2)
    bench("run", "-m", "nearest-pixel", "-d", "small", "--datasets", changed)
    assert bench.json("board", "small", "--format", "json")["audit"] is None


@pytest.mark.slow
def test_strict_fails_on_a_flaw_and_images_are_named_on_this_machine_only(bench):
    root = bench.folder / "scans"
    draws = np.random.default_rng(0)
    for folder in ("train/generated", "train/real_used", "train/real_not_used"):
        (root / folder).mkdir(parents=True)
        for number in range(6):
            pixels = draws.integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(root / folder / f"image_{number}.png")
    yaml = bench.folder / "scans.yaml"
    entry = "{task: membership, layout: imageclef-2025-membership, root: scans}"
    yaml.write_text(f"scans: {entry}\n")
    command = ("check", "scans", "--datasets", yaml, "--sheet", "alike.png")
    clean = bench(*command, "--strict")
    assert "no pairs for a sheet" in clean.stderr
    assert not (bench.folder / "alike.png").exists()
    shutil.copy(root / "train/real_used/image_0.png", root / "train/real_not_used/image_3.png")
    assert bench(*command).stdout.startswith("Verdict on scans: flawed: exact duplicates: 1 pair")
    found = bench.json(*command, "--strict", "--json", code=1)
    assert found["verdict"] == "flawed"
    [flaw] = [finding for finding in found["findings"] if finding["level"] == "flaw"]
    assert flaw["examples"] == ["train/used/image_0.png = train/not_used/image_3.png"]
    with Image.open(bench.folder / "alike.png") as sheet:
        assert sheet.format == "PNG"
    assert "image_" not in (bench.folder / "results/scans/audit.json").read_text()


def test_an_unknown_data_set_is_refused(bench):
    assert "did you mean phantom-null" in bench.refused("check", "phantom-nul")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phantom-null", "phantom-planted"])
def test_the_built_in_phantoms_have_no_flaw(bench, name):
    found = bench.json("check", name, "--strict", "--json")
    assert found["verdict"] in ("sound", "cannot tell")
    levels = {finding["check"]: finding["level"] for finding in found["findings"]}
    assert (levels["generated = real"] == "warning") == (name == "phantom-planted")


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="BENCH_REAL_DATA names no folder with the real CT slices")
def test_real_ct_is_audited(bench):
    yaml = Path(DATA).resolve() / "datasets.yaml"
    found = bench.json("check", "ct64", "--datasets", yaml, "--json")
    findings = {finding["check"]: finding for finding in found["findings"]}
    assert findings["groups"]["level"] == "fine"
    assert findings["exact duplicates"]["level"] == "fine"
    gate = findings["blind gate: statistics"]["auc"]
    assert gate["groups"] == 58
    assert gate["high"] - gate["low"] > 0.2  # so few patients cannot make a data set sound
    assert found["verdict"] != "sound"
