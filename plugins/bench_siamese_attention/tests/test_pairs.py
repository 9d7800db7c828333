import numpy as np
import pytest
import torch

from bench_siamese_attention.pairs import Pairs


class Recorder:
    """Stands for a network: an image is its own number, and a pair's logit is looked up."""

    def __init__(self, logit):
        self.logit = logit
        self.seen = []

    def maps(self, inputs):
        return inputs

    def __call__(self, real, made):
        pairs = list(zip(real.tolist(), made.tolist(), strict=True))
        self.seen += pairs
        return torch.tensor([float(self.logit(*pair)) for pair in pairs])


def pairs(near, pool_size=100):
    near = torch.tensor(near)
    return Pairs(
        reals=lambda rows: rows,
        pool=lambda rows: rows + 1000,
        pool_size=pool_size,
        rows=torch.arange(len(near)),
        near=near,
    )


NEAR = [[7, 8], [17, 18], [27, 28], [37, 38]]
USED = torch.tensor([1.0, 1.0, 0.0, 0.0])


def test_only_a_used_image_with_a_near_one_is_a_positive_pair():
    sure = Recorder(lambda real, made: 50 if made - 1000 in NEAR[real] and real < 2 else -50)
    batch = torch.tensor([3, 0, 2, 1])
    losses = [pairs(NEAR, pool_size=5).loss(sure, USED, batch) for _ in range(20)]
    assert max(losses) < 1e-6
    halves = [sure.seen[i : i + 4] for i in range(0, 160, 4)]
    near, anyone = halves[::2], halves[1::2]
    assert {real for drawn in near for real, _ in drawn} == {0, 1, 2, 3}
    assert {made - 1000 for drawn in near for real, made in drawn if real == 3} == {37, 38}
    assert {made - 1000 for drawn in anyone for _, made in drawn} == {0, 1, 2, 3, 4}


def test_a_network_that_knows_nothing_loses_log_two():
    loss = pairs(NEAR).loss(Recorder(lambda real, made: 0), USED, torch.arange(4))
    assert abs(float(loss) - torch.log(torch.tensor(2.0))) < 1e-6


def test_the_score_is_the_mean_of_the_best_pairs():
    table = {(0, 1001): 5.0, (0, 1002): 1.0, (0, 1003): 3.0, (1, 1002): -1.0, (1, 1003): -3.0}
    network = Recorder(lambda real, made: table.get((real, made), -9.0))
    asked = pairs([[1, 2, 3], [3, 2, 9]])
    assert asked.scores(network, best=2).tolist() == [4.0, -2.0]
    assert asked.scores(network, best=1).tolist() == [5.0, -1.0]
    assert asked.scores(network, best=10).tolist() == pytest.approx([3.0, -13 / 3])


def test_some_of_the_pairs_are_scored_as_they_were_among_all():
    network = Recorder(lambda real, made: real * 10 + (made - 1000) % 7)
    asked = pairs(NEAR)
    everyone, chosen = asked.scores(network, 1), np.array([2, 0])
    assert asked.of(chosen).scores(network, 1).tolist() == everyone[chosen].tolist()


def test_more_images_than_are_read_at_once_keep_their_order():
    near = [[i % 150, (3 * i) % 150] for i in range(200)]
    network = Recorder(lambda real, made: real + (made - 1000) / 1000)
    expected = [i + max(row) / 1000 for i, row in enumerate(near)]
    assert pairs(near).scores(network, 1) == pytest.approx(expected)
