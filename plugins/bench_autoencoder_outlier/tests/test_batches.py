import numpy as np
import torch

from bench_autoencoder_outlier.batches import at_least_two, drawn, in_own_order, joined
from harness.method import ImageSet, Prediction


def images(seed, count=8):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 4, 4)).astype(np.uint8)
    return ImageSet(pixels, "questions.unknown")


def test_a_single_row_counts_twice_and_more_rows_once():
    assert at_least_two(torch.tensor([7])).tolist() == [7, 7]
    assert at_least_two(torch.tensor([7, 3])).tolist() == [7, 3]


def test_rows_are_drawn_without_repetition():
    assert sorted(drawn(5, 32).tolist()) == [0, 1, 2, 3, 4]
    assert len(set(drawn(100, 32).tolist())) == 32


def test_joined_sets_stand_in_a_row():
    first, second = images(0, 3), images(1, 2)
    both = joined(first, second)
    assert np.array_equal(both.pixels, np.concatenate([first.pixels, second.pixels]))


def test_answers_that_depend_on_the_order_follow_the_images():
    given = images(0)

    def by_place(asked):
        places = np.arange(len(asked))
        return Prediction(places + asked.pixels[:, 0, 0] / 1000, places % 2)

    plain, turned = in_own_order(given, by_place), in_own_order(given[::-1], by_place)
    assert turned.scores.tolist() == plain.scores[::-1].tolist()
    assert turned.labels.tolist() == plain.labels[::-1].tolist()
    own = np.round((plain.scores % 1) * 1000).astype(int)
    assert own.tolist() == given.pixels[:, 0, 0].tolist()
