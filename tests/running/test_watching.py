"""What a watched process is seen to touch; in processes of their own, for a hook stays for good."""

import subprocess
import sys

import pytest

TOUCHES = {
    "open(outside / 'a', 'w')": ["a"],
    "open(outside / 'old', 'a')": ["old"],
    "open(outside / 'old', 'r+b')": ["old"],
    "os.close(os.open(outside / 'b', os.O_CREAT | os.O_WRONLY))": ["b"],
    "(outside / 'c').mkdir()": ["c"],
    "(outside / 'old').rename(outside / 'new')": ["old", "new"],
    "(outside / 'old').unlink()": ["old"],
    "(outside / 'd').symlink_to('old')": ["d"],
    "np.save(outside / 'e.npy', np.zeros(3))": ["e.npy"],
    "sqlite3.connect(outside / 'f')": ["f"],
    "os.chdir(outside); open('g', 'w')": ["g"],
    "open('../outside/h', 'w')": ["h"],
    "open(outside / 'old').read(); os.listdir(outside); os.stat(outside)": [],
    "open('fine', 'w'); os.mkdir('also'); os.rename('fine', 'also/fine')": [],
    "open(os.devnull, 'w')": [],
}
SCRIPT = """
import json, os, sqlite3, sys
from pathlib import Path
import numpy as np
from harness.running.watching import watch_writes
inside, outside = Path("inside").resolve(), Path("outside").resolve()
os.chdir(inside)
touched = watch_writes(inside)
{does}
print(*(Path(path).name for path in touched))
"""


@pytest.mark.parametrize("does", TOUCHES)
def test_what_python_writes_outside_the_folder_is_noted(tmp_path, does):
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "old").write_text("old")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(does=does)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == TOUCHES[does]
