"""The packs that travel with the harness are what datasets.yaml says of them."""

from pathlib import Path

import numpy as np
import pytest

from harness.datasets.builtin import bench_datasets, bench_recipes
from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import open_dataset

STAGES = [f"phantom-gan-{number}" for number in range(1, 6)]
REALS = ("train/used", "train/not_used", "test/unknown", "test/other_slice")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        catalogue = Catalogue(bench_datasets())
        yield lambda name: open_dataset(catalogue.get(name), bench_recipes())


def test_all_stages_of_the_ladder_ask_about_the_same_reals_with_pools_of_their_own(opened):
    stages = [opened(name) for name in STAGES]
    for name in REALS:
        assert len({stage.sets[name].digests for stage in stages}) == 1
    for name, size in (("train/generated", 300), ("test/generated", 300), ("null", 50)):
        assert [len(stage.sets[name]) for stage in stages] == [size] * 5
        assert len({stage.sets[name].digests for stage in stages}) == 5
    questions = stages[0].sets["test/unknown"]
    assert np.bincount(questions.labels).tolist() == [32, 32]
    assert len(set(questions.groups)) == 64
    members = {g for g, label in zip(questions.groups, questions.labels, strict=True) if label}
    assert set(stages[0].sets["test/other_slice"].groups) == members


@pytest.mark.slow
def test_twins_are_mirrored(opened):
    a, b = opened("phantom-twins-a"), opened("phantom-twins-b")
    assert a.fingerprint == opened("phantom-gan-5").fingerprint
    assert a.sets["train/used"].digests == b.sets["train/not_used"].digests
    questions = a.sets["test/unknown"], b.sets["test/unknown"]
    assert questions[0].digests == questions[1].digests
    assert [1 - label for label in questions[0].labels] == list(questions[1].labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phantom-attribution-content", "phantom-attribution-same"])
def test_attribution_has_five_subsets_of_different_patients(opened, name):
    dataset = opened(name)
    assert dataset.classes == ("t1", "t2", "t3", "t4", "t5")
    assert np.bincount(dataset.sets["test/generated"].labels).tolist() == [200] * 5
    assert {len(dataset.sets[f"train/generated/{c}"]) for c in dataset.classes} == {200}
    groups = [set(dataset.sets[f"train/real/{c}"].groups) for c in dataset.classes]
    assert len(set().union(*groups)) == sum(map(len, groups)) == 150


def test_all_packs_together_stay_small():
    packs = Path(__file__).parents[2] / "packs"
    assert sum(path.stat().st_size for path in packs.glob("*.zip")) < 20 * 2**20
