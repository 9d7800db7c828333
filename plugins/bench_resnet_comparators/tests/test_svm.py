import numpy as np
import pytest
from sklearn.svm import SVC

from bench_resnet_comparators import svm
from bench_resnet_comparators.svm import PairMachine


def drawn(reals, generated, width, shift, seed=0):
    """Features, of which those of used reals lie aside, and the labels."""
    draws = np.random.default_rng(seed)
    used = (np.arange(reals) % 2 == 0).astype(np.int64)
    real = draws.normal(1, 1, (reals, width)) + shift * used[:, None]
    return real, used, draws.normal(0.5, 2, (generated, width)), draws.normal(1, 1, (9, width))


def pairs(reals, generated):
    return np.concatenate(
        [np.repeat(reals, len(generated), 0), np.tile(generated, (len(reals), 1))], 1
    )


@pytest.mark.parametrize(
    ("shift", "penalty"), [(0.0, 1.0), (0.3, 1.0), (3.0, 1.0), (0.3, 0.1), (0.3, 10.0)]
)
def test_it_decides_as_a_machine_that_sees_every_pair(shift, penalty):
    reals, used, generated, asked = drawn(20, 8, 12, shift)
    machine = PairMachine.learnt(reals, used, generated, penalty)
    whole = SVC(C=penalty, tol=1e-6)
    whole.fit(pairs(reals, generated), np.repeat(used, len(generated)))
    expected = whole.decision_function(pairs(asked, generated)).reshape(len(asked), -1)
    assert machine.settled
    assert machine.decisions(asked, generated) == pytest.approx(expected, abs=5e-3)


def test_the_kernels_width_is_scale_of_all_pairs():
    reals, used, generated, _ = drawn(6, 4, 5, 0.5)
    whole = SVC().fit(pairs(reals, generated), np.repeat(used, 4))
    assert svm.scale(reals, generated) == pytest.approx(whole._gamma)


def test_equal_images_everywhere_are_undecided():
    flat = np.ones((6, 5))
    machine = PairMachine.learnt(flat, np.array([1, 1, 1, 0, 0, 0]), flat[:2], 1.0)
    assert machine.decisions(flat, flat) == pytest.approx(0, abs=1e-3)


def test_it_says_when_it_does_not_settle(monkeypatch):
    monkeypatch.setattr(svm, "ROUNDS", 2)
    reals, used, generated, _ = drawn(20, 8, 12, 0.3)
    assert not PairMachine.learnt(reals, used, generated, 1.0).settled
