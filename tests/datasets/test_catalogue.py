"""A data set may be named by the path of the folder that holds its datasets.yaml."""

from pathlib import Path

import pytest

from harness.datasets.catalogue import Catalogue
from harness.errors import BenchError

ENTRY = "{name}:\n  task: membership\n  layout: imageclef-2025-membership\n  root: .\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, which holds the data set ``one`` in a folder and two in another."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "single", "one")
    write(tmp_path / "double", "two-a", "two-b")
    return tmp_path


def write(folder: Path, *names: str) -> Path:
    folder.mkdir()
    file = folder / "datasets.yaml"
    file.write_text("".join(ENTRY.format(name=name) for name in names))
    return file


def names(catalogue, *patterns):
    return [entry.name for entry in catalogue.select(patterns)]


@pytest.mark.parametrize("path", ["single", "./single", "single/", "{here}/single"])
def test_a_folder_stands_for_its_entries_wherever_it_is_named_from(here, path):
    path = path.format(here=here)
    assert names(Catalogue([]), path) == ["one"]
    assert Catalogue([]).get(path).folder.resolve() == here / "single"


def test_a_folder_of_several_is_taken_whole_where_several_may_be(here):
    assert names(Catalogue([]), "double", "single", "double") == ["two-a", "two-b", "one"]


def test_where_one_is_wanted_a_folder_of_several_says_their_names(here):
    with pytest.raises(BenchError, match=r"two-a, two-b; give --datasets double/datasets\.yaml"):
        Catalogue([]).get("double")


def test_an_entry_of_that_name_comes_before_the_folder(here):
    other = write(here / "other", "single")
    catalogue = Catalogue([other])
    assert catalogue.get("single").name == "single"
    assert names(catalogue, "single") == ["single"]
    assert names(catalogue, "./single") == ["one"]


def test_an_entry_of_a_folder_may_not_take_the_name_of_another(here):
    catalogue = Catalogue([write(here / "other", "one")])
    with pytest.raises(BenchError, match=r"'one': is already in .*/datasets\.yaml:1; rename"):
        catalogue.select(["single"])


def test_a_file_that_is_given_and_named_by_its_folder_is_one(here):
    catalogue = Catalogue([here / "single" / "datasets.yaml"])
    assert names(catalogue, "single", "one") == ["one"]


def test_a_path_without_a_datasets_yaml_is_named(here):
    with pytest.raises(BenchError, match=r"gone/datasets\.yaml: cannot be read"):
        Catalogue([]).select(["./gone"])
