"""From an entry to sets with labels and groups, and a fingerprint of what they hold."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import Dataset, PackedSet, open_dataset
from harness.datasets.entry import Entry
from harness.datasets.recipe import OptionError, RawSet
from harness.errors import BenchError

Refused = Callable[..., str]
EntryOf = Callable[[str], Entry]
Csv = Callable[..., Path]

LUNG = "lung: {task: membership, layout: imageclef-2025-membership, root: lung"
FULL = LUNG + ", truth: test/truth.csv, groups: groups.csv, null_pool: null/generated}"
CLASSES = "c: {task: attribution, layout: imageclef-2025-attribution, root: classes"


def by_id(values: tuple[Any, ...] | None, part: PackedSet) -> dict[str, Any]:
    assert values is not None
    return dict(zip(part.ids, values, strict=True))


def opened(entry: Entry) -> Dataset:
    return open_dataset(entry, {})


def test_a_membership_data_set(entry_of: EntryOf, lung: Path) -> None:
    dataset = opened(entry_of(FULL))
    sizes = {name: len(part) for name, part in dataset.sets.items()}
    assert sizes == {
        "train/generated": 6,
        "train/used": 10,
        "train/not_used": 10,
        "test/generated": 5,
        "test/unknown": 4,
        "null": 3,
    }
    assert dataset.classes == ("not used", "used")
    assert dataset.sets["train/used"].labels == (1,) * 10
    assert dataset.sets["train/not_used"].labels == (0,) * 10
    asked = dataset.sets["test/unknown"]
    assert by_id(asked.labels, asked) == {"q_1.png": 1, "q_2.png": 0, "q_3.png": 1, "q_4.png": 0}
    assert by_id(asked.groups, asked)["q_2.png"] == "p0"
    used = dataset.sets["train/used"]
    assert by_id(used.groups, used)["used_7.png"] == "used-2"
    pool = dataset.sets["train/generated"]
    assert (pool.labels, pool.groups) == (None, None)


def test_without_truth_and_groups_both_are_unknown(entry_of: EntryOf, lung: Path) -> None:
    dataset = opened(entry_of(LUNG + "}"))
    assert dataset.sets["test/unknown"].labels is None
    assert dataset.sets["train/used"].groups is None
    assert "null" not in dataset.sets


def test_an_attribution_data_set(entry_of: EntryOf, classes: Path) -> None:
    dataset = opened(entry_of(CLASSES + ", truth: truth.csv}"))
    assert dataset.classes == ("t1", "t2", "t10")
    assert dataset.sets["train/real/t2"].labels == (1,) * 3
    assert dataset.sets["train/generated/t10"].labels == (2,) * 5
    asked = dataset.sets["test/generated"]
    assert by_id(asked.labels, asked) == {"q_1.png": 2, "q_2.png": 1, "q_3.png": 0}


def test_images_may_be_resized(entry_of: EntryOf, lung: Path, save: Callable[..., None]) -> None:
    save(lung / "null/generated/wide.png", 9, (8, 20))
    dataset = opened(entry_of(FULL.replace("}", ", image: {size: 4}}")))
    assert {part.pixels().shape[1:] for part in dataset.sets.values()} == {(4, 4)}


def test_images_of_another_size_in_another_set_are_refused(
    entry_of: EntryOf, lung: Path, save: Callable[..., None], refused: Refused
) -> None:
    save(lung / "null/generated/wide.png", 9, (8, 20))
    entry = entry_of(FULL)
    first = lung / "train/generated/g_1.png"
    refused(lambda: opened(entry), lung / "null/generated/wide.png", "20x8", first, "size: N")


def test_a_damaged_image_is_named(entry_of: EntryOf, lung: Path, refused: Refused) -> None:
    path = lung / "test/generated/g_3.png"
    path.write_bytes(b"")
    entry = entry_of(FULL)
    refused(lambda: opened(entry), path, "cannot be decoded")


def test_the_fingerprint_is_of_the_content_not_of_place_or_age(
    entry_of: EntryOf, lung: Path, tmp_path: Path
) -> None:
    first = opened(entry_of(FULL)).fingerprint
    for path in lung.rglob("*.png"):
        os.utime(path, (1, 1))
    assert opened(entry_of(FULL)).fingerprint == first
    shutil.copytree(lung, tmp_path / "copy")
    assert opened(entry_of(FULL.replace("root: lung", "root: copy"))).fingerprint == first
    moved = FULL.replace("}", ", splits: {train: {used: members}}}")
    (lung / "train/real_used").rename(lung / "members")
    assert opened(entry_of(moved)).fingerprint == first


@pytest.mark.parametrize("change", ["pixel", "label", "group", "id", "extra"])
def test_the_fingerprint_changes_with_the_content(
    entry_of: EntryOf, lung: Path, save: Callable[..., None], change: str
) -> None:
    first = opened(entry_of(FULL)).fingerprint
    image = lung / "test/generated/g_1.png"
    if change == "pixel":
        save(image, 99)
    elif change == "label":
        truth = lung / "test/truth.csv"
        truth.write_text(truth.read_text().replace("q_1,1", "q_1,0"))
    elif change == "group":
        groups = lung / "groups.csv"
        groups.write_text(groups.read_text().replace("used_7.png,used-2", "used_7.png,used-30"))
    elif change == "id":
        image.rename(image.with_name("other.png"))
    else:
        save(lung / "test/generated/extra.png", 98)
    assert opened(entry_of(FULL)).fingerprint != first


def test_an_unchanged_data_set_is_not_read_again(entry_of: EntryOf, lung: Path) -> None:
    first = opened(entry_of(FULL)).fingerprint
    for path in (*lung.rglob("*.png"), *lung.rglob("*.csv")):
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert opened(entry_of(FULL)).fingerprint == first


def test_files_of_equal_size_and_time_elsewhere_are_another_data_set(
    entry_of: EntryOf, lung: Path, tmp_path: Path
) -> None:
    first = opened(entry_of(FULL)).fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(lung, copy)
    path = copy / "train/generated/g_1.png"
    stat = path.stat()
    path.write_bytes(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(BenchError, match="cannot be decoded"):
        opened(entry_of(FULL.replace("root: lung", "root: copy")))
    assert opened(entry_of(FULL)).fingerprint == first


@pytest.mark.parametrize("label", ["t3", "0", "4", "gen_t4", ""])
def test_an_unknown_class_in_the_truth_is_refused(
    entry_of: EntryOf, classes: Path, csv: Csv, refused: Refused, label: str
) -> None:
    csv(classes / "truth.csv", [("q_1.png", label)])
    entry = entry_of(CLASSES + ", truth: truth.csv}")
    refused(lambda: opened(entry), f"{classes / 'truth.csv'}:1: ", "t1, t2, t10", "1 to 3")


@pytest.mark.parametrize("key", ["truth", "groups"])
def test_a_missing_table_is_named(
    entry_of: EntryOf, lung: Path, refused: Refused, key: str
) -> None:
    entry = entry_of(f"{LUNG}, {key}: none.csv}}")
    refused(lambda: opened(entry), f"key {key!r}", lung / "none.csv", "remove the key")


def test_a_table_may_not_be_a_link_that_leads_outside(
    entry_of: EntryOf, lung: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "secret.csv").write_text("q_1,1\n")
    (lung / "link.csv").symlink_to(tmp_path / "secret.csv")
    entry = entry_of(LUNG + ", truth: link.csv}")
    refused(lambda: opened(entry), "key 'truth'", "leads outside the root")


def test_a_path_that_the_system_refuses_is_named(entry_of: EntryOf, refused: Refused) -> None:
    entry = entry_of(LUNG.replace("root: lung", f"root: {'x' * 300}") + "}")
    refused(lambda: opened(entry), "entry 'lung'", "x" * 300, "too long")


def test_truth_without_a_test_part_is_refused(
    entry_of: EntryOf, lung: Path, csv: Csv, refused: Refused
) -> None:
    shutil.rmtree(lung / "test")
    csv(lung / "truth.csv", [])
    entry = entry_of(LUNG + ", truth: truth.csv}")
    refused(lambda: opened(entry), "key 'truth'", "no test part")


def test_groups_may_name_more_images_than_there_are(entry_of: EntryOf, lung: Path) -> None:
    groups = lung / "groups.csv"
    groups.write_text("image,group\nother.png,p\n" + groups.read_text())
    used = opened(entry_of(FULL)).sets["train/used"]
    assert set(used.groups or ()) == {f"used-{n}" for n in range(5)}


def test_real_images_without_a_group_are_counted(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    groups = lung / "groups.csv"
    groups.write_text("".join(groups.read_text().splitlines(keepends=True)[2:]))
    entry = entry_of(FULL)
    refused(lambda: opened(entry), groups, "2 of 24", "used_1.png")


def test_two_images_of_one_name_need_their_paths(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    (lung / "train/real_not_used/not_used_1.png").rename(lung / "train/real_not_used/used_1.png")
    groups = lung / "groups.csv"
    entry = entry_of(FULL)
    places = [lung / "train/real_used/used_1.png", lung / "train/real_not_used/used_1.png"]
    refused(lambda: opened(entry), f"{groups}:1: ", *places, "path below the root")
    text = groups.read_text().replace("not_used_1.png,", "train/real_not_used/used_1.png,", 1)
    groups.write_text(text.replace("used_1.png,", "train/real_used/used_1.png,", 1))
    dataset = opened(entry_of(FULL))
    for kind in ("used", "not_used"):
        part = dataset.sets[f"train/{kind}"]
        assert by_id(part.groups, part)["used_1.png"] == f"{kind}-1"


def sets(n: int = 3) -> dict[str, RawSet]:
    rng = np.random.default_rng(0)
    names = ("train/not_used", "train/used", "train/generated")
    ids = tuple(str(number) for number in range(n))
    return {name: RawSet(ids, rng.integers(0, 256, (n, 4, 4), np.uint8)) for name in names}


class Fixed:
    """A recipe that makes what it is told to."""

    def __init__(self, made: dict[str, RawSet], digest: str = "its own") -> None:
        self.made = made
        self.digest = digest
        self.calls = 0

    def make(self) -> dict[str, RawSet]:
        self.calls += 1
        return self.made


MADE = "made: {task: membership, layout: pack, fetch: {fixed: {n: 3}}}"


def test_a_recipe_makes_a_data_set_once(entry_of: EntryOf) -> None:
    recipe, options = Fixed(sets()), []

    def recipe_of(given: dict[str, Any]) -> Fixed:
        options.append(given)
        return recipe

    for _ in range(2):
        dataset = open_dataset(entry_of(MADE), {"fixed": recipe_of})
    assert options == [{"n": 3}] * 2
    assert recipe.calls == 1
    assert list(dataset.sets) == ["train/generated", "train/used", "train/not_used"]
    assert dataset.sets["train/used"].labels == (1, 1, 1)
    assert dataset.sets["train/not_used"].labels == (0, 0, 0)


def test_the_fingerprint_of_what_a_recipe_made_is_that_of_its_images(entry_of: EntryOf) -> None:
    def fingerprint(made: dict[str, RawSet], digest: str) -> str:
        recipe = Fixed(made, digest)
        return open_dataset(entry_of(MADE), {"fixed": lambda _: recipe}).fingerprint

    first = fingerprint(sets(), "first")
    assert fingerprint(sets(), "second") == first
    changed = sets()
    changed["train/used"].pixels[0, 0, 0] ^= 1
    assert fingerprint(changed, "third") != first


@pytest.mark.parametrize(("installed", "hint"), [(["fixt"], "did you mean fixt?"), ([], "none")])
def test_an_unknown_recipe_is_refused(
    entry_of: EntryOf, refused: Refused, installed: list[str], hint: str
) -> None:
    entry = entry_of(MADE)
    recipes = dict.fromkeys(installed, lambda _: Fixed(sets()))
    refused(lambda: open_dataset(entry, recipes), "entry 'made', key 'fetch.fixed'", hint)


def test_what_a_recipe_says_of_its_options_names_the_entry(
    entry_of: EntryOf, refused: Refused
) -> None:
    def recipe_of(_: dict[str, Any]) -> Fixed:
        raise BenchError("n is too small; raise it")

    entry = entry_of(MADE)
    place = f"{entry.origin.file}:1: entry 'made', key 'fetch.fixed': "
    refused(lambda: open_dataset(entry, {"fixed": recipe_of}), f"{place}n is too small")


NESTED = """\
made:
  task: membership
  layout: pack
  fetch:
    fixed:
      size:
        wide: 3
"""


@pytest.mark.parametrize(("key", "line"), [("size.wide", 7), ("size.high", 6), ("depth", 5)])
def test_an_option_that_a_recipe_refuses_is_named_with_its_line(
    entry_of: EntryOf, refused: Refused, key: str, line: int
) -> None:
    def recipe_of(_: dict[str, Any]) -> Fixed:
        raise OptionError(tuple(key.split(".")), "is too small; raise it")

    entry = entry_of(NESTED)
    place = f"{entry.origin.file}:{line}: entry 'made', key 'fetch.fixed.{key}': "
    refused(lambda: open_dataset(entry, {"fixed": recipe_of}), f"{place}is too small")


ONE = RawSet(("a",), np.zeros((1, 4, 4), np.uint8))


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"train/used": None}, "no set train/used"),
        ({"test/unknown": ONE}, "no set test/generated"),
        ({"train/usde": ONE}, "unknown set 'train/usde'"),
        ({"null": RawSet(("a",), np.zeros((1, 5, 4), np.uint8))}, "differing sizes"),
        ({"null": RawSet((), np.zeros((0, 4, 4), np.uint8))}, "without images"),
        ({"train/used": RawSet(("a",), ONE.pixels, (0,))}, "other labels"),
        ({"test/unknown": RawSet(("a",), ONE.pixels, (2,)), "test/generated": ONE}, "outside 0..1"),
    ],
)
def test_a_recipe_that_makes_no_whole_data_set_is_refused(
    entry_of: EntryOf, refused: Refused, changes: dict[str, RawSet | None], flaw: str
) -> None:
    made = {name: raw for name, raw in {**sets(), **changes}.items() if raw is not None}
    entry = entry_of(MADE)
    refused(lambda: open_dataset(entry, {"fixed": lambda _: Fixed(made)}), "'fetch.fixed'", flaw)


@pytest.mark.real_data
@pytest.mark.skipif("BENCH_REAL_DATA" not in os.environ, reason="BENCH_REAL_DATA is not set")
def test_real_slices_are_packed_as_they_are() -> None:
    folder = Path(os.environ["BENCH_REAL_DATA"])
    dataset = opened(Catalogue([folder / "datasets.yaml"]).get("ct64"))
    used = dataset.sets["train/used"]
    source = folder / "ct64/train/real_used" / used.ids[0]
    np.testing.assert_array_equal(used.pixels()[0], np.asarray(Image.open(source).convert("L")))
    assert len(dataset.sets["test/unknown"]) == 174
    assert len(set(dataset.sets["test/unknown"].groups or ())) == 28
