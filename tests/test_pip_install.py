"""A method package of someone else's, installed by pip into this very environment."""

import subprocess
import sys

import pytest

from support import method_source

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "bench-visiting-method"
version = "0.1"

[project.entry-points."fingerprint_bench.methods"]
visiting = "bench_visiting_method"
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_an_installed_package_is_listed_run_and_ranked_and_a_broken_one_harms_nothing(bench):
    package = bench.folder / "visiting"
    package.mkdir()
    (package / "pyproject.toml").write_text(PYPROJECT)
    module = package / "bench_visiting_method.py"
    answer = "return Prediction(np.arange(n, dtype=float), np.arange(n) % 2)"
    module.write_text(method_source("visiting-method", answer))
    arguments = ("--datasets", bench.phantom(), "-d", "small")
    try:
        pip("install", "--no-deps", package)
        assert "visiting-method" in bench("list", "methods").stdout
        bench("run", "-m", "visiting-method", "-m", "nearest-pixel", *arguments)
        ranked = bench.json("board", "small", "--format", "json")["rows"]
        assert {row["method"] for row in ranked if row["rank"]} == {
            "visiting-method",
            "nearest-pixel",
        }
        module.write_text("raise RuntimeError('no luck')\n")
        pip("install", "--no-deps", "--force-reinstall", package)
        broken = {row["name"]: row["broken"] for row in bench.json("list", "methods", "--json")}
        assert broken["visiting"] == "RuntimeError: no luck"
        assert broken["nearest-pixel"] is None
        assert "is broken" in bench.refused("run", "-m", "visiting", *arguments)
        bench("run", "-m", "nearest-pixel", *arguments, "--fresh")
    finally:
        pip("uninstall", "--yes", "bench-visiting-method")
