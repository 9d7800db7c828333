import copy
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.files import shipped
from harness.forge import recipe as module
from harness.forge.builtin import bench_recipes
from harness.forge.recipe import PhantomRecipe, phantom, spread_heights

SMALL: dict[str, Any] = {
    "seed": 5,
    "size": 32,
    "slices": 2,
    "patients": {"train": 3, "test": 5},
    "generated": {"train": 30, "test": 26, "null": 8},
    "copies": {"share": 0.75, "each": 2},
}
MEMBERS = 2 * (3 + 5)
PLANTED = 12 * 2  # three quarters of the members, twice each
POOLS = ("train/generated", "test/generated")


def options(**changes: Any) -> dict[str, Any]:
    """SMALL with changes; ``copies__share=0`` changes a key of a block."""
    changed = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *blocks, key = path.split("__")
        block = changed
        for name in blocks:
            block = block[name]
        block[key] = value
    return changed


@cache
def made(share: float = 0.75, noise: float = 0.0, seed: int = 5) -> dict[str, RawSet]:
    return phantom(options(copies__share=share, copies__noise=noise, seed=seed)).make()


def prints(images: RawSet) -> list[bytes]:
    return [image.tobytes() for image in images.pixels]


def members(sets: dict[str, RawSet]) -> set[bytes]:
    labels = sets["test/unknown"].labels or ()
    questions = zip(prints(sets["test/unknown"]), labels, strict=True)
    return set(prints(sets["train/used"])) | {image for image, label in questions if label}


def chance(statistic: float, values: np.ndarray, labels: np.ndarray) -> float:
    """Share of permutations whose difference of class means is at least as large."""
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(labels) for _ in range(2000)]
    draws = [abs(values[some == 1].mean() - values[some == 0].mean()) for some in shuffled]
    return float(np.mean(np.array(draws) >= abs(statistic)))


def assert_exchangeable(values: np.ndarray, labels: np.ndarray) -> None:
    difference = values[labels == 1].mean() - values[labels == 0].mean()
    assert chance(difference, values, labels) > 0.02


def test_the_sets_have_the_sizes_and_labels_that_were_asked_for():
    sets = made()
    assert {name: len(images.ids) for name, images in sets.items()} == {
        "train/used": 6,
        "train/not_used": 6,
        "test/unknown": 20,
        "train/generated": 30,
        "test/generated": 26,
        "null": 8,
    }
    assert sets["train/used"].labels == (1,) * 6
    assert sets["train/not_used"].labels == (0,) * 6
    assert Counter(sets["test/unknown"].labels) == {0: 10, 1: 10}
    for name in (*POOLS, "null"):
        assert sets[name].labels is None
        assert sets[name].groups is None
    assert all(images.pixels.shape[1:] == (32, 32) for images in sets.values())


def test_every_patient_has_all_slices_in_one_class_of_one_split():
    sets, home = made(), {}
    for name in ("train/used", "train/not_used", "test/unknown"):
        images = sets[name]
        counts = Counter(images.groups)
        assert set(counts.values()) == {2}
        for label, group in zip(images.labels or (), images.groups or (), strict=True):
            assert home.setdefault(group, (name, label)) == (name, label)
    assert len(home) == 16
    assert all(re.fullmatch(r"patient-\d{4}", group) for group in home)


def test_images_of_one_group_show_one_patient():
    images = made()["test/unknown"]
    groups = np.array(images.groups)
    alike = np.corrcoef(images.pixels.reshape(len(groups), -1))
    same = (groups[:, None] == groups) & ~np.eye(len(groups), dtype=bool)
    assert alike[same].mean() > alike[groups[:, None] != groups].mean()


def test_no_two_images_are_equal_but_perfect_copies():
    sets = made(share=0)
    assert max(Counter(image for images in sets.values() for image in prints(images)).values()) == 1


def test_the_chosen_members_are_copied_into_both_pools_and_nobody_else_is():
    sets = made()
    copied = []
    for name in POOLS:
        counts = Counter(image for image in prints(sets[name]) if image in members(sets))
        assert set(counts.values()) == {2}
        assert len(counts) == 12
        copied.append(set(counts))
    assert copied[0] == copied[1]
    others = {image for name in sets for image in prints(sets[name])} - members(sets)
    assert not others & copied[0]
    assert not set(prints(sets["null"])) & members(sets)


def test_every_patient_and_every_noise_is_drawn_once(monkeypatch):
    people, noises = [], []

    def draw(seed: np.random.SeedSequence) -> bytes:
        people.append(seed.generate_state(8).tobytes())
        return people[-1]

    def render(patient: bytes, height: float, size: int, rng: np.random.Generator) -> np.ndarray:
        noises.append(rng.bytes(32))
        return np.zeros((size, size), np.uint8)

    monkeypatch.setattr(module, "draw_patient", draw)
    monkeypatch.setattr("harness.forge.phantom.render_slice", render)
    phantom(options(seed=136, copies__share=0)).make()  # a seed that no other test has drawn
    assert len(people) == len(set(people)) == 16 + 30 + 26 + 8
    assert len(noises) == len(set(noises)) == 32 + 30 + 26 + 8


def test_copies_come_from_members_of_both_splits():
    sets = made()
    pool = set(prints(sets["train/generated"]))
    assert pool & set(prints(sets["train/used"]))
    assert pool & set(prints(sets["test/unknown"]))


def test_every_copy_has_noise_of_its_own():
    sets, clean = made(noise=6.0), made()
    noise = []
    for name in POOLS:
        rows = [image in members(clean) for image in prints(clean[name])]
        change = sets[name].pixels[rows].astype(float) - clean[name].pixels[rows]
        noise.append(change.reshape(PLANTED, -1))
    alike = np.corrcoef(np.concatenate(noise)) - np.eye(2 * PLANTED)
    assert np.abs(alike).max() < 0.3


@pytest.mark.parametrize("other", [{"share": 0}, {"share": 0.25}, {"share": 0.75, "noise": 6.0}])
def test_recipes_that_differ_in_copies_only_share_all_other_bytes(other):
    full, changed = made(), made(**other)
    planted = 2 * round(max(0.75, other["share"]) * MEMBERS)
    for name, images in full.items():
        assert images.ids == changed[name].ids
        assert images.labels == changed[name].labels
        assert images.groups == changed[name].groups
        same = (images.pixels == changed[name].pixels).all(axis=(1, 2))
        if name not in POOLS:
            assert same.all()
        else:
            untouched = np.array([image not in members(full) for image in prints(images)])
            assert same[untouched].all()
            assert untouched.sum() == len(images.ids) - planted


def test_a_smaller_dose_copies_some_of_the_same_members():
    small, full = (
        {image for image in prints(sets["train/generated"]) if image in members(sets)}
        for sets in (made(share=0.25), made())
    )
    assert len(small) == 4
    assert small < full


def test_the_pool_of_one_part_does_not_depend_on_the_size_of_another():
    sets, larger = made(), phantom(options(generated__train=33, generated__null=9)).make()
    for name in ("train/used", "test/unknown", "test/generated"):
        assert np.array_equal(sets[name].pixels, larger[name].pixels)
    assert set(prints(sets["null"])) < set(prints(larger["null"]))


def test_an_empty_null_pool_is_left_out():
    assert "null" not in phantom(options(generated__null=0)).make()


def test_the_same_recipe_makes_the_same_bytes_and_another_seed_other_ones():
    again, other = phantom(options()).make(), made(seed=6)
    for name, images in made().items():
        assert again[name].ids == images.ids
        assert again[name].labels == images.labels
        assert again[name].groups == images.groups
        assert np.array_equal(again[name].pixels, images.pixels)
        assert not set(prints(images)) & set(prints(other[name]))


@cache
def crowd() -> dict[str, RawSet]:
    """Many patients with one slice each, so that what should be chance can be told from it."""
    wanted = options(slices=1, patients={"train": 1, "test": 60}, copies={"share": 0.5})
    wanted["generated"] = {"train": 60, "test": 60, "null": 60}
    return phantom(wanted).make()


def test_used_and_not_used_patients_do_not_differ_in_how_they_look():
    questions = crowd()["test/unknown"]
    pixels, labels = questions.pixels.astype(float), np.array(questions.labels)
    for values in (pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), pixels[:, 16].mean(axis=1)):
        assert_exchangeable(values, labels)


def test_fresh_images_look_like_the_reals():
    sets = crowd()
    values = [sets[name].pixels.mean(axis=(1, 2)) for name in ("test/unknown", "null")]
    labels = np.repeat([1, 0], [len(part) for part in values])
    assert_exchangeable(np.concatenate(values), labels)


def test_the_order_and_the_names_of_reals_tell_no_class():
    questions = crowd()["test/unknown"]
    labels = np.array(questions.labels)
    assert list(questions.ids) == [f"real_unknown_{n:04d}.png" for n in range(1, 121)]
    assert_exchangeable(np.arange(120.0), labels)
    numbers = np.array([int(group.removeprefix("patient-")) for group in questions.groups or ()])
    assert_exchangeable(numbers.astype(float), labels)


@pytest.mark.parametrize("name", POOLS)
def test_the_order_and_the_names_of_a_pool_tell_no_copy(name):
    sets = crowd()
    copied = np.array([image in members(sets) for image in prints(sets[name])]).astype(int)
    assert list(sets[name].ids) == [f"generated_{n:04d}.png" for n in range(1, 61)]
    assert copied.sum() == 30
    assert_exchangeable(np.arange(60.0), copied)


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_the_slices_of_a_patient_are_never_close_together(count, seed):
    heights = sorted(spread_heights(count, np.random.default_rng(seed)))
    assert heights[0] >= 0
    assert heights[-1] < 1
    assert all(b - a > 0.59 / count for a, b in pairwise(heights))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_height_is_equally_likely_for_a_slice(count):
    rng = np.random.default_rng(0)
    heights = np.concatenate([spread_heights(count, rng) for _ in range(4000)])
    shares = np.histogram(heights, bins=10, range=(0, 1))[0] / len(heights)
    assert np.abs(shares - 0.1).max() < 0.015


def test_the_digest_names_the_content():
    assert phantom(options()).digest == phantom(options()).digest
    assert re.fullmatch(r"[0-9a-f]{64}", phantom(options()).digest)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"size": 33},
        {"slices": 1, "copies__share": 0.5},
        {"patients__test": 6, "copies__each": 1},
        {"generated__null": 0},
        {"copies__share": 0.5},
        {"copies__noise": 0.1},
    ],
)
def test_every_key_changes_the_digest(change):
    assert phantom(options(**change)).digest != phantom(options()).digest


def test_what_copies_would_look_like_does_not_matter_when_there_are_none():
    none, idle = {"share": 0}, {"share": 0, "each": 3, "blur": 1, "noise": 2, "gain": 0.1}
    assert phantom(options(copies=none)).digest == phantom(options(copies=idle)).digest


def test_a_change_of_the_source_changes_the_digest(monkeypatch):
    before = phantom(options()).digest
    for changed in ("anatomy.py", "layers.py", "frame.py", "phantom.py", "copies.py", "recipe.py"):
        monkeypatch.setattr(module, "file_digest", lambda path, at=changed: str(path.name == at))
        assert phantom(options()).digest != before
        before = phantom(options()).digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed: must be greater than or equal to 0, not -1"),
        ({"seed": True}, "seed: must be a valid integer, not True"),
        ({"size": 31}, "size: must be greater than or equal to 32, not 31"),
        ({"size": 513}, "size: must be less than or equal to 512, not 513"),
        ({"slices": 0}, "slices: must be greater than 0"),
        ({"patients": 7}, "patients: must be a block with the keys train, test"),
        ({"patients": {"train": 3}}, "patients.test: is missing; add it"),
        ({"generated__null": -1}, "generated.null: must be greater than or equal"),
        ({"copies": {"each": 2}}, "copies.share: is missing; add it"),
        ({"copies__share": 1.5}, "copies.share: must be less than or equal to 1"),
        ({"copies__each": 0}, "copies.each: must be greater than 0"),
        ({"copies__noise": float("nan")}, "copies.noise: must be"),
        ({"copies__blurr": 1}, "copies.blurr: unknown key (did you mean blur?)"),
        ({"siz": 64}, "siz: unknown key (did you mean size?)"),
        ({"copies": {"shre": 0.5}}, "copies.shre: unknown key (did you mean share?)"),
        ({"patients": {"train": 3}, "siz": 64}, "siz: unknown key (did you mean size?)"),
        (
            {"copies__each": 3},
            "copies: copies of 12 of 16 members at 3 each do not fit in a pool of 26",
        ),
    ],
)
def test_a_wrong_option_is_named_in_one_line(change, message):
    with pytest.raises(BenchError, match=f"^{re.escape(message)}") as caught:
        phantom(options(**change))
    assert "\n" not in str(caught.value)


def test_a_wrong_option_of_an_entry_is_named_once_with_its_line(tmp_path):
    file = tmp_path / "datasets.yaml"
    fetch = {"phantom": options(copies__share=1.5)}
    entry = {"task": "membership", "layout": "pack", "fetch": fetch}
    file.write_text(yaml.safe_dump({"small": entry}))
    line = 1 + file.read_text().splitlines().index("        share: 1.5")
    place = f"{file}:{line}: entry 'small', key 'fetch.phantom.copies.share': must be less"
    with pytest.raises(BenchError, match=f"^{re.escape(place)}"):
        open_dataset(read_entries(file)["small"], bench_recipes())


def test_copies_may_fill_a_pool_to_the_brim():
    sets = phantom(options(copies__share=1, generated__train=32, generated__test=32)).make()
    assert set(prints(sets["train/generated"])) == members(sets)


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        phantom(options()).seed = 3  # type: ignore[misc]


def test_the_built_in_phantoms_are_one_recipe_at_two_doses():
    entries = read_entries(shipped("datasets.yaml"))
    planted, null = (
        bench_recipes()["phantom"]((entries[name].fetch or {})["phantom"])
        for name in ("phantom-planted", "phantom-null")
    )
    assert isinstance(planted, PhantomRecipe)
    assert isinstance(null, PhantomRecipe)
    assert planted.copies.share == 0.8
    assert null.copies.share == 0
    assert planted.model_dump(exclude={"copies"}) == null.model_dump(exclude={"copies"})


def test_nothing_slow_is_imported_before_a_set_is_made():
    code = (
        "import sys; from harness.forge.builtin import bench_recipes\n"
        "assert 'harness.forge.recipe' not in sys.modules\n"
        f"bench_recipes()['phantom']({options()!r}).digest\n"
        "assert not {'scipy', 'torch', 'pandas', 'sklearn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
