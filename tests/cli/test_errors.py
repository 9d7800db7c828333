"""Bad input: one clear line that names the file or key, exit code 2, nothing half-written."""

import numpy as np
import pytest
from PIL import Image

from support import method_source

SETS = {
    "train/generated": 6,
    "train/real_used": 6,
    "train/real_not_used": 6,
    "test/generated": 6,
    "test/real_unknown": 8,
}


@pytest.fixture
def scans(bench):
    """Write a small data set in ImageCLEF layout and return its folder and its yaml."""
    root = bench.folder / "scans"
    draws = np.random.default_rng(0)
    for folder, count in SETS.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = draws.integers(0, 256, (32, 32), np.uint8)
            Image.fromarray(pixels).save(root / folder / f"image_{number}.png")
    truth = "".join(f"image_{number}.png,{number % 2}\n" for number in range(8))
    (root / "test" / "truth.csv").write_text(f"image,label\n{truth}")
    yaml = bench.folder / "scans.yaml"
    yaml.write_text(
        "scans:\n"
        "  task: membership\n"
        "  layout: imageclef-2025-membership\n"
        "  root: scans\n"
        "  truth: test/truth.csv\n"
    )
    return root, yaml


def run(bench, yaml, *more):
    line = bench.refused("run", "-m", "random", "--datasets", yaml, "-d", "scans", *more)
    assert not (bench.folder / "results").exists()
    return line


def test_the_untouched_data_set_runs(bench, scans):
    bench("run", "-m", "random", "--datasets", scans[1], "-d", "scans")


def test_a_missing_root_is_named(bench, scans):
    root, yaml = scans
    root.rename(root.with_name("moved"))
    line = run(bench, yaml)
    assert str(root) in line
    assert "scans.yaml:4" in line


def test_an_empty_class_folder_is_named(bench, scans):
    root, yaml = scans
    for image in (root / "train" / "real_not_used").iterdir():
        image.unlink()
    assert str(root / "train" / "real_not_used") in run(bench, yaml)


def test_a_yaml_typo_is_named_with_its_line_and_the_word_that_was_meant(bench, scans):
    _, yaml = scans
    yaml.write_text(yaml.read_text().replace("layout:", "layuot:"))
    line = run(bench, yaml)
    assert "scans.yaml:3" in line
    assert "layuot" in line
    assert "layout" in line.replace("layuot", "")


def test_an_unknown_method_or_data_set_is_answered_with_the_nearest_name(bench, scans):
    assert "did you mean nearest-pixel?" in bench.refused("run", "-m", "neerest-pixel")
    line = bench.refused("run", "-m", "random", "--datasets", scans[1], "-d", "scanz")
    assert "did you mean scans?" in line
    assert "either --all or -m" in bench.refused("run")


def test_a_pretrained_backbone_without_network_is_refused_with_the_remedy(bench, scans):
    line = bench.refused(
        "run", "-m", "cosine-threshold", "--budget", "paper",
        "--datasets", scans[1], "-d", "scans",
    )  # fmt: skip
    assert "--weights resnet50.tv_in1k=FILE" in line
    assert not (bench.folder / "results").exists()


@pytest.mark.slow
def test_with_all_methods_a_missing_backbone_is_a_failed_row(bench, scans):
    arguments = ("--all", "--budget", "paper", "--datasets", scans[1], "-d", "scans")
    done = bench("run", *arguments, code=1)
    assert "--weights resnet50.tv_in1k=FILE" in done.stdout
    assert "nearest-pixel" in done.stdout


def test_a_run_file_that_is_not_in_order_is_refused(bench, scans):
    _, yaml = scans
    run_file = bench.folder / "run.csv"
    rows = [f"image_{number}.png,{number // 4}" for number in range(8)]
    run_file.write_text("\n".join(rows))
    assert bench.json("score", run_file, "-d", "scans", "--datasets", yaml, "--json")
    run_file.write_text("\n".join(rows[1:]))
    line = bench.refused("score", run_file, "-d", "scans", "--datasets", yaml)
    assert "run.csv: 1 id is missing (first: 'image_0.png')" in line


def test_a_data_set_without_truth_can_be_answered_but_not_scored(bench, scans):
    root, yaml = scans
    (root / "test" / "truth.csv").unlink()
    yaml.write_text(yaml.read_text().replace("  truth: test/truth.csv\n", ""))
    assert "bench submit" in run(bench, yaml)
    bench("submit", "-m", "nearest-pixel", "-d", "scans", "--datasets", yaml, "-o", "out.csv")
    rows = (bench.folder / "out.csv").read_text().splitlines()
    assert len(rows) == 8


def test_a_method_that_fails_writes_no_run_file(bench, scans):
    bench.plugin("bad", method_source("bad", "raise RuntimeError('no luck')"))
    done = bench(
        "submit", "-m", "bad", "-d", "scans", "--datasets", scans[1], "-o", "out.csv", code=1
    )
    assert "no luck" in done.stderr
    assert not (bench.folder / "out.csv").exists()


def test_boards_that_do_not_exist_are_refused(bench):
    assert "bench run --all" in bench.refused("board")
    assert "bench run --all" in bench.refused("publish")
    assert "neither a method nor a data set" in bench.refused("show", "nothing-like-it")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--device", "abacus"), "abacus"),
        (("--precision", "fp8"), "fp8"),
        (("--protocol", "secret"), "secret"),
        (("--weights", "x"), "NAME=FILE"),
        (("--weights", "x=gone.pth"), "gone.pth"),
    ],
)
def test_options_out_of_range_are_named(bench, scans, arguments, said):
    assert said in run(bench, scans[1], *arguments)
