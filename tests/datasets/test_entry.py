"""datasets.yaml: every mistake is one line that names file, line, entry, key and remedy."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from harness.datasets.catalogue import Catalogue, read_entries
from harness.datasets.entry import Layout
from harness.method import Task

Refused = Callable[..., str]

GOOD = """\
ct64:
  task: membership
  layout: imageclef-2025-membership
  root: ct64
  truth: test/truth.csv
  groups: groups.csv
  null_pool: null/generated
  image: {size: 64}
  default: true
  publish_images: false
  licence: CC BY 4.0
  source: https://example.org
  comparable_to: [2025-membership]
"""
PACK = """\
made:
  task: membership
  layout: pack
  fetch:
    phantom:
      seed: 1
      generated: {train: 6, null: 4}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "datasets.yaml"


def read(file: Path, text: str | bytes) -> object:
    file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    return read_entries(file)


def test_a_full_entry_is_read(file: Path) -> None:
    file.write_text(GOOD)
    entry = read_entries(file)["ct64"]
    assert entry.task is Task.MEMBERSHIP
    assert entry.layout is Layout.MEMBERSHIP_2025
    assert entry.folder == file.parent / "ct64"
    assert (entry.truth, entry.groups, entry.null_pool) == (
        "test/truth.csv",
        "groups.csv",
        "null/generated",
    )
    assert entry.image.size == 64
    assert entry.default
    assert not entry.publish_images
    assert entry.comparable_to == ("2025-membership",)
    assert (entry.origin.file, entry.origin.line) == (file, 1)


def test_pixels_stay_private_and_nothing_is_default_unless_the_entry_says_so(file: Path) -> None:
    file.write_text(PACK)
    entry = read_entries(file)["made"]
    assert not entry.publish_images
    assert not entry.default
    assert entry.comparable_to == ()


def test_keys_are_read_as_they_are_written(file: Path) -> None:
    file.write_text(PACK)
    options = read_entries(file)["made"].fetch
    assert options == {"phantom": {"seed": 1, "generated": {"train": 6, "null": 4}}}


def test_splits_are_flattened_to_canonical_set_names(file: Path) -> None:
    file.write_text(
        "x: {task: membership, layout: folders, root: x, splits:"
        " {train: {generated: a, used: b, not_used: c}}}"
    )
    assert read_entries(file)["x"].mapping == {
        "train/generated": "a",
        "train/used": "b",
        "train/not_used": "c",
    }


def test_the_root_may_hold_variables(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CT_DATA", "/data/ct")
    file.write_text(GOOD.replace("root: ct64", "root: ${CT_DATA}/2025"))
    assert read_entries(file)["ct64"].folder == Path("/data/ct/2025")


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_is_named_when_the_root_is_needed(
    file: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CT_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("CT_DATA", value)
    file.write_text(GOOD.replace("root: ct64", "root: ${CT_DATA}/2025"))
    entry = read_entries(file)["ct64"]
    refused(lambda: entry.folder, f"{file}:4: entry 'ct64', key 'root'", "CT_DATA", "set it")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "parts"),
    [
        ("licence:", "license:", 11, "license", ["did you mean licence?", "comparable_to"]),
        ("  task: membership\n", "", 1, "task", ["missing"]),
        ("  layout: imageclef-2025-membership\n", "", 1, "layout", ["missing"]),
        ("  root: ct64\n", "", 1, "root", ["missing"]),
        ("root: ct64", "root:", 4, "root", ["missing"]),
        ("task: membership", "task: attribution", 2, "task", ["is for the task membership"]),
        ("task: membership", "task: member", 2, "task", ["'attribution'", "'member'"]),
        ("layout: imageclef-2025-membership", "layout: x", 3, "layout", ["folders", "'x'"]),
        ("root: ct64", "root: 64", 4, "root", ["text", "64"]),
        ("root: ct64", r'root: "a\nb"', 4, "root", ["unprintable"]),
        ("truth: test/truth.csv", r'truth: "a\0b"', 5, "truth", ["unprintable"]),
        ("root: ct64", "root: ''", 4, "root", ["at least 1"]),
        ("{size: 64}", "{size: -1}", 8, "image.size", ["greater than 0", "-1"]),
        ("{size: 64}", "{size: '64'}", 8, "image.size", ["integer", "'64'"]),
        ("{size: 64}", "{sise: 64}", 8, "image.sise", ["did you mean size?"]),
        ("{size: 64}", "64", 8, "image", ["map of keys", "64"]),
        ("default: true", "default: maybe", 9, "default", ["true or false", "'maybe'"]),
        ("publish_images: false", "publish_images: 1", 10, "publish_images", ["true or false"]),
        ("[2025-membership]", "2025", 13, "comparable_to", ["list", "2025"]),
        ("[2025-membership]", "[2025]", 13, "comparable_to", ["text", "2025"]),
        ("https://example.org", "2025-01-01", 12, "source", ["timestamp", "quotes"]),
        ("truth: test/truth.csv", "truth: /etc/truth.csv", 5, "truth", ["below root"]),
        ("groups: groups.csv", "groups: ../groups.csv", 6, "groups", ["below root"]),
        ("null_pool: null/generated", "root: again", 7, "root", ["line 4", "keep one"]),
    ],
)
def test_a_wrong_key_is_named_with_its_line(
    file: Path, refused: Refused, old: str, new: str, line: int, key: str, parts: list[str]
) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    refused(lambda: read(file, text), f"{file}:{line}: entry 'ct64', key {key!r}: ", *parts)


@pytest.mark.parametrize(
    ("keys", "key", "parts"),
    [
        ("layout: pack", "fetch", ["one recipe"]),
        ("layout: pack, fetch: {}", "fetch", ["one recipe"]),
        ("layout: pack, fetch: {a: {}, b: {}}", "fetch", ["one recipe"]),
        ("layout: pack, fetch: {a: 3}", "fetch.a", ["map of keys"]),
        ("layout: pack, fetch: {a: {}}, root: x", "root", ["no meaning"]),
        ("layout: pack, fetch: {a: {}}, image: {size: 3}", "image", ["no meaning"]),
        ("layout: folders, root: x", "splits", ["missing"]),
        ("layout: folders, root: x, splits: {}", "splits", ["missing"]),
        ("layout: folders, root: x, splits: {train: {}}", "splits.train", ["folder"]),
        ("layout: folders, root: x, splits: {train: {used: 3}}", "splits.train.used", ["3"]),
        (
            "layout: folders, root: x, splits: {train: {usde: a}}",
            "splits.train.usde",
            ["did you mean train/used?"],
        ),
        ("layout: folders, root: x, splits: {a/b: c}", "splits.a/b", ["'/'"]),
        ("layout: folders, root: x, splits: {test: {unknown: ../c}}", "splits.test.unknown", []),
        ("layout: folders, root: x, null_pool: /tmp, splits: {}", "splits", []),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(
    file: Path, refused: Refused, keys: str, key: str, parts: list[str]
) -> None:
    text = f"x: {{task: membership, {keys}}}"
    refused(lambda: read(file, text), f"{file}:1: entry 'x', key {key!r}: ", *parts)


@pytest.mark.parametrize(
    ("keys", "key", "parts"),
    [
        ("null_pool: n", "null_pool", ["membership"]),
        ("splits: {train: {real: {t1: {a: b}}}}", "splits.train.real.t1.a", ["CLASS"]),
        ("splits: {train: {used: a}}", "splits.train.used", ["train/real/CLASS"]),
        ("splits: {train: {real: {t 1: a}}}", "splits.train.real.t 1", ["unknown set"]),
    ],
)
def test_attribution_has_sets_of_its_own(
    file: Path, refused: Refused, keys: str, key: str, parts: list[str]
) -> None:
    text = f"x: {{task: attribution, layout: imageclef-2025-attribution, root: x, {keys}}}"
    refused(lambda: read(file, text), f"{file}:1: entry 'x', key {key!r}: ", *parts)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, refused: Refused) -> None:
    refused(lambda: read_entries(tmp_path / "none.yaml"), tmp_path / "none.yaml", "No such file")


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, refused: Refused) -> None:
    refused(lambda: read_entries(tmp_path), tmp_path, "cannot be read")


def test_a_catalogue_finds_entries_by_name_glob_and_default(file: Path) -> None:
    file.write_text(GOOD + PACK + PACK.replace("made", "mad-2"))
    catalogue = Catalogue([file])
    assert catalogue.get("made").name == "made"
    assert [entry.name for entry in catalogue.select(["mad*", "made"])] == ["made", "mad-2"]
    assert [entry.name for entry in catalogue.select(["mad-2", "*"])] == ["mad-2", "ct64", "made"]
    assert [entry.name for entry in catalogue.defaults()] == ["ct64"]
    assert catalogue.names() == ["ct64", "made", "mad-2"]
    assert "mad-2" in catalogue
    assert "mad*" not in catalogue
    assert len(catalogue) == 3


@pytest.mark.parametrize(("pattern", "hint"), [("ct46", "did you mean ct64?"), ("zzz*", "zzz*")])
def test_a_name_or_glob_that_nothing_matches_is_refused(
    file: Path, refused: Refused, pattern: str, hint: str
) -> None:
    file.write_text(GOOD)
    catalogue = Catalogue([file])
    refused(lambda: catalogue.get(pattern), hint, "bench list datasets")
    refused(lambda: catalogue.select(["ct64", pattern]), hint, "bench list datasets")


def test_two_files_may_not_share_a_name(tmp_path: Path, refused: Refused) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD)
    second.write_text(PACK + GOOD)
    refused(lambda: Catalogue([first, second]), f"{first}:1", f"{second}:8: entry 'ct64'")


def test_a_file_that_is_named_twice_is_read_once(file: Path) -> None:
    file.write_text(GOOD)
    (file.parent / "link.yaml").symlink_to(file)
    assert len(Catalogue([file, file, file.parent / "link.yaml"])) == 1
