"""The benchmarks run, at tiny sizes: what they find there means nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("faiss")
ROOT = Path(__file__).parent.parent


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=1500
    )


def names():
    return re.findall(r"^ {8}\w+\.(\w+),$", (ROOT / "benchmarks/__main__.py").read_text(), re.M)


@pytest.mark.slow
def test_all_benchmarks_run_and_are_written_down(tmp_path):
    done = run("--quick", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    assert sorted(found) == sorted(names())
    for figure in found.values():
        assert figure.keys() >= {"ratio", "unit", "repeats", "machine", "date"}
        assert figure["ratio"] > 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert all(f"## {name}" in page for name in found)


def test_one_benchmark_changes_its_row_alone(tmp_path):
    other = {"reached": True, "ratio": 1, "unit": "x", "target": ">= 1", "repeats": 5}
    other |= {"date": "2025-01-01", "machine": "another", "note": "as it was"}
    (tmp_path / "benchmarks.json").write_text(json.dumps({"sharing": other}))
    done = run("neighbours_vs_faiss", "--quick", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    assert found["sharing"] == other
    assert found["neighbours_vs_faiss"]["note"].endswith("100.00% the same")


def test_an_unknown_name_is_refused_with_the_known_ones():
    done = run("cold")
    assert done.returncode == 2
    assert "choose cold_vs_forward" in done.stderr
