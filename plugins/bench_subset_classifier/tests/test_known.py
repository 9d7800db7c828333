import numpy as np
import pytest

from bench_subset_classifier.known import at_most, followed_by, hold_out, six_classes


def test_real_images_are_the_last_class(case):
    known = six_classes(case.training, 3)
    assert np.bincount(known.labels).tolist() == [12, 12, 12, 36]
    assert known.at(np.flatnonzero(known.labels == 3)).together().pixels.max() < 120
    assert known.at(np.flatnonzero(known.labels == 1)).together().pixels.max() > 180


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_of_every_class_a_share_is_held_out_and_patients_stay_whole(case, share):
    known = six_classes(case.training, 3)
    learnt, held = hold_out(known, share, seed=4)
    assert sorted([*learnt, *held]) == list(range(len(known)))
    assert (np.diff(learnt) > 0).all()
    counts = np.bincount(known.labels[held], minlength=4)
    assert counts.tolist() == [int(share * 12)] * 3 + [2 * int(share * 18)]
    patients = [set(known.at(rows[rows >= 36]).at(np.arange((rows >= 36).sum())).sets[3].groups)
                for rows in (learnt, held)]  # fmt: skip
    assert not patients[0] & patients[1]


def test_another_seed_holds_out_others_and_a_small_class_keeps_its_images(case):
    known = six_classes(case.training, 3)
    assert hold_out(known, 0.2, seed=1)[1].tolist() == hold_out(known, 0.2, seed=1)[1].tolist()
    assert hold_out(known, 0.2, seed=1)[1].tolist() != hold_out(known, 0.2, seed=2)[1].tolist()
    few = known.at(np.array([0, 12, 24, 36]))
    assert len(hold_out(few, 0.5, seed=1)[1]) == 0


def test_sets_follow_each_other_with_their_labels(case):
    known = six_classes(case.training, 3)
    more = followed_by(known.at(np.array([0, 13])), known.at(np.array([40])))
    assert more.labels.tolist() == [0, 1, 3]
    pixels = known.together().pixels
    assert (more.together().pixels == pixels[[0, 13, 40]]).all()


def test_of_every_class_at_most_so_many_are_kept(case):
    known = six_classes(case.training, 3)
    few = at_most(known, 20, seed=0)
    assert np.bincount(few.labels).tolist() == [12, 12, 12, 20]
    assert at_most(known, 5, 0).together().pixels.shape == (20, 32, 32)
    assert (at_most(known, 5, 0).together().pixels != at_most(known, 5, 1).together().pixels).any()
    assert at_most(known, None, 0) is known
