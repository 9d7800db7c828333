"""What a watched process is kept from; in processes of their own, for a hook stays for good."""

import sys

import pytest
from forks import in_forks

TRIES = {
    "open(outside / 'a', 'w')": "write a",
    "open(outside / 'old', 'a')": "write old",
    "open(outside / 'old', 'r+b')": "write old",
    "os.close(os.open(outside / 'b', os.O_CREAT | os.O_WRONLY))": "write b",
    "(outside / 'c').mkdir()": "write c",
    "(outside / 'old').rename(outside / 'new')": "write old",
    "(outside / 'old').unlink()": "write old",
    "(outside / 'old').chmod(0)": "write old",
    "os.utime(outside / 'old')": "write old",
    "(outside / 'd').symlink_to('old')": "write d",
    "np.save(outside / 'e.npy', np.zeros(3))": "write e.npy",
    "sqlite3.connect(outside / 'f')": "write f",
    "os.chdir(outside); open('g', 'w')": "write g",
    "open('../outside/h', 'w')": "write h",
    "open(image, 'r+b')": "change its inputs",
    "image.unlink()": "change its inputs",
    "socket.create_connection(('127.0.0.1', 9))": "use the network",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))":
        "use the network",
    "open(outside / 'none').read()": "",
    "open(image).read(); open('fine', 'w'); os.mkdir('also'); os.rename('fine', 'also/fine')": "",
    "open(os.devnull, 'w'); open('/dev/urandom', 'rb').read(1)": "",
    "import colorsys; subprocess.run([sys.executable, '-S', '-c', ''], check=True)": "",
    "socket.socketpair()": "",
}  # fmt: skip
READS = {
    "open(outside / 'old').read()": "read old",
    "os.listdir(outside)": "read outside",
    "list(outside.iterdir())": "read outside",
    "os.symlink(outside, 'way'); open('way/old').read()": "read old",
    "open('/proc/1/environ')": "read environ",
    "open('/proc/self/maps').read(); open('/etc/passwd').read(); os.stat(outside / 'old')": "",
}
TOP = """
import contextlib, json, os, socket, sqlite3, subprocess, sys
from pathlib import Path
import numpy as np
from harness.running.watching import watch
"""
SETTING = """
import contextlib, json, os, socket, sqlite3, subprocess, sys
from pathlib import Path
import numpy as np
from harness.reach import Reach, SYSTEM
from harness.running.watching import watch
inside, outside = Path("inside").resolve(), Path("outside").resolve()
image = outside / "image"
inside.mkdir(); outside.mkdir()
for name in ("old", "image"):
    (outside / name).write_text("old")
os.chdir(inside)
system = tuple(map(Path, [*SYSTEM, sys.prefix, sys.base_prefix]))
tried = watch(Reach((*system, image), (inside,), (image,)))
"""
if sys.platform == "linux":
    TRIES |= READS


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    ended = in_forks(folder, TOP, SETTING, list(TRIES))
    for number in range(len(ended)):
        outside = folder / str(number) / "outside"
        assert {path.name: path.read_text() for path in outside.iterdir()} == {
            "old": "old", "image": "old",
        }  # fmt: skip
    return ended


@pytest.mark.parametrize("does", TRIES)
def test_what_python_tries_outside_its_reach_is_refused_and_noted(endings, does):
    ending, tried = endings[does]
    if not TRIES[does]:
        assert not tried
        assert not ending or ending.startswith("FileNotFoundError")
        return
    [attempt] = tried
    verb, _, rest = attempt.partition(";")[0].removeprefix("tried to ").rpartition(" ")
    assert f"{verb} {rest.rpartition('/')[2]}" == TRIES[does]
    assert ending == f"PermissionError: [Errno 13] {attempt}"
