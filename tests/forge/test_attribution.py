import json
from dataclasses import replace

import numpy as np
import pytest

from harness.datasets.catalogue import read_entries
from harness.datasets.dataset import open_dataset
from harness.errors import BenchError
from harness.forge.forges import open_forge
from orders import small_order

ORDER = small_order(members=6, generated=5, subsets=3)


@pytest.fixture(params=["same", "different"])
def made(request, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "made"
    order = replace(ORDER, populations=request.param)
    open_forge(order, out, "cpu", 1).run(100, lambda *step: None)
    [entry] = read_entries(out / "datasets.yaml").values()
    return open_dataset(entry, {}), json.loads((out / "card.json").read_text())


def test_subsets_share_no_patient_and_have_the_sizes_that_were_asked_for(made):
    dataset, card = made
    assert dataset.classes == ("t1", "t2", "t3")
    groups = [dataset.sets[f"train/real/{name}"].groups for name in dataset.classes]
    assert [len(own) for own in groups] == [6, 6, 6]
    assert len(set().union(*groups)) == sum(len(set(own)) for own in groups) == 9
    assert {len(dataset.sets[f"train/generated/{name}"]) for name in dataset.classes} == {5}
    questions = dataset.sets["test/generated"]
    assert np.bincount(questions.labels).tolist() == [5, 5, 5]
    assert len(card["trained_on"]) == 6


def test_two_networks_made_the_pools_of_a_subset_from_the_same_images(made):
    dataset, card = made
    trained = card["trained_on"]
    for name in dataset.classes:
        training, questions = (trained[f"{name}-{maker}"] for maker in ("training", "questions"))
        assert training["digest"] == questions["digest"]
        assert training["losses"] != questions["losses"]
    assert len({entry["digest"] for entry in trained.values()}) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subsets": 1}, "--subsets 1"),
        ({"subsets": 0, "populations": "different"}, "give --subsets"),
        ({"populations": "odd"}, "--populations odd: choose same or different"),
        ({"twins": True}, "--twins: is about membership"),
        ({"stages": (0,)}, "--stage: is about membership"),
        ({"held_out": 1}, "--held-out: is about membership"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(change, said, tmp_path):
    with pytest.raises(BenchError) as caught:
        open_forge(replace(ORDER, **change), tmp_path / "out", "cpu", 1)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []
