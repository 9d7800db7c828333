"""Protocols: what is learnt from, what is asked, and in which order."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.cases import Case, Protocol, Selection, make_cases, with_null_pool
from harness.datasets.dataset import Dataset, open_dataset
from harness.datasets.entry import Entry

Refused = Callable[..., str]
EntryOf = Callable[[str], Entry]

LUNG = "lung: {task: membership, layout: imageclef-2025-membership, root: lung"
FULL = LUNG + ", truth: test/truth.csv, groups: groups.csv, null_pool: null/generated}"
CLASSES = "c: {task: attribution, layout: imageclef-2025-attribution, root: classes"


@pytest.fixture
def dataset(entry_of: EntryOf, lung: Path) -> Dataset:
    return open_dataset(entry_of(FULL), {})


def sizes(sets: dict[str, Selection]) -> dict[str, int]:
    return {name: len(chosen) for name, chosen in sets.items()}


def cv(dataset: Dataset, seed: int = 0) -> list[Case]:
    return make_cases(dataset, Protocol.CV, seed)


@pytest.mark.parametrize("protocol", [Protocol.OFFICIAL, Protocol.SUBMIT])
def test_the_official_case_asks_the_test_part(dataset: Dataset, protocol: Protocol) -> None:
    (case,) = make_cases(dataset, protocol, 0)
    assert case.name == protocol
    assert sizes(case.training) == {"generated": 6, "used": 10, "not_used": 10}
    assert sizes(case.questions) == {"generated": 5, "unknown": 4}
    assert case.classes == ("not used", "used")
    assert case.asked is case.questions["unknown"]
    assert case.asked.ids == dataset.sets["test/unknown"].ids
    np.testing.assert_array_equal(case.truth, dataset.sets["test/unknown"].labels)
    np.testing.assert_array_equal(case.question_groups, dataset.sets["test/unknown"].groups)


def test_a_whole_set_is_handed_over_as_it_is_packed(dataset: Dataset) -> None:
    (case,) = make_cases(dataset, Protocol.OFFICIAL, 0)
    used = case.training["used"]
    assert used.whole() is dataset.sets["train/used"]
    assert isinstance(used.pixels(), np.memmap)
    assert used.digests == dataset.sets["train/used"].digests


def test_without_truth_a_data_set_can_be_answered_but_not_scored(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    dataset = open_dataset(entry_of(LUNG + "}"), {})
    refused(
        lambda: make_cases(dataset, Protocol.OFFICIAL, 0),
        "entry 'lung', key 'truth'",
        "--protocol cv",
        "bench submit",
    )
    (case,) = make_cases(dataset, Protocol.SUBMIT, 0)
    assert case.asked.labels is None
    with pytest.raises(ValueError, match="submit"):
        _ = case.truth


def test_where_no_patient_is_known_each_image_is_a_group_of_its_own(
    entry_of: EntryOf, lung: Path
) -> None:
    (case,) = make_cases(open_dataset(entry_of(LUNG + "}"), {}), Protocol.SUBMIT, 0)
    assert len(set(case.question_groups)) == 4


@pytest.mark.parametrize("protocol", [Protocol.OFFICIAL, Protocol.SUBMIT])
def test_without_a_test_part_only_cv_is_left(
    entry_of: EntryOf, lung: Path, refused: Refused, protocol: Protocol
) -> None:
    shutil.rmtree(lung / "test")
    dataset = open_dataset(entry_of(LUNG + "}"), {})
    refused(lambda: make_cases(dataset, protocol, 0), "entry 'lung'", "test part", "--protocol cv")
    for case in cv(dataset):
        assert case.questions["generated"].digests == dataset.sets["train/generated"].digests


def test_every_labelled_real_is_asked_in_one_fold_and_learnt_in_the_others(
    dataset: Dataset,
) -> None:
    cases = cv(dataset)
    assert [case.name for case in cases] == [f"fold-{n}" for n in range(1, 6)]
    reals = {*dataset.sets["train/used"].digests, *dataset.sets["train/not_used"].digests}
    asked = [digest for case in cases for digest in case.questions["unknown"].digests]
    assert sorted(asked) == sorted(reals)
    for case in cases:
        learnt = {*case.training["used"].digests, *case.training["not_used"].digests}
        assert learnt == reals - set(case.questions["unknown"].digests)
        assert set(case.training["used"].digests) < set(dataset.sets["train/used"].digests)
        assert case.training["generated"].whole() is dataset.sets["train/generated"]
        assert case.questions["generated"].whole() is dataset.sets["test/generated"]


def test_folds_keep_patients_whole_and_classes_in_proportion(dataset: Dataset) -> None:
    for case in cv(dataset):
        asked, used = case.questions["unknown"], case.training["used"]
        assert asked.groups is not None
        assert used.groups is not None
        assert not set(asked.groups) & set(used.groups)
        assert sorted(asked.labels or ()) == [0, 0, 1, 1]


def test_a_folds_images_stay_together_with_what_is_known_of_them(dataset: Dataset) -> None:
    for case in cv(dataset):
        asked = case.questions["unknown"]
        assert list(asked.digests) == sorted(asked.digests)
        known = {
            digest: (part.ids[row], part.labels[row], part.groups[row], part.pixels()[row])
            for part in (dataset.sets["train/used"], dataset.sets["train/not_used"])
            for row, digest in enumerate(part.digests)
            if part.labels is not None and part.groups is not None
        }
        pixels = asked.pixels()
        assert pixels.shape == (4, 8, 8)
        for row, digest in enumerate(asked.digests):
            name, label, group, image = known[digest]
            assert asked.ids[row] == name
            assert case.truth[row] == label
            assert case.question_groups[row] == group
            np.testing.assert_array_equal(pixels[row], image)


def test_folds_depend_on_the_seed_alone(dataset: Dataset) -> None:
    def asked(seed: int) -> list[tuple[str, ...]]:
        return [case.questions["unknown"].digests for case in cv(dataset, seed)]

    assert asked(0) == asked(0)
    assert len({tuple(asked(seed)) for seed in range(4)}) > 1


def test_folds_without_patients_are_stratified(entry_of: EntryOf, lung: Path) -> None:
    for case in cv(open_dataset(entry_of(LUNG + "}"), {})):
        assert sorted(case.truth) == [0, 0, 1, 1]


def test_too_few_images_for_the_folds_are_counted(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    for number in range(5, 11):
        (lung / f"train/real_used/used_{number}.png").unlink()
    dataset = open_dataset(entry_of(LUNG + "}"), {})
    refused(lambda: cv(dataset), "entry 'lung'", "'used'", "4 images", "fewer than 5")


def test_too_few_patients_for_the_folds_are_counted(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    groups = lung / "groups.csv"
    groups.write_text(groups.read_text().replace(",used-4", ",used-3"))
    dataset = open_dataset(entry_of(FULL), {})
    refused(lambda: cv(dataset), "entry 'lung'", "'used'", "4 patients", "fewer than 5")


def test_patients_that_leave_a_fold_without_a_class_are_refused(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    rows = [f"used_{n}.png,p{n % 5}" for n in range(1, 11)]
    rows += [f"not_used_{n}.png,p{n % 5 if n < 9 else 9}" for n in range(1, 11)]
    rows += [f"q_{n}.png,q" for n in range(1, 5)]
    text = "\n".join(rows).replace("not_used_4.png,p4", "not_used_4.png,p9")
    (lung / "groups.csv").write_text(text)
    dataset = open_dataset(entry_of(FULL), {})
    refused(lambda: cv(dataset), "entry 'lung'", "leave a fold without a class")


def test_attribution_asks_the_test_part(entry_of: EntryOf, classes: Path) -> None:
    dataset = open_dataset(entry_of(CLASSES + ", truth: truth.csv}"), {})
    (case,) = make_cases(dataset, Protocol.OFFICIAL, 0)
    assert sizes(case.training) == {
        "real/t1": 3,
        "real/t2": 3,
        "real/t10": 3,
        "generated/t1": 5,
        "generated/t2": 5,
        "generated/t10": 5,
    }
    assert sizes(case.questions) == {"generated": 3}
    assert case.asked is case.questions["generated"]
    assert sorted(case.truth) == [0, 1, 2]


def test_attribution_folds_ask_generated_images_and_keep_all_reals(
    entry_of: EntryOf, classes: Path
) -> None:
    dataset = open_dataset(entry_of(CLASSES + "}"), {})
    cases = cv(dataset)
    names = [name.removeprefix("train/") for name in dataset.sets if name.startswith("train/")]
    asked = [digest for case in cases for digest in case.asked.digests]
    assert len(set(asked)) == 15
    for case in cases:
        assert list(case.training) == names
        assert sorted(case.truth) == [0, 1, 2]
        assert case.training["real/t2"].whole() is dataset.sets["train/real/t2"]
        learnt = {d for n in names if n[0] == "g" for d in case.training[n].digests}
        assert learnt == set(asked) - set(case.asked.digests)


@pytest.mark.parametrize("protocol", [Protocol.OFFICIAL, Protocol.CV])
def test_the_null_pool_takes_the_place_of_both_pools(dataset: Dataset, protocol: Protocol) -> None:
    case = make_cases(dataset, protocol, 0)[0]
    null = with_null_pool(case, dataset)
    assert null is not None
    for sets in (null.training, null.questions):
        assert sets["generated"].whole() is dataset.sets["null"]
    assert null.training["used"] is case.training["used"]
    assert null.asked is case.asked
    assert case.training["generated"].whole() is dataset.sets["train/generated"]


def test_without_a_null_pool_or_for_attribution_there_is_no_null_case(
    entry_of: EntryOf, lung: Path, classes: Path
) -> None:
    for text in (LUNG + "}", CLASSES + "}"):
        dataset = open_dataset(entry_of(text), {})
        (case,) = make_cases(dataset, Protocol.SUBMIT, 0)
        assert with_null_pool(case, dataset) is None
