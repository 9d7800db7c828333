import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from harness.datasets.cases import Protocol, make_cases
from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.errors import BenchError
from harness.forge.membership import MembershipForge as Forge
from orders import small_order

ORDER = small_order(iterations=2)


def forge(order, out):
    made = Forge(order, out, "cpu", 1)
    made.run(100, lambda what, done, of: None)
    return out


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Data sets of one order in several forms."""
    root = tmp_path_factory.mktemp("forged")
    forms = {
        "plain": {},
        "null": {"null_pool": True},
        "twins": {"twins": True},
        "neutral": {"twins": True, "null_pool": True},
        "stages": {"stages": (0, 1), "null_pool": True},
        "diffusion": {"kind": "diffusion"},
        "held out": {"held_out": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.forge.diffusion.SAMPLING_STEPS", 2)
        return {name: forge(replace(ORDER, **form), root / name) for name, form in forms.items()}


@pytest.fixture
def opened(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))

    def open_all(form):
        entries = read_entries(folders[form] / "datasets.yaml")
        return {name: open_dataset(entry, {}) for name, entry in entries.items()}

    return open_all


def patients(dataset, *names, label=None):
    found = set()
    for name in names:
        packed = dataset.sets[name]
        wanted = [label is None or own == label for own in packed.labels]
        found |= {group for group, take in zip(packed.groups, wanted, strict=True) if take}
    return found


@pytest.mark.parametrize("form", ["plain", "null", "twins", "neutral", "stages", "diffusion"])
def test_members_and_non_members_train_and_test_share_no_patient(opened, form):
    for dataset in opened(form).values():
        used, not_used = patients(dataset, "train/used"), patients(dataset, "train/not_used")
        asked_used, asked_not = (patients(dataset, "test/unknown", label=n) for n in (1, 0))
        everyone = [used, not_used, asked_used, asked_not]
        assert all(everyone)
        assert sum(map(len, everyone)) == len(set().union(*everyone)) == 8


@pytest.mark.parametrize("form", ["plain", "null", "twins", "neutral", "stages", "diffusion"])
def test_sizes_are_those_that_were_asked_for(opened, form):
    for dataset in opened(form).values():
        members = len(dataset.sets["train/used"]) + sum(dataset.sets["test/unknown"].labels)
        reals = ["train/used", "train/not_used", "test/unknown"]
        assert members == 8
        assert sum(len(dataset.sets[name]) for name in reals) == 16
        assert all(packed.pixels().shape[1:] == (32, 32) for packed in dataset.sets.values())
        pools = [name for name in dataset.sets if name not in reals]
        assert {len(dataset.sets[name]) for name in pools} == {6}
        assert ("null" in pools) == (form not in ("plain", "diffusion"))


def test_twins_have_the_same_reals_with_mirrored_truth_and_each_others_pool_as_null(opened):
    a, b = opened("twins").values()
    assert a.sets["train/used"].digests == b.sets["train/not_used"].digests
    assert a.sets["train/not_used"].digests == b.sets["train/used"].digests
    questions = a.sets["test/unknown"], b.sets["test/unknown"]
    assert questions[0].ids == questions[1].ids
    assert questions[0].digests == questions[1].digests
    assert [1 - label for label in questions[0].labels] == list(questions[1].labels)
    assert a.sets["null"].digests == b.sets["test/generated"].digests
    assert b.sets["null"].digests == a.sets["test/generated"].digests
    assert not set(a.sets["null"].digests) & set(a.sets["test/generated"].digests)


def test_twins_may_share_the_null_pool_of_a_generator_that_saw_neither(opened):
    a, b = opened("neutral").values()
    assert a.sets["null"].digests == b.sets["null"].digests
    pools = {a.sets["test/generated"].digests, b.sets["test/generated"].digests}
    assert a.sets["null"].digests not in pools


def test_other_slices_are_of_the_members_that_are_asked_about_and_trained_nothing(opened, folders):
    [dataset] = opened("held out").values()
    others = dataset.sets["test/other_slice"]
    assert set(others.groups) == patients(dataset, "test/unknown", label=1)
    assert len(others) == 2
    rest = [packed for name, packed in dataset.sets.items() if name != "test/other_slice"]
    assert not set(others.digests) & {digest for packed in rest for digest in packed.digests}
    [case] = make_cases(dataset, Protocol.OFFICIAL, 0)
    assert case.apart.sum() == 2
    assert sorted(case.asked.digests) == list(case.asked.digests)
    assert not case.truth[case.apart].any()
    text = (folders["held out"] / "test" / "truth.csv").read_text()
    assert "other_slice" not in text


def test_stages_share_their_reals_and_the_last_is_what_a_single_one_would_be(opened, folders):
    stages = opened("stages")
    [whole] = opened("null").values()
    assert list(stages) == ["made-1", "made-2", "made-3"]
    for name in ("train/used", "train/not_used", "test/unknown"):
        assert {stage.sets[name].digests for stage in stages.values()} == {whole.sets[name].digests}
    for name in ("train/generated", "test/generated", "null"):
        assert len({stage.sets[name].digests for stage in stages.values()}) == 3
        assert stages["made-3"].sets[name].digests == whole.sets[name].digests
    card = json.loads((folders["stages"] / "card.json").read_text())
    assert card["order"]["stages"] == [0, 1]


def test_a_stage_that_was_reached_is_not_trained_again(folders, tmp_path):
    order = replace(ORDER, stages=(0, 1), null_pool=True)

    def stop(what, done, of):
        if what == "null" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Forge(order, tmp_path / "out", "cpu", 1).run(100, stop)
    told = []
    Forge(order, tmp_path / "out", "cpu", 1).run(100, lambda *step: told.append(step))
    assert {what for what, _, _ in told} == {"null"}
    cards = [folder / "card.json" for folder in (folders["stages"], tmp_path / "out")]
    assert cards[0].read_text() == cards[1].read_text()


def test_names_of_questions_do_not_follow_the_truth(tmp_path):
    order = replace(ORDER, members=60, iterations=0, generated=1)
    folder = forge(order, tmp_path / "made")
    rows = list(csv.DictReader((folder / "test" / "truth.csv").read_text().splitlines()))
    labels = [int(row["label"]) for row in rows]
    assert [row["image"] for row in rows] == sorted(row["image"] for row in rows)
    changes = np.abs(np.diff(labels)).sum()
    assert len(labels) / 4 < changes < 3 * len(labels) / 4


def test_the_card_says_what_was_made_of_what_and_how(folders):
    folder = folders["null"]
    card = json.loads((folder / "card.json").read_text())
    assert card["name"] == "made"
    assert card["order"]["source"]["patients"] == 12
    assert card["order"]["seed"] == 0
    assert card["architecture"]["loss"] == "hinge"
    assert card["order"]["iterations"] == 2
    assert card["conditions"].keys() == {"torch", "device", "threads", "code"}
    assert card["sets"]["made"]["train/used"] == {"images": 4, "patients": 2}
    members, null = card["trained_on"]["members"], card["trained_on"]["null"]
    assert members["images"] == null["images"] == 8
    assert members["digest"] != null["digest"]
    assert members["losses"][-1]["iteration"] == 2
    files = {path for path in folder.rglob("*") if path.is_file()}
    listed = {folder / name for name in card["files"]}
    assert listed == files - {folder / "card.json", folder / "card.md"}
    name = "train/generated/generated_0001.png"
    assert card["files"][name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    text = (folder / "card.md").read_text()
    assert text.startswith("# made\n")
    assert "hinge" in text


def test_a_drawn_set_may_be_shown_and_a_folder_of_patients_may_not(folders, tmp_path):
    entry = yaml.safe_load((folders["plain"] / "datasets.yaml").read_text())["made"]
    assert entry["publish_images"] is True
    folder = write_scans(tmp_path / "scans")
    forged = forge(replace(ORDER, source=str(folder), members=None), tmp_path / "made")
    entry = yaml.safe_load((forged / "datasets.yaml").read_text())["made"]
    assert entry["publish_images"] is False
    assert str(tmp_path) not in (forged / "card.json").read_text()


def test_the_same_order_gives_the_same_bytes_and_another_seed_other_patients(folders, tmp_path):
    again = forge(ORDER, tmp_path / "again")
    other = forge(replace(ORDER, seed=1), tmp_path / "other")
    card, same, differs = (
        json.loads((folder / "card.json").read_text())
        for folder in (folders["plain"], again, other)
    )
    assert card == same
    assert card["order"]["source"]["digest"] != differs["order"]["source"]["digest"]


def write_scans(folder, patients=6, each=2, table="index.csv"):
    folder.mkdir()
    draws, rows = np.random.default_rng(0), ["image,group"]
    for number in range(patients * each):
        pixels = draws.integers(0, 256, (40, 48), np.uint8)
        Image.fromarray(pixels).save(folder / f"scan_{number}.png")
        rows.append(f"scan_{number}.png,p{number // each}")
    (folder / table).write_text("\n".join(rows))
    return folder


def test_groups_of_a_folder_come_from_its_index_or_the_named_table(tmp_path):
    indexed = write_scans(tmp_path / "indexed")
    named = write_scans(tmp_path / "named", table="who.csv")
    order = replace(ORDER, source=str(indexed), members=None)
    assert len(set(order.open_source(2).groups)) == 6
    order = replace(ORDER, source=str(named), groups="who.csv")
    assert len(set(order.open_source(2).groups)) == 6


def test_volumes_are_cut_as_the_image_option_says_and_each_is_a_patient(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    folder = tmp_path / "volumes"
    folder.mkdir()
    for number in range(4):
        values = np.random.default_rng(number).normal(0, 300, (20, 20, 6))
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / f"v{number}.nii.gz")
    image = "{window: {center: 0, width: 1200}, slices: {axis: 2, rule: every, step: 2}}"
    order = replace(ORDER, source=str(folder), image=image, members=None)
    source = order.open_source(2)
    assert source.pixels.shape == (12, 32, 32)
    assert len(set(source.groups)) == 4
    assert "every volume counts as a patient" in source.describe()
    forge(order, tmp_path / "made")
    for wrong in ("{windw: 1}", "[", "3", "{window: {center: 0, width: -1}}"):
        with pytest.raises(BenchError, match=r"--image .*: write it as the key image"):
            replace(order, image=wrong).open_source(2)
    with pytest.raises(BenchError, match=r"v0\.nii\.gz"):
        replace(order, image=None).open_source(2)


def test_without_groups_every_image_is_a_patient_and_that_is_said(tmp_path):
    folder = write_scans(tmp_path / "scans")
    (folder / "index.csv").write_text("image,age\nscan_0.png,70\n")
    source = replace(ORDER, source=str(folder)).open_source(2)
    assert len(set(source.groups)) == 12
    assert "every image counts as a patient" in source.describe()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 48}, "--size 48: choose 32, 64, 128, 256"),
        ({"members": 1}, "--members 1"),
        ({"iterations": -1}, "--iterations -1"),
        ({"batch": 0}, "--batch 0"),
        ({"stages": (1, 1)}, "--stage 1, 1: must ascend"),
        ({"stages": (2,)}, "--stage 2: must ascend"),
        ({"name": "a b"}, "--name"),
        ({"licence": "CC0"}, "leave them out"),
        ({"source": "nowhere"}, "nowhere: there is no such folder"),
        ({"slices": 8}, "every set needs 2"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(change, said, tmp_path):
    with pytest.raises(BenchError) as caught:
        Forge(replace(ORDER, **change), tmp_path / "out", "cpu", 1)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_too_small_says_what_it_has(tmp_path):
    folder = write_scans(tmp_path / "scans")
    with pytest.raises(BenchError, match="--members 8: 12 images of 6 patients make 2 sets of 6"):
        Forge(replace(ORDER, source=str(folder)), tmp_path / "out", "cpu", 1)


def test_a_folder_that_is_taken_is_refused_and_stays_as_it_is(folders, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(BenchError, match="was not forged here; choose another -o"):
        Forge(ORDER, taken, "cpu", 1)
    with pytest.raises(BenchError, match="was made with seed 0, not 5; choose another -o"):
        Forge(replace(ORDER, seed=5), folders["plain"], "cpu", 1)
    assert (taken / "notes.txt").read_text() == "mine"


def test_a_finished_folder_is_done_and_begun_work_goes_on_only_by_its_own_command(
    folders, tmp_path
):
    assert Forge(ORDER, folders["plain"], "cpu", 1).workshop.finished
    begun = Forge(ORDER, tmp_path / "out", "cpu", 1)
    begun.workshop.open()
    assert not Forge(ORDER, tmp_path / "out", "cpu", 1).workshop.finished
    with pytest.raises(BenchError, match="was begun with iterations 2, not 3; give that command"):
        Forge(replace(ORDER, iterations=3), tmp_path / "out", "cpu", 1)
    with pytest.raises(BenchError, match="was begun with threads 1, not 2"):
        Forge(ORDER, tmp_path / "out", "cpu", 2)
