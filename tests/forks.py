"""Programs that cannot be undone, as shutting oneself in: each in a fork of one process."""

import json
import subprocess
import sys
from pathlib import Path

FORKS = """
import json, os, sys, traceback
said = {}
for number, (setting, does) in enumerate(json.load(sys.stdin)):
    os.mkdir(f"{number}")
    end, start = os.pipe()
    if not os.fork():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.chdir(f"{number}")
        ending = ""
        names = {}
        try:
            exec(setting, names)
            exec(does, names)
        except BaseException as error:
            ending = f"{type(error).__name__}: {error}"
        os.write(start, json.dumps([ending, names.get("tried", [])]).encode())
        os._exit(0)
    os.close(start)
    with os.fdopen(end) as stream:
        said[does] = json.load(stream)
    os.wait()
print(json.dumps(said))
"""


def in_forks(folder: Path, top: str, setting: str, programs: list[str]) -> dict[str, list]:
    """Run programs and return how each ended ("" for well) and its list ``tried``, by program.

    Each has the setting run before it in a folder of its own, whose name is its number.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", top + FORKS],
        input=json.dumps([[setting, does] for does in programs]),
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
