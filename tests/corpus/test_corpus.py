"""Whatever lies where a file is read is read right, or refused in one line that names it."""

import ctypes
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from corpus.archives import ARRAYS, PACKS
from corpus.documents import DOCUMENTS
from corpus.kinds import Kind, check
from corpus.pictures import PICTURES
from corpus.records import NOTES, RECORDS, TEXT
from corpus.scans import SCANS
from corpus.tables import GROUPS, NAMES, PLAIN, RUNS, SCORED, TRUTHS
from corpus.ward import ENTRY, lay_out
from harness.audit.record import read_sentence
from harness.board.board import read_boards
from harness.board.comparison import read_comparison
from harness.board.markdown import publish
from harness.datasets import embedded
from harness.datasets.builtin import bench_recipes
from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.datasets.download import Download, fetch
from harness.datasets.layouts import list_images
from harness.datasets.pack import note_name
from harness.datasets.unpacking import unpack_npz
from harness.errors import BenchError
from harness.features.backbones import HubBackbone
from harness.running.records import RecordStore
from harness.scoring.runfile import read_run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "ward")


def opened(ward: Path, keys: str = ""):
    file = ward.with_name("datasets.yaml")
    file.write_text(ENTRY % keys)
    return open_dataset(read_entries(file)["ward"], {})


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", PICTURES, ids=str)
def test_an_image(kind: Kind, ward: Path, cache: Path) -> None:
    path = ward / "train/real_used" / kind.file
    kind.make(path)

    def pixels() -> np.ndarray:
        used = opened(ward, kind.entry).sets["train/used"]
        return used.pixels()[used.ids.index(kind.file)]

    shown = kind.file if kind.file.isprintable() else ""
    assert check(kind, pixels, ward, shown) or not files_below(cache)


@pytest.mark.parametrize("kind", TRUTHS, ids=str)
def test_the_truth(kind: Kind, ward: Path, cache: Path) -> None:
    kind.make(ward / "truth.csv")

    def labels() -> tuple[int, ...]:
        asked = opened(ward, ", truth: truth.csv").sets["test/unknown"]
        return tuple(asked.labels[asked.ids.index(name)] for name in NAMES)

    assert check(kind, labels, ward / "truth.csv") or not files_below(cache)


@pytest.mark.parametrize("kind", GROUPS, ids=str)
def test_groups(kind: Kind, ward: Path, cache: Path) -> None:
    kind.make(ward / "groups.csv")

    def first() -> str:
        used = opened(ward, ", groups: groups.csv").sets["train/used"]
        return used.groups[used.ids.index(NAMES[0])]

    assert check(kind, first, ward / "groups.csv") or not files_below(cache)


@pytest.mark.parametrize("kind", RUNS, ids=str)
def test_a_run_file(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    kind.make(path)
    check(kind, lambda: tuple(read_run(path, NAMES).labels.values()), path)


@pytest.mark.parametrize("kind", SCORED, ids=str)
def test_scores(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    kind.make(path)
    check(kind, lambda: tuple(read_run(path, NAMES).scores.values()), path)


@pytest.mark.parametrize("kind", DOCUMENTS, ids=str)
def test_a_document(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "datasets.yaml"
    kind.make(file)

    def entries() -> dict[str, tuple[str | None, int | None]]:
        return {name: (entry.root, entry.image.size) for name, entry in read_entries(file).items()}

    check(kind, entries, file)


@pytest.mark.parametrize("kind", PACKS, ids=str)
def test_a_pack(kind: Kind, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "odd.zip"
    kind.make(archive)
    monkeypatch.setattr(embedded, "shipped", lambda *parts: tmp_path / parts[-1])
    file = tmp_path / "datasets.yaml"
    file.write_text(
        "x: {task: membership, layout: pack, fetch: {embedded: {pack: odd, entry: tiny}}}\n"
    )

    def sizes() -> dict[str, int]:
        dataset = open_dataset(read_entries(file)["x"], bench_recipes())
        return {name: len(part) for name, part in dataset.sets.items()}

    assert check(kind, sizes, "odd") or not list(cache.rglob("index.json"))
    assert not list(cache.rglob(".building.*"))


@pytest.mark.parametrize("kind", ARRAYS, ids=str)
def test_arrays(kind: Kind, tmp_path: Path) -> None:
    archive, into = tmp_path / "odd.npz", tmp_path / "into"
    kind.make(archive)
    into.mkdir()

    def sizes() -> dict[str, int]:
        unpack_npz(archive, into, lambda *_: None)
        return {folder.name: len(list_images(folder, into)) for folder in into.iterdir()}

    check(kind, sizes, archive)


@pytest.mark.parametrize("kind", RECORDS, ids=str)
def test_a_record(kind: Kind, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "results")
    stem = store.root / "small/guess@official-demo-0"
    stem.parent.mkdir(parents=True)
    path = stem.with_name(f"{stem.name}.json")
    kind.make(path)

    def shown() -> tuple[str, float]:
        [[row]] = [board.rows for board in read_boards(store, "small")]
        return row.method, row.metrics["kappa"].value

    assert check(kind, shown, path) is (store.read(stem) is not None)


def test_a_damaged_record_among_others_is_left_out_of_the_board_but_not_published(
    tmp_path: Path,
) -> None:
    store = RecordStore(tmp_path / "results")
    (store.root / "small").mkdir(parents=True)
    for name, text in (("guess", TEXT), ("half", TEXT[:99])):
        (store.root / "small" / f"{name}@official-demo-0.json").write_text(text)
    [board] = read_boards(store, "small")
    assert [row.method for row in board.rows] == ["guess"]
    assert any("half@official-demo-0.json cannot be read" in flag for flag in board.flags)
    with pytest.raises(BenchError, match=r"half@official-demo-0\.json: is no record"):
        publish(store, tmp_path / "boards")
    assert not (tmp_path / "boards").exists()


@pytest.mark.parametrize("kind", SCANS, ids=str)
def test_a_scan(kind: Kind, ward: Path, cache: Path) -> None:
    path = ward / "train/real_used" / kind.file
    kind.make(path)

    def pixels() -> np.ndarray:
        used = opened(ward, kind.entry).sets["train/used"]
        [row] = [row for row, name in enumerate(used.ids) if name.startswith(kind.file)]
        return used.pixels()[row]

    assert check(kind, pixels, path) or not files_below(cache)


@pytest.mark.parametrize("content", NOTES, ids=lambda content: repr(content[:9]))
def test_a_damaged_note_of_the_harness_counts_as_absent(
    content: bytes, tmp_path: Path, cache: Path
) -> None:
    """A precision, a card, a name or a verdict that a crash spoilt is made or given again."""
    (tmp_path / "audit.json").write_bytes(content)
    assert read_sentence(tmp_path, "0") is None
    assert read_comparison(tmp_path / "audit.json") is None
    (cache / "weights").mkdir(parents=True)
    (cache / "weights/hub-none.json").write_bytes(content)
    assert HubBackbone("none").at_hand() is None
    (tmp_path / "set").mkdir()
    (tmp_path / "set/.fetched.json").write_bytes(content)
    with suppress(BenchError):  # another version
        assert not fetch(Download(url="http://x", md5="0" * 32), tmp_path / "set", lambda *_: None)
    assert (tmp_path / "set/.fetched.json").read_bytes() == content
    (cache / "packs/0").mkdir(parents=True)
    (cache / "packs/0/names.json").write_bytes(content)
    note_name("0", "small")
    assert json.loads((cache / "packs/0/names.json").read_text()) == ["small"]


@contextmanager
def nobody_may(path: Path) -> Iterator[None]:
    """Take every permission on ``path``, and from root the right to pass over that."""
    version_3, overrides, effective = 0x20080522, 0b110, 0  # CAP_DAC_OVERRIDE, _READ_SEARCH
    thread, held = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)()
    libc, root = ctypes.CDLL(None), os.geteuid() == 0
    if root and not (hasattr(libc, "capget") and libc.capget(thread, held) == 0):
        pytest.skip("root reads everything here, and cannot give that up")
    mode, before = path.stat().st_mode, held[effective]
    path.chmod(0)
    held[effective] = before & ~overrides
    try:
        assert not root or libc.capset(thread, held) == 0
        yield
    finally:
        held[effective] = before
        assert not root or libc.capset(thread, held) == 0
        path.chmod(mode)


LOCKED = ["", "train/real_used", "train/real_used/q_1.png", "truth.csv", "../datasets.yaml"]


@pytest.mark.parametrize("name", LOCKED, ids=lambda name: name or "root")
def test_what_nobody_may_read_is_named(ward: Path, cache: Path, name: str) -> None:
    (ward / "truth.csv").write_text(PLAIN)
    file = ward.with_name("datasets.yaml")
    file.write_text(ENTRY % ", truth: truth.csv")
    kind = Kind("locked", Path.touch, said="Permission denied")
    with nobody_may(ward / name):
        check(kind, lambda: open_dataset(read_entries(file)["ward"], {}), Path(name).name)
    assert not files_below(cache)


def test_a_run_file_or_record_that_nobody_may_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "small/guess@official-demo-0.json"
    path.parent.mkdir()
    path.write_text(TEXT)
    with nobody_may(path):
        check(Kind("run", Path.touch, said="Permission denied"), lambda: read_run(path, []), path)
        store = RecordStore(tmp_path)
        check(
            Kind("record", Path.touch, said="no record"), lambda: read_boards(store, "small"), path
        )
