"""Disks that are full or read-only: one clear line, nothing half-written, nothing lost."""

import subprocess
from pathlib import Path

import pytest

from support import Bench

UNSHARE = ("unshare", "--mount", "--map-root-user")
FULL = "mount -t tmpfs -o size={size} none {folder}"
READ_ONLY = "mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"


def can_mount() -> bool:
    try:
        mount = (*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt")
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not can_mount(), reason="needs mounts of its own")


def run_with(bench: Bench, mount: str, folder: Path, *arguments: str | Path) -> tuple[str, str]:
    """Run a command with something mounted at a folder; return its error, and the files there."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f'{mount.format(folder=folder, size="64k")} || exit 99\n"$@"\ncode=$?\n'
    script += f"find {folder} -type f; exit $code"
    command = bench.command(*arguments)
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", script, "sh", *command],
        capture_output=True, text=True, check=False, env=bench.environment, cwd=bench.folder,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    [line] = [text for text in done.stderr.splitlines() if text.startswith("error:")]
    return line, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mount", "folder", "said"),
    [
        (FULL, "cache/packs", "No space left on device"),
        (FULL, "cache/features", "No space left on device"),
        (FULL.replace("{size}", "4k"), "results", "No space left on device"),
        (READ_ONLY, "cache", "Read-only file system"),
        (READ_ONLY, "results", "Read-only file system"),
    ],
)
def test_a_disk_that_takes_nothing_ends_the_run_in_one_line(bench, mount, folder, said):
    arguments = ("run", "-m", "nearest-pixel", "--datasets", bench.phantom(), "-d", "small")
    line, left = run_with(bench, mount, bench.folder / folder, *arguments)
    assert said in line
    assert str(bench.folder / folder) in line
    assert "BENCH_CACHE" in line
    assert ".tmp" not in left
    assert "nearest-pixel@" not in left or folder != "results" or ".json" not in left
    bench(*arguments)
    [record] = bench.records().values()
    assert record["status"] == "ok"


@pytest.mark.slow
def test_what_is_finished_can_be_looked_at_on_a_read_only_disk(bench):
    arguments = ("run", "-m", "random", "--datasets", bench.phantom(), "-d", "small")
    bench(*arguments)
    script = READ_ONLY.format(folder=bench.folder) + ' && "$@"'
    for command in (arguments, ("board", "small"), ("list", "methods")):
        done = subprocess.run(
            [*UNSHARE, "sh", "-c", script, "sh", *bench.command(*command)],
            capture_output=True, text=True, check=False, env=bench.environment, cwd=bench.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
