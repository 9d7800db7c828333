from collections import Counter

import numpy as np
import torch

from bench_siamese_contrastive.pairs import Pairs
from harness.method import ImageSet


def numbered(first, count):
    """Images of one pixel, each its own number."""
    pixels = np.arange(first, first + count, dtype=np.uint8)
    return ImageSet(pixels[:, None, None], "set")


def drawn(pairs, count=32, times=40):
    """Return (real, generated, same) of many pairs."""
    torch.manual_seed(0)
    found = []
    for _ in range(times):
        batch = pairs.draw(count)
        images = (batch.reals.pixels.ravel(), batch.generated.pixels.ravel())
        found += zip(*(each.tolist() for each in (*images, batch.same)), strict=True)
    return found


def test_membership_pairs_every_generated_image_with_used_and_with_not_used_reals():
    found = drawn(Pairs.of_usage(numbered(0, 3), numbered(10, 2), numbered(100, 4)))
    assert {real for real, _, same in found if same} == {0, 1, 2}
    assert {real for real, _, same in found if not same} == {10, 11}
    for kind in (0, 1):
        assert {made for _, made, same in found if same == kind} == {100, 101, 102, 103}


def test_attribution_pairs_of_one_subset_are_positive_and_no_others():
    reals = [numbered(10 * subset, 2) for subset in range(3)]
    made = [numbered(100 + 10 * subset, 3) for subset in range(3)]
    found = drawn(Pairs.of_subsets(reals, made))
    assert all((real // 10 == (made - 100) // 10) == same for real, made, same in found)
    combinations = {(real // 10, made // 10 - 10) for real, made, _ in found}
    assert combinations == {(one, other) for one in range(3) for other in range(3)}
    assert {real for real, *_ in found} == {0, 1, 10, 11, 20, 21}


def test_half_of_the_pairs_are_positive():
    pairs = Pairs.of_usage(numbered(0, 1), numbered(10, 9), numbered(100, 4))
    assert pairs.draw(32).same.sum() == 16
    assert pairs.draw(7).same.sum() == 3


def test_a_small_subset_comes_as_often_as_a_large_one():
    reals = [numbered(0, 1), numbered(10, 50)]
    pairs = Pairs.of_subsets(reals, [numbered(100, 1), numbered(110, 50)])
    counts = Counter(real < 10 for real, *_ in drawn(pairs, times=60))
    assert 0.45 < counts[True] / counts.total() < 0.55


def test_pairs_are_drawn_by_torchs_generator():
    pairs = Pairs.of_usage(numbered(0, 9), numbered(10, 9), numbered(100, 9))
    assert drawn(pairs, times=2) == drawn(pairs, times=2)
    first, second = pairs.draw(32), pairs.draw(32)
    assert first.reals.pixels.tolist() != second.reals.pixels.tolist()
