"""Every fault that is put into a clean data set is found and named."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from harness.audit.verdict import Kind, Level


def recoded(path, quality=75):
    """Return an image as it looks after it was stored as JPEG."""
    stream = io.BytesIO()
    Image.open(path).save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def test_a_clean_data_set_has_no_flaw(scans):
    audit = scans.audit()
    assert audit.verdict.kind is not Kind.FLAWED
    assert not audit.pairs
    levels = {finding.check: finding.level for finding in audit.verdict.findings}
    assert set(levels.values()) == {Level.FINE}
    assert {
        "files", "groups", "classes (train)", "classes (test)", "exact duplicates",
        "near duplicates", "generated = real", "brightness", "patient lookup",
        "file size (train)", "file size (test)", "order of names (test)",
        "blind gate: statistics", "blind gate: pixels", "blind gate: tf_efficientnet_lite0",
    } <= set(levels)  # fmt: skip
    names = [(statistic.name, statistic.pool) for statistic in audit.copying]
    assert names[:2] == [("data-copying C_T", "generated"), ("authenticity", "generated")]
    assert all(statistic.figure.low is not None for statistic in audit.copying)


def test_a_duplicate_across_used_and_unknown(scans):
    original, asked = scans.files("train/real_used")[3], scans.files("test/real_unknown")[5]
    shutil.copy(original, asked)
    flaws = scans.flaws()
    assert set(flaws) == {"exact duplicates"}
    assert f"train/used/{original.name} = test/unknown/{asked.name}" in flaws["exact duplicates"]


@pytest.mark.parametrize("brighter", [0, 8])
def test_a_near_duplicate_by_jpeg(scans, brighter):
    original, asked = scans.files("train/real_not_used")[1], scans.files("test/real_unknown")[8]
    pixels = np.asarray(recoded(original)).astype(int) + brighter
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(asked)
    flaws = scans.flaws()
    assert set(flaws) == {"near duplicates"}
    assert f"train/not_used/{original.name} = test/unknown/{asked.name}" in flaws["near duplicates"]


def test_duplicates_inside_a_set_are_said_and_no_flaw(scans):
    first, second = scans.files("train/real_used")[:2]
    shutil.copy(first, second)
    audit = scans.audit()
    [found] = [f for f in audit.verdict.findings if f.check == "exact duplicates in a set"]
    assert found.level is Level.WARNING
    assert audit.verdict.kind is not Kind.FLAWED


def test_a_real_image_in_the_pool_is_evidence_and_no_flaw(scans):
    original, made = scans.files("train/real_used")[0], scans.files("train/generated")[0]
    recoded(original, 90).save(made)
    audit = scans.audit()
    [found] = [f for f in audit.verdict.findings if f.check == "generated = real"]
    assert found.level is Level.WARNING
    assert "evidence of a leak" in found.meaning
    [example] = found.examples
    assert example.startswith(f"train/generated/{made.name} = train/used/{original.name}")
    assert audit.verdict.kind is not Kind.FLAWED


@pytest.mark.parametrize("other", ["real_not_used_0001.png", "real_unknown_0001.png"])
def test_a_shared_group(scans, other):
    lines = (scans.root / "groups.csv").read_text().split()
    home = next(line for line in lines if line.startswith("real_used_0001.png")).split(",")[1]
    moved = [f"{other},{home}" if line.startswith(other) else line for line in lines]
    scans.edit("groups.csv", lambda _: "\n".join(moved))
    assert home in scans.flaws()["groups"]


def test_without_groups_it_is_said(scans):
    scans.edit("datasets.yaml", lambda text: text.replace("  groups: groups.csv\n", ""))
    found = {f.check: f for f in scans.audit().verdict.findings}
    assert found["groups"].level is Level.WARNING


@pytest.mark.parametrize(("folder", "part"), [("train/real_used", "train"), ("asked", "test")])
def test_a_file_size_that_reveals_the_label(scans, folder, part):
    paths = scans.files(folder) or [p for p in scans.used() if p.parent.name == "real_unknown"]
    for path in paths:
        times = path.stat()
        path.write_bytes(path.read_bytes() + bytes(2000))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert set(scans.flaws()) == {f"file size ({part})"}


def test_metadata_and_compression_that_reveal_the_label(scans):
    for path in scans.used():
        text = PngImagePlugin.PngInfo()
        text.add_text("Software", "x")
        Image.open(path).save(path, compress_level=9, pnginfo=text)
    assert {"metadata fields (train)", "metadata fields (test)", "compression (train)"} <= set(
        scans.flaws()
    )


def test_times_of_modification_that_reveal_the_label(scans):
    for path in scans.used():
        os.utime(path, ns=(0, 10**18))
    assert set(scans.flaws()) == {"time of modification (test)"}


def test_names_that_reveal_the_label(scans):
    truth = sorted(scans.truth().items(), key=lambda item: item[1])
    for number, (name, _) in enumerate(truth):
        (scans.root / "test/real_unknown" / name).rename(
            scans.root / "test/real_unknown" / f"q_{number}.png"
        )
    places = {name: f"q_{number}.png" for number, (name, _) in enumerate(truth)}
    for table in ("groups.csv", "test/truth.csv"):
        lines = (line.split(",") for line in (scans.root / table).read_text().split())
        text = "\n".join(f"{places.get(image, image)},{value}" for image, value in lines)
        scans.edit(table, lambda _, text=text: text)
    assert set(scans.flaws()) == {"order of names (test)"}


def test_a_brightness_shift_between_used_and_not_used(scans):
    for path in scans.used():
        pixels = np.asarray(Image.open(path)).astype(int) + 40
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    audit = scans.audit()
    flaws = {f.check for f in audit.verdict.findings if f.level is Level.FLAW}
    assert "brightness" in flaws
    assert "blind gate: statistics" in flaws
    assert "exact duplicates" not in flaws
    assert audit.verdict.sentence.startswith("flawed: brightness: AUC")


def test_files_that_cannot_be_read_are_all_named(scans):
    for folder in ("train/real_used", "test/generated"):
        path = scans.files(folder)[0]
        path.write_bytes(path.read_bytes()[:100])
    audit = scans.audit()
    [flaw] = audit.verdict.findings
    assert flaw.result.startswith("2 of ")
    assert len(flaw.examples) == 2
    assert audit.fingerprint is None


def test_without_truth_a_duplicate_among_the_questions_is_found(scans):
    scans.edit("datasets.yaml", lambda text: text.replace("  truth: test/truth.csv\n", ""))
    original, asked = scans.files("train/real_used")[3], scans.files("test/real_unknown")[5]
    shutil.copy(original, asked)
    assert set(scans.flaws()) == {"exact duplicates"}


def test_attribution_is_checked_for_answers_in_the_training_part(tmp_path, scans_at):
    draws = np.random.default_rng(0)
    kinds = ("real/t1", "real/t2", "generated/gen_t1", "generated/gen_t2")
    for folder in (*(f"train/{kind}" for kind in kinds), "test/generated"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(4):
            pixels = draws.integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"image_{number}.png")
    layout = "{task: attribution, layout: imageclef-2025-attribution, root: .}"
    (tmp_path / "datasets.yaml").write_text(f"scans: {layout}\n")
    scans = scans_at(tmp_path)
    assert scans.audit().verdict.kind is Kind.CANNOT_TELL
    made = scans.files("train/generated/gen_t1")[0]
    shutil.copy(made, scans.files("test/generated")[2])
    assert "test/generated and train/generated/t1" in scans.flaws()["exact duplicates"]


def test_too_few_patients_is_no_verdict(scans):
    for folder in ("train/real_used", "train/real_not_used", "test/real_unknown"):
        for path in scans.files(folder)[2:]:
            path.unlink()
    keep = {path.name for path in scans.files("test/real_unknown")}
    lines = (scans.root / "test/truth.csv").read_text().split()
    kept = [line for line in lines if line.split(",")[0] in keep]
    scans.edit("test/truth.csv", lambda _: "\n".join(kept))
    verdict = scans.audit().verdict
    assert verdict.kind is Kind.CANNOT_TELL
    assert "no blind classifier" in verdict.sentence


def test_the_verdict_never_promises_more_than_it_can(scans):
    said = repr(scans.audit().verdict).lower()
    assert not any(word in said for word in ("safe", "anonymous", "proof"))
