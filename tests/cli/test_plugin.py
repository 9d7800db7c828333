"""The commands for authors of methods."""

import subprocess
import sys
import tomllib
from dataclasses import dataclass

import pytest

from harness.files import PROJECT
from support import Bench, method_source

PAIR = method_source("pair", "return Prediction(np.zeros(n), np.ones(n, int))").replace(
    "return [Made]", "return [Made, Made.variant('pair-b', 'Another.')]"
)


def test_all_variants_of_a_plugin_are_checked_and_told_in_json(bench):
    bench.plugin("pairs", PAIR)
    found = bench.json("plugin", "check", "pairs", "--check", "labels", "--json")
    assert [report["method"] for report in found["methods"]] == ["pair", "pair-b"]
    assert found["passed"]
    one = bench("plugin", "check", "pair-b", "--check", "order", "--check", "files").stdout
    assert "pair-b passed" in one
    assert "order" in one
    assert "seed" not in one


def test_a_method_that_does_not_behave_ends_with_1_and_says_why(bench):
    bench.plugin("bad", method_source("bad", "raise RuntimeError('no luck')"))
    done = bench("plugin", "check", "bad", code=1)
    assert "bad does not behave" in done.stdout
    assert "RuntimeError: no luck" in done.stdout
    assert "not reached" in done.stdout


@pytest.mark.slow
def test_a_method_that_does_not_end_is_told_where_it_was(bench):
    bench.plugin("hangs", method_source("hangs", "import time; time.sleep(3600)"))
    check = ("plugin", "check", "hangs", "--check", "runs", "--check", "seed", "--timeout", "5")
    [report] = bench.json(*check, "--json", code=1)["methods"]
    runs, seed = report["results"]
    assert "no answer within the time limit of 5 s" in runs["reason"]
    assert "in score" in runs["reason"]
    assert seed["outcome"] == "not reached"


REFUSED = {
    ("check", "neerest-pixel"): "did you mean nearest-pixel?",
    ("check", "random", "--check", "sede"): "did you mean seed?",
    ("check", "blind", "--set", "blind.backbone=no-such"): "no-such",
    ("new", "My Method"): "as in my-method",
    ("new", "../elsewhere"): "as in my-method",
    ("new", "nearest-pixel"): "installed already",
    ("new", "numpy"): "installed already",
    ("new", "class"): "a word of Python",
    ("new", "taken"): "is there already",
}


def test_what_cannot_be_is_refused_in_one_line_and_leaves_nothing(bench):
    (bench.folder / "taken").mkdir()
    for arguments, said in REFUSED.items():
        assert said in bench.refused("plugin", *arguments)
    assert {path.name for path in bench.folder.iterdir()} == {"cache", "taken"}
    assert not list((bench.folder / "taken").iterdir())


def ruff(folder, *arguments):
    """Run ruff with its own defaults, as the author of a package would."""
    subprocess.run([sys.executable, "-m", "ruff", *arguments, "--isolated"], check=True, cwd=folder)


def test_a_new_package_is_complete_and_tidy(bench):
    for task in ("membership", "attribution"):
        name = f"demo-{task}"
        done = bench("plugin", "new", name, "--task", task)
        for command in ("pip install", f"bench plugin check {name}", f"bench run -m {name}"):
            assert command in done.stderr
        package = bench.folder / name
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        assert project["dependencies"] == ["fingerprint-bench"]
        assert f"bench plugin check {name}" in (package / "README.md").read_text()
        ruff(package, "check", "--select", "E,F,I,N,B,UP")
        ruff(package, "format", "--check")


@dataclass
class FreshBench(Bench):
    """The bench of a virtual environment of its own, with the wheel of this project in it."""

    def __post_init__(self):
        self.run(sys.executable, "-m", "venv", "--without-pip", self.venv)
        [site] = self.venv.glob("lib/python*/site-packages")
        shared = [path for path in sys.path if path.endswith("site-packages")]
        (site / "shared.pth").write_text("\n".join(shared))
        self.pip("install", "--no-deps", "--ignore-installed", PROJECT)

    @property
    def venv(self):
        return self.folder / "venv"

    def command(self, *arguments):
        return [str(self.venv / "bin" / "bench"), *map(str, arguments)]

    def pip(self, *arguments):
        python = self.venv / "bin" / "python"
        self.run(sys.executable, "-m", "pip", "--quiet", "--python", python, *arguments)

    def run(self, *command):
        subprocess.run(list(map(str, command)), check=True, cwd=self.folder, env=self.environment)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["membership", "attribution"])
def test_a_new_package_installs_checks_runs_and_tests_itself_unedited(tmp_path, task):
    bench = FreshBench(tmp_path)
    bench("plugin", "new", "demo-method", "--task", task)
    bench.pip("install", "--no-deps", bench.folder / "demo-method")
    checked = bench.json("plugin", "check", "demo-method", "--json")
    assert checked["passed"]
    if task == "membership":
        data = ("--datasets", bench.phantom(), "-d", "small")
    else:
        data = ("-d", "phantom-attribution-content")
    bench("run", "-m", "demo-method", *data)
    [row] = bench.json("board", data[-1], "--format", "json")["rows"]
    assert (row["method"], row["rank"]) == ("demo-method", 1)
    bench.run(bench.venv / "bin" / "python", "-m", "pytest", "-q", "demo-method")


def test_the_shell_completes_its_verbs(bench):
    asked = {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "bench plugin ", "COMP_CWORD": "2"}
    done = subprocess.run(
        bench.command(), env=bench.environment | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["new", "check"]
