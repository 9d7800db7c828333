"""Small real data sets on disk, and one way to look at a refusal."""

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from PIL import Image

from harness.datasets.catalogue import read_entries
from harness.datasets.entry import Entry
from harness.errors import BenchError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call something that must raise one line with a remedy and all the given parts."""

    def check(call: Callable[[], object], *parts: object) -> str:
        with pytest.raises(BenchError) as caught:
            call()
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        what, _, remedy = message.rpartition("; ")
        assert what
        assert remedy
        for part in parts:
            assert str(part) in message
        return message

    return check


@pytest.fixture
def save() -> Callable[..., None]:
    """Write one noisy grey image, the same one for the same seed."""

    def write(path: Path, seed: int, size: tuple[int, int] = (8, 8)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).save(path)

    return write


@pytest.fixture
def fill(save: Callable[..., None]) -> Callable[..., None]:
    """Write ``n`` images called ``<prefix>_1.png`` and so on into a folder."""

    def write(folder: Path, prefix: str, n: int, seed: int) -> None:
        for number in range(1, n + 1):
            save(folder / f"{prefix}_{number}.png", seed * 1000 + number)

    return write


@pytest.fixture
def entry_of(tmp_path: Path) -> Callable[[str], Entry]:
    """Read the one entry of a datasets.yaml in ``tmp_path``."""

    def read(text: str) -> Entry:
        file = tmp_path / "datasets.yaml"
        file.write_text(dedent(text))
        (entry,) = read_entries(file).values()
        return entry

    return read


@pytest.fixture
def csv() -> Callable[[Path, Iterable[tuple[str, object]]], Path]:
    """Write a table of two columns."""

    def write(path: Path, rows: Iterable[tuple[str, object]]) -> Path:
        path.write_text("".join(f"{name},{value}\n" for name, value in rows))
        return path

    return write


@pytest.fixture
def lung(tmp_path: Path, fill: Callable[..., None], csv: Callable[..., Path]) -> Path:
    """The folder of a membership data set: 10 + 10 labelled reals, 4 questions, 12 patients."""
    root = tmp_path / "lung"
    fill(root / "train/generated", "g", 6, 1)
    fill(root / "train/real_used", "used", 10, 2)
    fill(root / "train/real_not_used", "not_used", 10, 3)
    fill(root / "test/generated", "g", 5, 4)
    fill(root / "test/real_unknown", "q", 4, 5)
    fill(root / "null/generated", "g", 3, 6)
    csv(root / "test/truth.csv", [(f"q_{n}", n % 2) for n in range(1, 5)])
    kinds = ("used", "not_used")
    patients = [(f"{kind}_{n}.png", f"{kind}-{n % 5}") for n in range(1, 11) for kind in kinds]
    csv(root / "groups.csv", [*patients, *((f"q_{n}.png", f"p{n % 2}") for n in range(1, 5))])
    return root


@pytest.fixture
def classes(tmp_path: Path, fill: Callable[..., None], csv: Callable[..., Path]) -> Path:
    """The folder of an attribution data set with the classes t1, t2 and t10."""
    root = tmp_path / "classes"
    for number, name in enumerate(("t1", "t2", "t10")):
        fill(root / "train/real" / name, f"r{name}", 3, 10 + number)
        fill(root / "train/generated" / f"gen_{name}", "g", 5, 20 + number)
    fill(root / "test/generated", "q", 3, 30)
    csv(root / "truth.csv", [("q_1.png", "t10"), ("q_2.png", "gen_t2"), ("q_3.png", "1")])
    return root
