"""A data set dealt anew: who is a member is chance, and the pools give away copies alone."""

import numpy as np
import pytest

from harness.datasets.catalogue import Catalogue
from harness.datasets.dataset import open_dataset
from harness.errors import BenchError
from harness.forge.builtin import bench_recipes
from harness.forge.copies import Fidelity
from harness.running.calibration import Design
from harness.running.redrawing import redraw
from support import Bench

EXACT = Fidelity()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """12 and 15 patients a class in training and test, of 2 slices each, and a null pool of 60."""
    folder = tmp_path_factory.mktemp("redrawn")
    path = Bench(folder).phantom(share=0, null=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        [entry] = Catalogue([path])
        yield open_dataset(entry, bench_recipes())


def parts(drawn):
    return {**drawn.case.training, "unknown": drawn.case.questions["unknown"]}


def test_whole_patients_are_dealt_and_every_image_once(dataset, tmp_path):
    drawn = redraw(dataset, 0, 0.0, EXACT, tmp_path)
    reals = {name: part for name, part in parts(drawn).items() if name != "generated"}
    assert {name: len(part) for name, part in reals.items()} == {
        "used": 24, "not_used": 24, "unknown": 60,
    }  # fmt: skip
    digests = [digest for part in reals.values() for digest in part.digests]
    assert len(set(digests)) == len(digests) == 108
    patients = [set(part.groups) for part in reals.values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 54
    assert drawn.truth.sum() == 30
    for patient in set(drawn.groups):
        assert len(set(drawn.truth[drawn.groups == patient])) == 1


def test_the_truth_is_another_with_every_draw_and_the_same_with_the_same(dataset, tmp_path):
    truths = [redraw(dataset, draw, 0.0, EXACT, tmp_path) for draw in (0, 0, 1)]
    assert truths[0].case.asked.digests == truths[1].case.asked.digests
    assert (truths[0].truth == truths[1].truth).all()
    assert truths[0].case.asked.digests != truths[2].case.asked.digests


def test_copies_of_members_alone_are_planted_in_both_pools(dataset, tmp_path):
    drawn = redraw(dataset, 3, 0.5, EXACT, tmp_path)
    null = set(dataset.sets["null"].digests)
    asked, truth = drawn.case.asked, drawn.truth
    members = set(drawn.case.training["used"].digests)
    members |= {d for d, used in zip(asked.digests, truth, strict=True) if used}
    for pool in (drawn.case.training["generated"], drawn.case.questions["generated"]):
        planted = set(pool.digests) - null
        assert len(pool) == 60
        assert planted <= members
        assert len(planted) == 27, "half of 54 members"


def test_more_copies_are_of_the_same_members_and_more(dataset, tmp_path):
    few, many = (redraw(dataset, 1, share, EXACT, tmp_path) for share in (0.2, 0.6))
    null = set(dataset.sets["null"].digests)
    pools = [set(drawn.case.questions["generated"].digests) - null for drawn in (few, many)]
    assert pools[0] < pools[1]


def test_without_copies_the_pools_are_the_null_pool(dataset, tmp_path):
    drawn = redraw(dataset, 2, 0.0, EXACT, tmp_path)
    assert drawn.case.training["generated"].digests == dataset.sets["null"].digests
    assert not any(tmp_path.iterdir())


def test_a_worse_copy_is_further_from_its_original(dataset, tmp_path):
    """Of the same members: what is planted differs in strength alone."""
    kinds = (Fidelity(0.5, 2.0, 0.0), Fidelity(2.0, 20.0, 0.1))
    reals = np.concatenate([dataset.sets[n].pixels() for n in ("train/used", "train/not_used",
                                                               "test/unknown")])  # fmt: skip
    far = []
    for number, kind in enumerate(kinds):
        folder = tmp_path / str(number)
        folder.mkdir()
        redraw(dataset, 4, 0.1, kind, folder)
        copies = np.load(folder / "copies-0.npy").astype(float)
        apart = np.abs(copies[:, None] - reals[None]).mean((2, 3)).min(1)
        far.append(apart.mean())
    assert far[0] < far[1]


def test_what_cannot_be_dealt_is_refused_with_a_remedy(dataset, tmp_path):
    bare = {name: part for name, part in dataset.sets.items() if name != "null"}
    lacking = type(dataset)(dataset.entry, dataset.fingerprint, bare, dataset.classes)
    with pytest.raises(BenchError, match=r"null_pool.*is missing"):
        redraw(lacking, 0, 0.1, EXACT, tmp_path)


def test_a_design_plants_all_shares_in_each_draw_and_nothing_in_the_blanks():
    design = Design(shares=(0.5, 0.1), draws=2, blanks=3)
    made = list(design.trials())
    assert sum(fidelity is None for fidelity, _, _ in made) == 3
    assert [share for kind, share, draw in made if (kind, draw) == ("close", 1)] == [0.1, 0.5]
    for wrong in ({"shares": (0.0,)}, {"shares": (1.2,)}, {"draws": 1}, {"blanks": 0}):
        with pytest.raises(BenchError, match="must"):
            Design(**wrong)
