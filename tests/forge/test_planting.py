import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.datasets.recipe import RawSet
from harness.errors import BenchError
from harness.forge.copies import Fidelity
from harness.forge.folder import make_entry, write_entries, write_sets
from harness.forge.planting import Dose, plant


def read(folder):
    [entry] = read_entries(folder / "datasets.yaml").values()
    return open_dataset(entry, {})


@pytest.fixture
def field(tmp_path, monkeypatch):
    """A data set of noise without any copy: 6 members, 6 non-members, pools of 8."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    draws = np.random.default_rng(0)

    def some(count, prefix, **facts):
        ids = tuple(f"{prefix}_{number}.png" for number in range(count))
        return RawSet(ids, draws.integers(40, 200, (count, 16, 16)).astype(np.uint8), **facts)

    sets = {
        "train/used": some(3, "used", groups=("a", "b", "c")),
        "train/not_used": some(3, "not", groups=("d", "e", "f")),
        "test/unknown": some(6, "q", labels=(1, 0, 1, 0, 1, 0), groups=tuple("ghijkl")),
        "train/generated": some(8, "g"),
        "test/generated": some(8, "g"),
        "null": some(8, "g"),
    }
    folder = tmp_path / "field"
    write_sets(folder, sets)
    write_entries(folder, {"field": make_entry(".", sets, {"licence": "CC0"})})
    return read(folder)


def dose(share=0.5, each=1, seed=0, **fidelity):
    return Dose(share, each, Fidelity(**fidelity), seed)


def members(dataset):
    questions = dataset.sets["test/unknown"]
    asked = zip(questions.digests, questions.labels, strict=True)
    used = set(dataset.sets["train/used"].digests)
    return used | {digest for digest, label in asked if label == 1}


@pytest.mark.parametrize(("share", "each"), [(0, 1), (0.5, 1), (0.5, 2), (1, 1)])
def test_so_many_members_are_in_both_pools_and_nobody_else(field, tmp_path, share, each):
    assert plant(field, "made", dose(share, each), tmp_path / "made")
    made = read(tmp_path / "made")
    for pool in ("train/generated", "test/generated"):
        digests = made.sets[pool].digests
        copies = [digest for digest in digests if digest in members(field)]
        assert len(copies) == round(share * 6) * each
        assert len(set(copies)) == round(share * 6)
        assert len(digests) == 8
        kept = set(digests) & set(field.sets[pool].digests)
        assert len(kept) == 8 - len(copies)
    both = [set(made.sets[name].digests) & members(field) for name in made.sets if "gen" in name]
    assert both[0] == both[1]


def test_everything_else_stays_as_it_is(field, tmp_path):
    plant(field, "made", dose(1), tmp_path / "made")
    made = read(tmp_path / "made")
    for name in ("train/used", "train/not_used", "test/unknown", "null"):
        for what in ("ids", "digests", "labels", "groups"):
            assert getattr(made.sets[name], what) == getattr(field.sets[name], what)


def test_the_card_says_where_what_was_planted(field, tmp_path):
    plant(field, "made", dose(0.5, noise=6), tmp_path / "made")
    card = json.loads((tmp_path / "made" / "card.json").read_text())
    assert card["order"]["dose"] == {
        "share": 0.5, "each": 1, "blur": 0, "noise": 6, "gain": 0, "warp": 0, "crop": 0, "seed": 0,
    }  # fmt: skip
    assert card["planted_in"] == {"name": "field", "fingerprint": field.fingerprint}
    assert "3 of its 6 members" in card["summary"]
    assert card["licence"] == "CC0"


def test_made_once_it_is_done_and_another_dose_is_refused(field, tmp_path):
    assert plant(field, "made", dose(), tmp_path / "made")
    assert not plant(field, "made", dose(), tmp_path / "made")
    with pytest.raises(BenchError, match=r"was made with dose share 0\.5, not 0\.2"):
        plant(field, "made", dose(0.2), tmp_path / "made")


def test_the_same_dose_gives_the_same_pools(field, tmp_path):
    for name in ("one", "two"):
        plant(field, name, dose(noise=4), tmp_path / name)
    plant(field, "three", dose(noise=4, seed=1), tmp_path / "three")
    one, two, three = (
        read(tmp_path / name).sets["train/generated"].digests for name in ("one", "two", "three")
    )
    assert one == two != three


def test_more_copies_than_the_pool_holds_are_refused_and_nothing_is_written(field, tmp_path):
    with pytest.raises(BenchError, match="12 copies do not fit in the 8 images"):
        plant(field, "made", dose(1, each=2), tmp_path / "made")
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


def test_a_data_set_that_does_not_tell_its_members_is_refused(field, tmp_path):
    (tmp_path / "field" / "test" / "truth.csv").unlink()
    yaml = tmp_path / "field" / "datasets.yaml"
    yaml.write_text(yaml.read_text().replace("  truth: test/truth.csv\n", ""))
    with pytest.raises(BenchError, match="the members are not known; add the truth"):
        plant(read(tmp_path / "field"), "made", dose(), tmp_path / "made")


@given(st.floats().filter(lambda share: not 0 <= share <= 1))
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(BenchError, match="--share"):
        dose(share)
