import zipfile
from dataclasses import replace

import pytest
import yaml

from harness.datasets import embedded
from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.datasets.entry import Origin, parse_entry
from harness.errors import BenchError
from harness.forge.forges import open_forge
from harness.forge.packing import pack
from orders import small_order

ORDER = small_order(stages=(0,), held_out=1, twins=True, null_pool=True, null_images=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("forged") / "made"
    open_forge(ORDER, out, "cpu", 1).run(100, lambda *step: None)
    return out


@pytest.fixture
def packs(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "shipped", tmp_path.joinpath)
    (tmp_path / "packs").mkdir()
    return tmp_path / "packs"


def open_packed(path, name):
    written = {
        "task": "membership",
        "layout": "pack",
        "fetch": {"embedded": {"pack": "made", "entry": name}},
    }
    entry = parse_entry(Origin(path, 1, {}), name, written)
    return open_dataset(entry, {"embedded": embedded.embedded})


def test_a_packed_data_set_is_the_one_that_was_forged(folder, packs):
    names = pack(folder, packs / "made.zip")
    assert names == ["made-a-1", "made-a-2", "made-b-1", "made-b-2"]
    for name, entry in read_entries(folder / "datasets.yaml").items():
        forged, packed = open_dataset(entry, {}), open_packed(packs, name)
        assert list(packed.sets) == list(forged.sets)
        for own, other in zip(packed.sets.values(), forged.sets.values(), strict=True):
            assert own.digests == other.digests
            assert own.ids == other.ids
            assert own.labels == other.labels
            assert own.groups == other.groups
    assert len(packed.sets["null"]) == 3


def test_only_what_is_chosen_is_packed_and_equal_folders_give_equal_files(folder, packs):
    assert pack(folder, packs / "made.zip", ["*-b-2", "made-a-1"]) == ["made-a-1", "made-b-2"]
    with zipfile.ZipFile(packs / "made.zip") as archive:
        names = archive.namelist()
        assert list(yaml.safe_load(archive.read("made/datasets.yaml"))) == ["made-a-1", "made-b-2"]
    assert not [name for name in names if "a/stage-2" in name or "b/stage-1" in name]
    first = (packs / "made.zip").read_bytes()
    pack(folder, packs / "made.zip", ["*-b-2", "made-a-1"])
    assert (packs / "made.zip").read_bytes() == first
    with pytest.raises(BenchError, match=r"--only c: .* has made-a-1, .*; choose of these"):
        pack(folder, packs / "made.zip", ["c"])
    assert (packs / "made.zip").read_bytes() == first


def test_a_folder_that_was_not_forged_is_refused(tmp_path):
    with pytest.raises(BenchError, match=r"holds no card\.json"):
        pack(tmp_path, tmp_path / "x.zip")


def test_a_missing_or_damaged_pack_is_named(packs):
    with pytest.raises(BenchError, match=r"made\.zip: is no pack"):
        open_packed(packs, "made-a-1")
    (packs / "made.zip").write_bytes(b"PK")
    with pytest.raises(BenchError, match=r"made\.zip: is no pack"):
        open_packed(packs, "made-a-1")


def test_null_images_lie_between_one_and_those_of_a_pool():
    with pytest.raises(BenchError, match="--null-images 7: must be 1 to --generated, 6"):
        replace(ORDER, null_images=7)
