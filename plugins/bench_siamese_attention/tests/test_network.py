import torch
from torch import nn

from bench_siamese_attention.network import SiameseNetwork


def network(width=8, channels=6):
    torch.manual_seed(0)
    return SiameseNetwork(nn.Identity(), channels, width, heads=2, dropout=0.5).eval()


def maps(seed, count=5, positions=9, channels=6):
    return torch.randn(count, positions, channels, generator=torch.Generator().manual_seed(seed))


def test_the_score_of_a_pair_is_that_of_the_pair_turned_round():
    siamese = network()
    one, other = siamese.maps(maps(1)), siamese.maps(maps(2))
    assert torch.allclose(siamese(one, other), siamese(other, one), atol=1e-6)
    assert siamese(one, other).shape == (5,)


def test_the_attention_itself_has_a_direction():
    siamese = network()
    one, other = siamese.maps(maps(1)), siamese.maps(maps(2))
    assert not torch.allclose(siamese.guided(one, other), siamese.guided(other, one), atol=1e-3)


def test_one_side_sees_the_other_wherever_a_thing_lies():
    siamese = network()
    one, other = siamese.maps(maps(1)), siamese.maps(maps(2))
    moved = other[:, torch.randperm(9)]
    assert torch.allclose(siamese.guided(one, moved), siamese.guided(one, other), atol=1e-6)
    assert not torch.allclose(siamese.guided(one, one), siamese.guided(one, other), atol=1e-3)


def test_guided_features_are_those_of_scaled_dot_product_attention():
    siamese = SiameseNetwork(nn.Identity(), 6, 8, heads=1, dropout=0).eval()
    one, other = siamese.maps(maps(1)), siamese.maps(maps(2))
    weight, bias = siamese.attention.in_proj_weight, siamese.attention.in_proj_bias
    asks, keys, values = (
        rows @ weight[place : place + 8].T + bias[place : place + 8]
        for rows, place in ((one, 0), (other, 8), (other, 16))
    )
    found = (asks @ keys.mT / 8**0.5).softmax(-1) @ values
    expected = siamese.norm(one + siamese.attention.out_proj(found)).mean(1)
    assert torch.allclose(siamese.guided(one, other), expected, atol=1e-5)


def test_maps_of_another_number_of_positions_can_be_compared():
    siamese = network()
    one, other = siamese.maps(maps(1)), siamese.maps(maps(2, positions=4))
    assert siamese(one, other).isfinite().all()
