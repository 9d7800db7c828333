"""From an entry to the files of every set, whatever the layout calls its folders."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.datasets.entry import MEMBERSHIP_SETS, Entry
from harness.datasets.layouts import classes_of, find_images
from harness.method import Task

Refused = Callable[..., str]
EntryOf = Callable[[str], Entry]

LUNG_2025 = "lung: {task: membership, layout: imageclef-2025-membership, root: lung"
LUNG_2023 = "lung: {task: membership, layout: imageclef-2023-membership, root: lung}"
CLASSES = "classes: {task: attribution, layout: imageclef-2025-attribution, root: classes"


def names(files: dict[str, list[Path]], root: Path) -> dict[str, str]:
    return {name: paths[0].parent.relative_to(root).as_posix() for name, paths in files.items()}


def test_the_2025_membership_layout(entry_of: EntryOf, lung: Path) -> None:
    files = find_images(entry_of(LUNG_2025 + ", null_pool: null/generated}"))
    assert names(files, lung) == {
        "train/generated": "train/generated",
        "train/used": "train/real_used",
        "train/not_used": "train/real_not_used",
        "test/generated": "test/generated",
        "test/unknown": "test/real_unknown",
        "null": "null/generated",
    }
    assert [path.name for path in files["train/used"][-2:]] == ["used_9.png", "used_10.png"]


def test_the_2023_layout_takes_either_name_of_the_reals(entry_of: EntryOf, lung: Path) -> None:
    (lung / "train/real").mkdir()
    (lung / "train/real_used").rename(lung / "train/real/used")
    found = names(find_images(entry_of(LUNG_2023)), lung)
    assert found["train/used"] == "train/real/used"
    assert found["train/not_used"] == "train/real_not_used"


def test_two_folders_for_one_set_are_refused(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    shutil.copytree(lung / "train/real_used", lung / "train/real/used")
    entry = entry_of(LUNG_2023)
    refused(lambda: find_images(entry), "real_used", "real/used", "train/used", "keep one")


@pytest.mark.parametrize("test_folder", ["test/generated", "test/generated_unknown"])
def test_the_attribution_layout(entry_of: EntryOf, classes: Path, test_folder: str) -> None:
    (classes / "test/generated").rename(classes / test_folder)
    (classes / "train/generated/gen_t2").rename(classes / "train/generated/t2")
    files = find_images(entry_of(CLASSES + "}"))
    assert names(files, classes) == {
        "train/real/t1": "train/real/t1",
        "train/real/t2": "train/real/t2",
        "train/real/t10": "train/real/t10",
        "train/generated/t1": "train/generated/gen_t1",
        "train/generated/t2": "train/generated/t2",
        "train/generated/t10": "train/generated/gen_t10",
        "test/generated": test_folder,
    }
    assert classes_of(Task.ATTRIBUTION, files) == ("t1", "t2", "t10")


def test_splits_name_the_folders_of_any_layout(entry_of: EntryOf, lung: Path) -> None:
    (lung / "train/real_used").rename(lung / "members")
    files = find_images(entry_of(LUNG_2025 + ", splits: {train: {used: members}}}"))
    assert names(files, lung)["train/used"] == "members"
    assert tuple(files) == MEMBERSHIP_SETS


def test_folders_of_any_name(entry_of: EntryOf, classes: Path) -> None:
    entry = entry_of(
        """\
        x:
          task: attribution
          layout: folders
          root: classes
          splits:
            train:
              real: {b: train/real/t2, a: train/real/t1}
              generated: {a: train/generated/gen_t1, b: train/generated/gen_t2}
        """
    )
    files = find_images(entry)
    assert list(files) == ["train/real/a", "train/real/b", "train/generated/a", "train/generated/b"]
    assert files["train/real/b"][0].parent == classes / "train/real/t2"


def test_the_test_part_may_be_absent(entry_of: EntryOf, lung: Path) -> None:
    shutil.rmtree(lung / "test")
    assert not [name for name in find_images(entry_of(LUNG_2025 + "}")) if "test" in name]


def test_half_a_test_part_is_refused(entry_of: EntryOf, lung: Path, refused: Refused) -> None:
    shutil.rmtree(lung / "test/generated")
    entry = entry_of(LUNG_2025 + "}")
    refused(lambda: find_images(entry), lung / "test/generated", "test/generated", "'splits'")


def test_a_missing_root_says_where_the_data_are_to_be_had(
    entry_of: EntryOf, tmp_path: Path, refused: Refused
) -> None:
    entry = entry_of(LUNG_2025 + ", source: 'https://example.org\n\n  on request'}")
    place = f"{tmp_path / 'datasets.yaml'}:1: entry 'lung', key 'root': "
    refused(lambda: find_images(entry), place, tmp_path / "lung", "https://example.org on request")
    entry = entry_of(LUNG_2025 + "}")
    refused(lambda: find_images(entry), place, tmp_path / "lung", "correct the path")


def test_a_missing_folder_is_named(entry_of: EntryOf, lung: Path, refused: Refused) -> None:
    shutil.rmtree(lung / "train/real_used")
    entry = entry_of(LUNG_2025 + "}")
    refused(lambda: find_images(entry), "entry 'lung'", lung / "train/real_used", "train/used")


@pytest.mark.parametrize(
    ("keys", "key"),
    [("splits: {train: {used: none}}", "splits.train.used"), ("null_pool: none", "null_pool")],
)
def test_a_folder_that_the_entry_names_must_be_there(
    entry_of: EntryOf, lung: Path, refused: Refused, keys: str, key: str
) -> None:
    entry = entry_of(f"{LUNG_2025}, {keys}}}")
    refused(lambda: find_images(entry), f"key {key!r}: ", lung / "none", "No such file")


def test_the_layout_folders_needs_every_set(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    entry = entry_of(
        "x: {task: membership, layout: folders, root: lung,"
        " splits: {train: {used: train/real_used, generated: train/generated}}}"
    )
    refused(lambda: find_images(entry), "key 'splits'", "no folder", "train/not_used")


def test_a_folder_without_images_is_refused(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    for path in (lung / "train/real_used").iterdir():
        path.unlink()
    (lung / "train/real_used/.hidden").touch()
    entry = entry_of(LUNG_2025 + "}")
    refused(lambda: find_images(entry), lung / "train/real_used", "no images")


def test_litter_hidden_files_and_the_entrys_own_tables_are_passed_over(
    entry_of: EntryOf, lung: Path
) -> None:
    folder = lung / "test/real_unknown"
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "truth.csv", "groups.csv"):
        (folder / name).touch()
    tables = "truth: test/real_unknown/truth.csv, groups: test/real_unknown/groups.csv"
    files = find_images(entry_of(f"{LUNG_2025}, {tables}}}"))
    assert len(files["test/unknown"]) == 4


def test_a_link_may_not_lead_outside_the_root(
    entry_of: EntryOf, lung: Path, tmp_path: Path, refused: Refused
) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(lung / "train/generated", outside)
    link = lung / "train/generated/link.png"
    link.symlink_to(outside / "g_1.png")
    entry = entry_of(LUNG_2025 + "}")
    refused(lambda: find_images(entry), link, "leads outside the root")
    link.unlink()
    shutil.rmtree(lung / "train/generated")
    (lung / "train/generated").symlink_to(outside)
    refused(lambda: find_images(entry), lung / "train/generated", "leads outside the root")


def test_links_inside_the_root_and_a_linked_root_are_followed(
    entry_of: EntryOf, lung: Path, tmp_path: Path
) -> None:
    (lung / "train/generated/link.png").symlink_to(lung / "null/generated/g_1.png")
    lung.rename(tmp_path / "elsewhere")
    lung.symlink_to(tmp_path / "elsewhere")
    (lung / "train/generated/link.png").unlink()
    (lung / "train/generated/link.png").symlink_to(tmp_path / "elsewhere/null/generated/g_1.png")
    assert len(find_images(entry_of(LUNG_2025 + "}"))["train/generated"]) == 7


def test_a_class_needs_real_and_generated_images(
    entry_of: EntryOf, classes: Path, refused: Refused
) -> None:
    shutil.rmtree(classes / "train/generated/gen_t2")
    entry = entry_of(CLASSES + "}")
    refused(lambda: find_images(entry), classes / "train/generated/gen_t2", "train/generated/t2")


def test_generated_images_of_no_class_are_refused(
    entry_of: EntryOf, classes: Path, refused: Refused
) -> None:
    shutil.copytree(classes / "train/generated/gen_t2", classes / "train/generated/gen_t3")
    entry = entry_of(CLASSES + "}")
    refused(lambda: find_images(entry), classes / "train/generated/gen_t3", "no counterpart")


def test_a_class_folder_needs_a_plain_name(
    entry_of: EntryOf, classes: Path, refused: Refused
) -> None:
    (classes / "train/real/t 3").mkdir()
    entry = entry_of(CLASSES + "}")
    refused(lambda: find_images(entry), "'t 3'", "rename")


def test_attribution_needs_two_classes(entry_of: EntryOf, classes: Path, refused: Refused) -> None:
    for name in ("t2", "t10"):
        shutil.rmtree(classes / "train/real" / name)
        shutil.rmtree(classes / "train/generated" / f"gen_{name}")
    entry = entry_of(CLASSES + "}")
    refused(lambda: find_images(entry), "second class")
    shutil.rmtree(classes / "train")
    refused(lambda: find_images(entry), "first class")
