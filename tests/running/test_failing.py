"""Methods that end badly, each in its own way: what the run says, and that the others are right.

Every kind is a method of its own; all run in one ``bench run``, so each meets what those before it
left behind.
"""

import json
import os
import signal
from pathlib import Path

import pytest

from harness.features.store import map_rows
from support import Bench, method_source

SCORES = "return Prediction(np.arange(n, dtype=float), np.arange(n) % 2)"

# name: (what score does, status, what the reason says)
FAILING = {
    "raises": ("raise RuntimeError('no luck')", "failed", "RuntimeError: no luck"),
    "mumbles": (r"raise ValueError('\udcff\x1b[31m\n bad')", "failed", "ValueError: [31m bad"),
    "speechless": (
        """
        class Odd(Exception):
            def __str__(self): raise RuntimeError
        raise Odd
        """,
        "crashed", "exit 1",
    ),
    "recurses": ("def f(): f()\nf()", "failed", "RecursionError"),
    "hungry": ("np.zeros(1 << 55)", "failed", "Unable to allocate"),
    "exits": ("os._exit(3)", "crashed", "exit 3; a method returns or raises"),
    "exits-well": ("os._exit(0)", "crashed", "exit 0"),
    "sys-exits": ("sys.exit('enough')", "crashed", "exit 1"),
    "interrupts": ("raise KeyboardInterrupt", "crashed", "exit 1"),
    "segfault": ("ctypes.string_at(0)", "crashed", "signal 11, SIGSEGV: compiled code crashed"),
    "aborts": ("os.abort()", "crashed", "signal 6, SIGABRT"),
    "killed": ("os.kill(os.getpid(), 9)", "crashed", "SIGKILL: killed from outside"),
    "orphan": ("if os.fork(): os._exit(0)\nwhile True: time.sleep(1)", "crashed", "exit 0"),
    "short": ("return Prediction(np.zeros(n - 1), np.zeros(n, int))", None, f"{59}"),
    "column": ("return Prediction(np.zeros((n, 1)), np.zeros(n, int))", "failed", "expected (60,)"),
    "ragged": ("return Prediction([[0.0], [0.0, 1.0]], [0] * n)", "failed", "inhomogeneous"),
    "single": ("return Prediction(0.5, np.zeros(n, int))", "failed", "scores are of dtype float64"),
    "nan": ("return Prediction(np.full(n, np.nan), np.zeros(n, int))", "failed", "60 scores are"),
    "infinite": ("return Prediction(np.arange(n) / 0.0, np.zeros(n, int))", "failed", "not finite"),
    "text": ("return Prediction(['0.5'] * n, [0] * n)", "failed", "scores are of dtype <U3"),
    "complex": ("return Prediction(np.zeros(n, complex), [0] * n)", "failed", "complex128"),
    "objects": ("return Prediction([None] * n, [0] * n)", "failed", "scores are of dtype object"),
    "label": ("return Prediction(np.zeros(n), np.full(n, 2))", "failed", "labels must be 0 to 1"),
    "half": ("return Prediction(np.zeros(n), np.full(n, 0.5))", "failed", "labels must be 0 to 1"),
    "nothing": ("return None", "failed", "score returned NoneType, not a Prediction"),
    "greedy": ("self._training.used", "failed", "declare Access.LABELS"),
    "backbone": ("tools.features(questions.unknown, 'no-net@random:0')", "failed", "no such model"),
    "layer": ("tools.features(questions.unknown, 'pixels', 'deep')", "failed", "no layer"),
    "babble": (
        """tools._channel._end.sendall(b'{"say": "predicted"}\\n'); time.sleep(3600)""",
        "failed", "broke the protocol",
    ),
    "import": (SCORES, "failed", "AssertionError: not here"),  # see TOPS
}  # fmt: skip

# Those that only a limit ends.
ENDLESS = {
    "hangs": ("time.sleep(3600)", "timeout", "no answer within the time limit of 10 s"),
    "deaf": (
        "for name in ('SIGABRT', 'SIGTERM'): signal.signal(getattr(signal, name), signal.SIG_IGN)\n"
        "while True: time.sleep(1)",
        "timeout", "time limit",
    ),
    "chatters": ("while True: tools.log(str(time.time()))", "timeout", "time limit"),
    "stammers": ("tools._channel._end.sendall(b'{')\ntime.sleep(3600)", "timeout", "time limit"),
    "stops": ("os.closerange(3, 999)\nwhile True: time.sleep(1)", "crashed", "gave up its channel"),
    "import-hangs": (SCORES, "timeout", "time limit"),
    "prints": ("while True: print('x' * 1000)", "crashed", "it printed more than 100 MB"),
    "hoards": (
        "kept = []\nwhile True: kept.append(np.ones(1 << 20)); time.sleep(0.001)",
        "crashed", "of memory, more than the limit of 800 MB",
    ),
    "hoards-in-children": (
        """
        for _ in range(4):
            if not os.fork():
                kept = np.ones(200 << 17)
                time.sleep(3600)
        time.sleep(3600)
        """,
        "crashed", "of memory, more than the limit of 800 MB",
    ),
}  # fmt: skip

FINE = {
    "fine": SCORES,
    "integers": "return Prediction(np.arange(n), np.arange(n) % 2 == 1)",
    "vast": "return Prediction(np.where(np.arange(n) % 2, 1e300, -1e300), np.arange(n) % 2)",
    "loud": "os.write(1, bytes(range(256)) * 100)\n" + SCORES,
    "threaded": "threading.Thread(target=time.sleep, args=(3600,)).start()\n" + SCORES,
    "forks": "if not os.fork(): time.sleep(3600)\n" + SCORES,
}

IN_WORKER = "if 'BENCH_CACHE' not in os.environ: "  # which discovery has and a worker has not
TOPS = {
    "import": IN_WORKER + "raise AssertionError('not here')",
    "import-hangs": IN_WORKER + "time.sleep(3600)",
}
IMPORTS = "import ctypes, os, signal, sys, threading, time\n"


def install(bench, scores):
    for name, score in scores.items():
        top = IMPORTS + TOPS.get(name, "")
        bench.plugin(name, method_source(name, score, top=top))


def record(bench, name):
    path = bench.folder / "results" / "small" / f"{name}@official-demo-0.json"
    return json.loads(path.read_text())


def run_beside_fine_ones(bench, kinds, *more):
    """Run methods of these kinds, a fine one between them and at the end; return what was said."""
    install(bench, {name: score for name, (score, *_) in kinds.items()} | FINE)
    names = [*kinds, *FINE, "nearest-pixel"]
    chosen = [argument for name in names for argument in ("-m", name)]
    done = bench("run", *chosen, "--datasets", bench.phantom(), "-d", "small", *more, code=1)
    for name, (_, status, reason) in kinds.items():
        found = record(bench, name)
        assert found["status"] == status or (status is None and found["status"] != "ok"), name
        assert found["metrics"] == {}, name
        assert reason in found["reason"], (name, found["reason"])
        [line] = [text for text in done.stderr.splitlines() if f" {name} on small " in text]
        assert reason in line, name
    board = bench.json("board", "small", "--format", "json")
    fine = {*FINE, "nearest-pixel"}
    assert {row["method"] for row in board["rows"] if row["rank"]} == fine
    assert {record(bench, name)["status"] for name in fine} == {"ok"}
    assert not list((bench.folder / "cache" / "runs").iterdir())
    for shard in (bench.folder / "cache").rglob("*.safetensors"):
        map_rows(shard)


def test_a_failing_method_is_a_row_that_says_what_to_mend_and_the_rest_are_right(bench):
    run_beside_fine_ones(bench, FAILING)
    assert "RuntimeError: no luck" in record(bench, "raises")["log"][-1]
    assert any("in score" in line for line in record(bench, "segfault")["log"])


@pytest.mark.slow
def test_what_does_not_end_is_ended_and_the_rest_are_right(bench, tmp_path_factory):
    limits = ("--timeout", "10", "--memory-limit", "800MB")
    run_beside_fine_ones(bench, ENDLESS, *limits)
    assert any("in score" in line for line in record(bench, "hangs")["log"])
    assert record(bench, "hangs")["environment"]["limit_seconds"] == 10
    assert record(bench, "hangs")["environment"]["limit_memory"] == 800_000_000
    alone = Bench(tmp_path_factory.mktemp("alone"), cards=bench.cards)
    install(alone, FINE)
    chosen = [argument for name in (*FINE, "nearest-pixel") for argument in ("-m", name)]
    alone("run", *chosen, "--datasets", alone.phantom(), "-d", "small")
    beside = bench.records()
    for path, undisturbed in alone.records().items():
        assert beside[path] == undisturbed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("harness.running.template", signal.SIGKILL),
        ("harness.running.template", signal.SIGSTOP),
        ("harness.features.service", signal.SIGKILL),
    ],
)
def test_a_process_of_the_harness_that_is_gone_is_started_again(bench, victim, number):
    """Whoever did it: the system that runs out of memory, or a method."""
    waits = "open('here', 'w')\nwhile True: time.sleep(0.1)\n"
    install(bench, {"a-waits": waits, "b-fine": SCORES})
    methods = ("-m", "a-waits", "-m", "b-fine", "-m", "nearest-pixel")
    arguments = ("run", *methods, "--datasets", bench.phantom(), "-d", "small", "--timeout", "4")
    process = bench.start(*arguments)
    while not list((bench.folder / "cache" / "runs").rglob("here")):
        assert process.poll() is None, process.communicate()
    for folder in Path("/proc").glob("[0-9]*"):
        command = (folder / "cmdline").read_bytes().decode()
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        if victim in command and parent == str(process.pid):
            os.kill(int(folder.name), number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert record(bench, "a-waits")["status"] in ("timeout", "crashed")
    assert {record(bench, name)["status"] for name in ("b-fine", "nearest-pixel")} == {"ok"}


def test_a_limit_that_is_none_is_refused(bench):
    run = ("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small")
    assert "--memory-limit 'much': is no size" in bench.refused(*run, "--memory-limit", "much")
