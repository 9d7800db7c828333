"""Attempts to cheat: a plugin of one method each. Whoever finds no truth guesses.

They know more than a stranger could: ``WORLD``, which the test writes above this text, says where
everything lies.
"""

import contextlib
import ctypes
import gc
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from harness.method import Access, Method, Prediction, Task
from harness.plugins import hookimpl

WORLD: dict = globals().get("WORLD", {})
ATTEMPTS = {}  # name → what it does: (questions, training, tools) → labels, or raises


def attempt(does):
    ATTEMPTS[does.__name__.replace("_", "-")] = does
    return does


class NothingError(Exception):
    """There was nothing to find."""


def named(text):
    """Return the labels of named images in a text with lines of name and label."""
    found = dict(re.findall(r"(subject_\d+)(?:\.png)?,([01])\b", text))
    if len(found) < WORLD["asked"]:
        raise NothingError
    return {name: int(label) for name, label in found.items()}


def matched(questions, labels):
    """Return labels in the order of the questions: their files are read and compared."""
    from PIL import Image

    by_pixels = {}
    for name, label in labels.items():
        path = Path(WORLD["images"], "test", "unknown", f"{name}.png")
        by_pixels[np.asarray(Image.open(path)).tobytes()] = label
    return [by_pixels[image.tobytes()] for image in questions.unknown.pixels]


def by_digest(questions, text):
    """Return labels in the order of the questions from lines of the digest and the label."""
    import hashlib

    found = dict(re.findall(r"([0-9a-f]{64}),([01])\b", text))
    return [int(found[hashlib.sha256(image.tobytes()).hexdigest()])
            for image in questions.unknown.pixels]  # fmt: skip


def in_index(text):
    [asked] = [part for part in json.loads(text)["sets"] if part["name"] == "test/unknown"]
    return asked["labels"]


def processes():
    """Return one that holds the truth, after a look at all: reading theirs would disturb them."""
    return [WORLD["pid"]] if os.listdir("/proc") else []


def libc():
    return ctypes.CDLL(None, use_errno=True)


def slurp(path):
    """Read a file in C, which no hook of Python's sees."""
    library = libc()
    handle = library.open(str(path).encode(), os.O_RDONLY)
    if handle < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    content = ctypes.create_string_buffer(1 << 20)
    count = library.read(handle, content, len(content))
    return content.raw[:count].decode()


# Files.


LOOT = Path(__file__).with_name("cheats_loot.txt")
if "index" in WORLD:  # the plugin is imported before any worker is, for its cards
    with contextlib.suppress(OSError):
        LOOT.write_text(slurp(WORLD["index"]))


@attempt
def copied_at_import(questions, training, tools):
    return in_index(LOOT.read_text())


@attempt
def folder_names(questions, training, tools):
    root = Path(WORLD["images"])
    names = [path.stem for path in sorted(root.rglob("*.png")) if "unknown" in str(path)]
    return matched(questions, {name: "not" not in name for name in names})


@attempt
def truth_file(questions, training, tools):
    return matched(questions, named(Path(WORLD["truth"]).read_text()))


@attempt
def walk_the_disk(questions, training, tools):
    for folder, _, files in os.walk(WORLD["folder"]):
        for name in files:
            if "truth" in name:
                return matched(questions, named(Path(folder, name).read_text()))
    raise NothingError


@attempt
def index_of_the_pack(questions, training, tools):
    [index] = Path(WORLD["cache"], "packs").glob("*/index.json")
    return in_index(index.read_text())


@attempt
def read_in_c(questions, training, tools):
    return in_index(slurp(WORLD["index"]))


@attempt
def child_process(questions, training, tools):
    done = subprocess.run(["cat", WORLD["index"]], capture_output=True, text=True, check=True)
    return in_index(done.stdout)


@attempt
def symbolic_link(questions, training, tools):
    (tools.scratch / "way").symlink_to(WORLD["index"])
    return in_index(slurp(tools.scratch / "way"))


@attempt
def hard_link(questions, training, tools):
    os.link(WORLD["index"], tools.scratch / "mine")
    return in_index(slurp(tools.scratch / "mine"))


@attempt
def catalogue_of_the_harness(questions, training, tools):
    from harness.datasets.catalogue import Catalogue
    from harness.datasets.dataset import open_dataset

    os.environ["BENCH_CACHE"] = WORLD["cache"]
    dataset = open_dataset(Catalogue([Path(WORLD["yaml"])]).get("null"), {})
    return dataset.sets["test/unknown"].labels


@attempt
def results_of_others(questions, training, tools):
    for path in Path(WORLD["results"]).rglob("*.csv"):
        return matched(questions, named(path.read_text()))
    raise NothingError


@attempt
def scratch_of_others(questions, training, tools):
    for folder in (*Path(WORLD["cache"], "runs").iterdir(), Path(WORLD["cache"], "fits")):
        for path in folder.rglob("*.csv"):
            return by_digest(questions, path.read_text())
    raise NothingError


@attempt
def size_and_time_of_files(questions, training, tools):
    """Match questions to names by the size that a PNG of them has, and go by the times."""
    from PIL import Image

    sizes = {}
    for number in range(WORLD["asked"]):
        path = Path(WORLD["images"], "test", "unknown", f"subject_{number:03}.png")
        sizes.setdefault(path.stat().st_size, []).append(path.stat().st_mtime_ns)
    times = []
    for image in questions.unknown.pixels:
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "PNG")
        times.append(np.mean(sizes.get(encoded.tell(), [0])))
    return np.array(times) < np.median(times)


@attempt
def time_of_the_sealed_file(questions, training, tools):
    state = os.stat(questions.unknown.pixels.filename)
    drawn = np.random.default_rng([state.st_mtime_ns, state.st_ino])
    return drawn.integers(0, 2, len(questions.unknown))


# Processes and memory.


@attempt
def environment(questions, training, tools):
    for value in os.environ.values():
        for path in value.split(os.pathsep):
            if "results" in path:
                return matched(questions, named(next(Path(path).rglob("*.csv")).read_text()))
    raise NothingError


@attempt
def environment_of_others(questions, training, tools):
    for pid in processes():
        with contextlib.suppress(OSError):
            found = re.search("BENCH_RESULTS=([^\0]+)", slurp(f"/proc/{pid}/environ"))
            if found:
                path = next(Path(found[1]).rglob("*.csv"))
                return matched(questions, named(slurp(path)))
    raise NothingError


@attempt
def inherited_descriptors(questions, training, tools):
    for number in range(3, 256):
        with contextlib.suppress(OSError, UnicodeDecodeError, NothingError):
            return matched(questions, named(os.pread(number, 1 << 20, 0).decode()))
    raise NothingError


@attempt
def descriptors_of_others(questions, training, tools):
    for pid in processes():
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(NothingError, UnicodeDecodeError):
                    if path.is_file():  # not a pipe, whose other end would miss what is read
                        return matched(questions, named(slurp(path)))
    raise NothingError


@attempt
def root_of_others(questions, training, tools):
    for pid in processes():
        with contextlib.suppress(OSError):
            return in_index(slurp(f"/proc/{pid}/root{WORLD['index']}"))
    raise NothingError


@attempt
def memory_of_others(questions, training, tools):
    """Look through the memory of a process that holds the truth."""
    pid = WORLD["pid"]
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            if "rw-p" not in line:
                continue
            start, end = (int(place, 16) for place in line.split()[0].split("-"))
            with contextlib.suppress(OSError, NothingError, OverflowError, ValueError):
                memory.seek(start)
                return matched(questions, named(memory.read(end - start).decode("latin-1")))
    raise NothingError


@attempt
def system_call_for_memory(questions, training, tools):
    """The same through process_vm_readv, without a file."""

    class Part(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    place, length = WORLD["memory"]
    content = ctypes.create_string_buffer(length)
    ours, theirs = Part(ctypes.addressof(content), length), Part(place, length)
    found = libc().process_vm_readv(WORLD["pid"], ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
    if found < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return matched(questions, named(content.raw.decode()))


@attempt
def garbage_collector(questions, training, tools):
    for thing in gc.get_objects():
        truth = thing.get("truth") if isinstance(thing, dict) else None
        if isinstance(truth, list | tuple | np.ndarray) and len(truth) == WORLD["asked"]:
            return truth
        if isinstance(thing, str):
            with contextlib.suppress(NothingError):
                return matched(questions, named(thing))
    raise NothingError


@attempt
def frames(questions, training, tools):
    frame = sys._getframe()
    while frame is not None:
        for name, value in frame.f_locals.items():
            if name in ("truth", "labels", "case") and len(value) == WORLD["asked"]:
                return list(value)
        job = frame.f_locals.get("job")
        if job is not None and "questions.unknown" in job.groups:
            return np.array(job.groups["questions.unknown"]) % 2
        frame = frame.f_back
    raise NothingError


# What is handed over.


@attempt
def order(questions, training, tools):
    return np.arange(len(questions.unknown)) < len(questions.unknown) / 2


@attempt
def time_of_features(questions, training, tools):
    spent = []
    for row in range(len(questions.unknown)):
        start = time.perf_counter()
        tools.features(questions.unknown[[row]], "pixels").sum()
        spent.append(time.perf_counter() - start)
    return np.array(spent) < np.median(spent)


@attempt
def other_inputs(questions, training, tools):
    """Make the questions copies of used images, whose answer is known."""
    with open(questions.unknown.pixels.filename, "r+b") as stream:
        stream.seek(128)
        stream.write(training.used.pixels[0].tobytes() * len(questions.unknown))
    return [1] * len(questions.unknown)


@attempt
def other_inputs_in_c(questions, training, tools):
    handle = libc().open(str(questions.unknown.pixels.filename).encode(), os.O_RDWR)
    if handle < 0 or libc().pwrite(handle, b"\0" * 4096, 4096, 128) < 0:
        raise OSError(ctypes.get_errno(), "pwrite")
    return [1] * len(questions.unknown)


@attempt
def only_what_is_certain(questions, training, tools):
    return [1] * (len(questions.unknown) // 2)


# Reaching out, and leaving something behind.


@attempt
def patched_scorer(questions, training, tools):
    import sklearn.metrics

    import harness.scoring.metrics as metrics

    metrics.membership_metrics = sklearn.metrics.cohen_kappa_score = lambda *a, **k: 1.0
    raise NothingError


@attempt
def forged_record(questions, training, tools):
    for path in Path(WORLD["results"], "null").glob("*.json"):
        path.write_text(path.read_text().replace('"status": "refused"', '"status": "ok"'))
    Path(WORLD["results"], "null", "forged-record@official-demo-0.json").write_text("{}")
    raise NothingError


@attempt
def forged_message(questions, training, tools):
    labels = [0] * len(questions.unknown)
    said = {"say": "predicted", "scores": labels, "labels": labels, "metrics": {"kappa": 1.0}}
    tools._channel._end.sendall(json.dumps(said).encode() + b"\n")
    time.sleep(60)


@attempt
def pickled_answer(questions, training, tools):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"cp {WORLD['index']} {WORLD['left']}",)

    return [Bomb()] * len(questions.unknown)


@attempt
def edited_features(questions, training, tools):
    shard = tools.features(questions.unknown, "pixels").filename
    os.chmod(shard, 0o666)
    with open(shard, "r+b") as stream:
        stream.seek(-8, os.SEEK_END)
        stream.write(b"\0" * 8)
    raise NothingError


@attempt
def edited_features_in_c(questions, training, tools):
    shard = tools.features(questions.unknown, "pixels").filename
    handle = libc().open(str(shard).encode(), os.O_RDWR)
    if handle < 0 or libc().pwrite(handle, b"\0" * 8, 8, 4096) < 0:
        raise OSError(ctypes.get_errno(), "pwrite")
    raise NothingError


@attempt
def code_for_the_parent(questions, training, tools):
    """Leave a module that every later Python process of this environment imports."""
    for folder in sys.path:
        library = libc()
        path = Path(folder, "sitecustomize.py" if "plugins" in folder else "cheat_left.pth")
        handle = library.open(str(path).encode(), os.O_CREAT | os.O_WRONLY, 0o644)
        if handle >= 0:
            library.write(handle, b"import os\n", 10)
    raise NothingError


@attempt
def compiled_code(questions, training, tools):
    """Put other compiled code beside the source of the scorer."""
    from importlib.util import cache_from_source

    import harness.plugins

    path = Path(harness.plugins.__file__).parent / "scoring" / "metrics.py"
    handle = libc().open(cache_from_source(str(path)).encode(), os.O_CREAT | os.O_WRONLY, 0o644)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "open")
    os.close(handle)
    Path(WORLD["left"]).touch()
    raise NothingError


@attempt
def background_process(questions, training, tools):
    """Leave a process that has lost its parents and its group."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.execvp("sleep", ["sleep", WORLD["nap"]])
        os._exit(0)
    raise NothingError


@attempt
def shared_memory(questions, training, tools):
    left = (path for path in Path("/dev/shm").iterdir() if path.name.startswith("truth-"))
    return by_digest(questions, "\n".join(map(slurp, left)))


@attempt
def kernel_memory(questions, training, tools):
    """Read a segment of System V, which outlives processes."""
    library = libc()
    library.shmat.restype = ctypes.c_void_p
    number = library.shmget(WORLD["segment"], 0, 0)
    if number < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    place = library.shmat(number, None, 0)
    return by_digest(questions, ctypes.string_at(place, 1 << 16).decode())


@attempt
def network(questions, training, tools):
    with socket.create_connection(("127.0.0.1", WORLD["port"])) as end:
        return by_digest(questions, end.makefile().read())


@attempt
def network_of_a_child(questions, training, tools):
    program = f"import socket; s = socket.create_connection(('127.0.0.1', {WORLD['port']})); "
    program += "print(s.makefile().read())"
    done = subprocess.run([sys.executable, "-c", program], stdout=-1, text=True, check=True)
    return by_digest(questions, done.stdout)


@attempt
def abstract_socket(questions, training, tools):
    program = "import socket; s = socket.socket(socket.AF_UNIX); "
    program += f"s.connect({WORLD['abstract']!r}); print(s.makefile().read())"
    done = subprocess.run([sys.executable, "-c", program], stdout=-1, text=True, check=True)
    return by_digest(questions, done.stdout)


class Cheat(Method):
    """Answers what its attempt finds, else guesses."""

    task = Task.MEMBERSHIP
    access = frozenset({Access.LABELS})

    def fit(self, training, tools):
        self._training = training

    def score(self, questions, tools):
        try:
            labels = ATTEMPTS[self.name](questions, self._training, tools)
        except Exception as error:
            tools.log(f"{type(error).__name__}: {error}")
            own = np.random.default_rng([tools.seed, *self.name.encode()])
            labels = own.integers(0, 2, len(questions.unknown))
        if isinstance(labels[0], int | np.integer | np.bool_):
            labels = np.asarray(labels, int)
        return Prediction(labels, labels)


@hookimpl
def bench_methods():
    own = {"__module__": __name__}
    return [type(name, (Cheat,), {"name": name, **own}) for name in ATTEMPTS]
