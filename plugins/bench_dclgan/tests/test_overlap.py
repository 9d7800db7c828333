from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench_dclgan.overlap import Overlap, attention
from harness.method import ImageSet
from support import InProcessTools


class PoolTools(InProcessTools):
    def row_statistics(self, queries, pool, metric="cosine", radius=None):
        assert metric == "dot"
        return SimpleNamespace(mean=(queries.astype(float) @ pool.T).mean(1))


def one_layer(*rows):
    """Activations of one channel at four positions."""
    return torch.tensor(rows).view(len(rows), 1, 2, 2)


def test_overlap_is_bhattacharyyas_coefficient_of_the_energies():
    maps = one_layer([3.0, 4.0, 0, 0], [0, 1.0, 0, 0], [0, 0, 2.0, 0])
    rows = attention([maps])
    p = torch.tensor([[9 / 25, 16 / 25, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert torch.allclose(rows @ rows.T, p.sqrt() @ p.sqrt().T, atol=1e-6)


def test_attention_adds_the_energy_of_channels_and_knows_no_sign_or_strength():
    two = torch.cat([one_layer([3.0, 0, 0, 1.0]), one_layer([4.0, 0, -2.0, 0])], 1)
    assert torch.allclose(attention([two]), attention([-7 * two]))
    assert torch.allclose(attention([two]) ** 2, torch.tensor([[25.0, 0, 4.0, 1.0]]) / 30)


def test_overlap_of_layers_is_their_mean():
    same, apart = (
        one_layer([1.0, 0, 0, 0], [1.0, 0, 0, 0]),
        one_layer([1.0, 0, 0, 0], [0, 1.0, 0, 0]),
    )
    rows = attention([same, apart])
    assert (rows @ rows.T).flatten().tolist() == pytest.approx([1, 0.5, 0.5, 1])


def test_attention_to_nothing_overlaps_with_nothing():
    rows = attention([one_layer([0.0, 0, 0, 0], [1.0, 0, 0, 0])])
    assert (rows @ rows.T).tolist() == [[0, 0], [0, 1]]


def images(*rows):
    return ImageSet(np.array(rows, np.uint8).reshape(len(rows), 2, 2), "images")


def attend(images):
    return attention([torch.from_numpy(images.pixels.astype(np.float32)).unsqueeze(1)]).numpy()


POOL = images([9, 1, 0, 0], [8, 0, 2, 0], [0, 7, 7, 0], [5, 5, 0, 1])
ASKED = images([9, 1, 1, 0], [0, 0, 0, 8], [3, 3, 3, 3])


@pytest.mark.parametrize(("nearest", "counted"), [(None, 4), (1, 1), (2, 2), (9, 4)])
def test_an_overlap_is_in_deviations_of_those_among_the_pool(nearest, counted):
    among = np.sort(attend(POOL) @ attend(POOL).T, 1)
    if nearest:
        among = among[:, :-1][:, -nearest:]  # without the image itself
    level = among.mean(1)
    plain = np.sort(attend(ASKED) @ attend(POOL).T, 1)[:, -counted:].mean(1)
    found = Overlap(attend, POOL, nearest, PoolTools())(ASKED)
    assert found == pytest.approx((plain - level.mean()) / level.std(), rel=1e-4)


@pytest.mark.parametrize("nearest", [None, 1, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_a_pool_of_one_or_two_images_will_do(nearest, count):
    found = Overlap(attend, POOL[:count], nearest, PoolTools())(ASKED)
    assert np.isfinite(found).all()
    assert found.argmax() == 0


def test_an_image_is_compared_without_regard_to_those_beside_it():
    overlap = Overlap(attend, POOL, None, PoolTools())
    assert overlap(ASKED[1:2]) == pytest.approx(overlap(ASKED)[1:2])
