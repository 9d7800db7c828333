"""The road of the attribution task: from folders to a board, with a plugin made on the spot."""

import numpy as np
import pytest
from PIL import Image

NEAREST_CENTROID = """
import numpy as np
from harness.method import Access, Method, Prediction, Task
from harness.plugins import hookimpl


class Centroid(Method):
    "Nearest mean of the generated images of known origin."

    name = "centroid"
    task = Task.ATTRIBUTION
    access = frozenset({Access.POOL})

    def fit(self, training, tools):
        sets = training.generated_by_class.sets
        assert len(sets) == tools.classes
        self._means = np.stack([tools.features(s, "pixels").mean(0) for s in sets])

    def score(self, questions, tools):
        asked = tools.features(questions.generated, "pixels")
        distances = np.linalg.norm(asked[:, None] - self._means, axis=2)
        return Prediction(-distances, distances.argmin(1))


@hookimpl
def bench_methods():
    return [Centroid]
"""


@pytest.fixture
def subsets(bench):
    """Three subsets whose images differ in brightness, in ImageCLEF 2025 layout."""
    bench.plugin("centroid", NEAREST_CENTROID)
    draws = np.random.default_rng(0)
    root = bench.folder / "subsets"
    truth = []

    def write(folder, name, subset):
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draws.normal(60 + 60 * subset, 25, (32, 32)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)

    for subset in range(3):
        for number in range(10):
            write(root / "train" / "real" / f"t{subset + 1}", f"r{number}.png", subset)
            write(root / "train" / "generated" / f"gen_t{subset + 1}", f"g{number}.png", subset)
    for number in range(30):
        write(root / "test" / "generated", f"q{number:02}.png", number % 3)
        truth.append(f"q{number:02}.png,t{number % 3 + 1}\n")
    (root / "test" / "truth.csv").write_text("".join(truth))
    yaml = bench.folder / "subsets.yaml"
    yaml.write_text(
        "subsets:\n"
        "  task: attribution\n"
        "  layout: imageclef-2025-attribution\n"
        "  root: subsets\n"
        "  truth: test/truth.csv\n"
    )
    return ("--datasets", yaml, "-d", "subsets")


def test_attribution_is_run_scored_and_ranked_by_accuracy(bench, subsets):
    bench("run", "-m", "centroid", *subsets)
    board = bench.json("board", "subsets", "--format", "json")
    [row] = board["rows"]
    assert board["task"] == "attribution"
    assert row["rank"] == 1
    assert set(row["metrics"]) == {"accuracy", "precision", "recall", "f1", "specificity"}
    accuracy = row["metrics"]["accuracy"]
    assert accuracy["value"] == 1
    assert accuracy["low"] < 1
    assert "accuracy" in bench("board", "subsets").stdout


def test_cross_validation_and_submission_answer_every_generated_image(bench, subsets):
    bench("run", "-m", "centroid", *subsets, "--protocol", "cv")
    [row] = bench.json("board", "subsets", "--protocol", "cv", "--format", "json")["rows"]
    assert row["metrics"]["accuracy"]["n"] == 30
    bench("submit", "-m", "centroid", *subsets, "-o", "run.csv")
    rows = (bench.folder / "run.csv").read_text().splitlines()
    assert rows[:3] == ["q00.png,t1", "q01.png,t2", "q02.png,t3"]
    assert bench.json("score", "run.csv", *subsets, "--json")["accuracy"]["value"] == 1


def test_a_method_of_the_other_task_is_refused(bench, subsets):
    assert "task of subsets (attribution)" in bench.refused("run", "-m", "nearest-pixel", *subsets)


@pytest.mark.slow
def test_without_a_data_set_a_method_gets_the_default_ones_of_its_task(bench, subsets):
    tasks = {"centroid": "phantom-attribution-", "random": "phantom-"}
    for method, prefix in tasks.items():
        said = bench("run", "-m", method, "--dry-run").stderr.splitlines()
        chosen = [line.split(" on ")[1] for line in said if line.startswith("to do")]
        assert len(chosen) == 2
        assert all(name.startswith(prefix) for name in chosen)
    assert not any("attribution" in name for name in chosen)
