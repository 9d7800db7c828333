import math

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from bench_canet.augmentation import blocks, disturbed, gabor_noise
from bench_canet.maps import TokenMaps
from bench_canet.network import GatedFusion, HybridAttentionNetwork, contrast
from support import InProcessTools

CPU = torch.device("cpu")


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(side=3, width=16, channels=(4, 6), temperatures=(0.5, 2.0)):
    torch.manual_seed(0)
    return HybridAttentionNetwork(
        channels, side, width, heads=8, dropout=0.0, temperatures=temperatures
    ).eval()


def test_fusion_mixes_depths_of_any_width_by_weights_that_depend_on_them():
    torch.manual_seed(0)
    fusion = GatedFusion((4, 6, 5), 16)
    maps = [normal(2, 9, 4), normal(2, 9, 6), normal(2, 9, 5)]
    fused = fusion(maps)
    assert fused.shape == (2, 9, 16)
    with torch.no_grad():
        fusion.gate.weight.zero_()
        fusion.gate.bias.copy_(torch.tensor([0.0, 99.0, 0.0]))
    second = fusion.reduce[1](maps[1])
    assert torch.allclose(fusion(maps), second, atol=1e-6)
    assert not torch.allclose(fused, second, atol=1e-2)


def test_the_gate_looks_at_the_maps():
    torch.manual_seed(0)
    fusion, seen = GatedFusion((4, 6), 16), []
    fusion.gate.register_forward_hook(lambda *call: seen.append(call[2].softmax(2)))
    fusion([normal(2, 9, 4), normal(2, 9, 6)])
    (weights,) = seen
    assert torch.allclose(weights.sum(2), torch.ones(2, 9))
    assert weights[..., 0].std() > 0.01


def test_similarity_is_the_cosine_weighted_by_attention():
    canet = network(side=2)
    one, other = normal(1, 4, 16, seed=1), normal(1, 4, 16, seed=2)
    place = (canet.rows + canet.columns).reshape(4, 16)
    _, weights = canet.attention(one + place, other + place, other)
    cosines = torch.cosine_similarity(one[0, :, None], other[0, None], dim=2)
    expected = sum(weights[0, i, j] * cosines[i, j] for i in range(4) for j in range(4)) / 4
    assert canet(one, other).similarity.item() == pytest.approx(expected.item(), abs=1e-6)


def test_places_count():
    canet = network()
    one, other = normal(1, 9, 16, seed=1), normal(1, 9, 16, seed=2)
    moved = other[:, torch.arange(8, -1, -1)]
    with torch.no_grad():
        canet.rows.mul_(50)
    assert canet(one, moved).logits.item() != pytest.approx(canet(one, other).logits.item())


def test_the_temperature_of_a_pair_stays_within_its_bounds():
    pair = normal(4, 9, 16, seed=1), normal(4, 9, 16, seed=2)
    free, cold, hot = (
        network(temperatures=bounds)(*pair).logits
        for bounds in ((0.5, 2.0), (0.5, 0.5), (2.0, 2.0))
    )
    assert torch.allclose(cold, 4 * hot)
    ratios = cold / free
    assert (ratios > 1).all()
    assert (ratios < 4).all()
    assert len(set(ratios.tolist())) == 4


def pairs_of(count):
    """Return maps of both sides, and which pairs are an image and its noisy copy."""
    copied = torch.arange(count) % 2
    real = [torch.randn(count, 4, channels) for channels in (4, 6)]
    other = [torch.randn_like(depth) for depth in real]
    made = [
        torch.where(copied[:, None, None] == 1, depth + 0.2 * noise, noise)
        for depth, noise in zip(real, other, strict=True)
    ]
    return real, made, copied.float()


@pytest.mark.slow
def test_enough_pairs_teach_it_to_tell_a_copy_from_another_image():
    canet = network(side=2)
    optimiser = torch.optim.AdamW(canet.parameters(), lr=5e-3)
    for _ in range(400):
        real, made, copied = pairs_of(64)
        logits, _, embedding = canet(canet.maps(real), canet.maps(made))
        loss = binary_cross_entropy_with_logits(logits, copied)
        loss = loss + 0.5 * contrast(embedding, copied, 0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    real, made, copied = pairs_of(400)
    judgement = canet(canet.maps(real), canet.maps(made))
    assert ((judgement.logits > 0) == (copied == 1)).float().mean() > 0.95
    similarity = judgement.similarity
    assert similarity[copied == 1].mean() > similarity[copied == 0].mean() + 0.3


def test_contrast_is_low_when_classes_lie_apart():
    apart = torch.eye(2)[[0, 0, 1, 1]]
    classes = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert contrast(apart, classes, 0.5).item() == pytest.approx(math.log(1 + 2 / math.exp(2)))
    assert contrast(apart, classes[[0, 2, 0, 2]], 0.1) > 5


def test_contrast_is_the_mean_over_the_rows_with_a_positive():
    rows = torch.nn.functional.normalize(normal(4, 3), dim=1)
    classes = torch.tensor([1, 1, 1, 0])
    expected = []
    for i in range(3):
        others = [j for j in range(4) if j != i]
        weights = torch.stack([torch.exp(rows[i] @ rows[j] / 0.5) for j in others])
        mine = [others.index(j) for j in others if classes[j] == 1]
        expected.append(-torch.log(weights[mine] / weights.sum()).mean())
    assert contrast(rows, classes, 0.5).item() == pytest.approx(float(sum(expected) / 3))


def test_contrast_of_rows_without_a_positive_is_nothing():
    rows = torch.eye(3).requires_grad_()
    loss = contrast(rows[:2], torch.tensor([0.0, 1.0]), 0.1)
    loss.backward()
    assert loss.item() == 0


def test_finer_maps_are_averaged_to_the_coarsest_grid():
    fine = np.arange(2 * 16 * 3, dtype=np.float32).reshape(2, 16, 3)
    coarse = np.ones((2, 4, 5), np.float32)
    tools = InProcessTools()
    tools.log = (said := []).append
    maps = TokenMaps([fine, coarse], tools)
    assert (maps.side, maps.channels) == (2, [3, 5])
    assert said == ["maps of 4 x 4 positions are averaged to 2 x 2"]
    assert [spread.tolist() for spread in maps.spreads][1] == [0.0] * 5
    averaged, same = maps(torch.tensor([1, 0]))
    quarters = fine.reshape(2, 2, 2, 2, 2, 3).mean((2, 4)).reshape(2, 4, 3)
    assert np.allclose(averaged, quarters[[1, 0]])
    assert (averaged.shape, same.shape) == ((2, 4, 3), (2, 4, 5))


def test_a_block_of_about_the_share_is_masked_at_all_depths():
    torch.manual_seed(0)
    maps = [torch.ones(50, 49, 3), torch.ones(50, 49, 5)]
    found = disturbed(maps, [torch.ones(3), torch.ones(5)], masked=0.2, noise=0.0)
    gone = [(depth == 0).all(2) for depth in found]
    assert torch.equal(*gone)
    assert set(gone[0].sum(1).tolist()) == {9}  # 3 x 3 of 7 x 7
    assert len(gone[0].float().unique(dim=0)) > 10
    assert all(((depth == 0) | (depth == 1)).all() for depth in found)


def test_blocks_lie_inside_and_may_be_empty():
    torch.manual_seed(0)
    square = blocks(20, 5, 0.16, CPU)
    assert (square.any(1).sum(1) == 2).all()
    assert (square.any(2).sum(1) == 2).all()
    assert not blocks(4, 5, 0.0, CPU).any()


def test_gabor_noise_is_standardised_and_smooth():
    torch.manual_seed(0)
    fields = gabor_noise(200, 14, CPU)
    assert fields.mean((1, 2)) == pytest.approx(0, abs=1e-5)
    assert fields.std((1, 2), correction=0) == pytest.approx(1, abs=1e-4)
    beside = (fields[:, :, 1:] * fields[:, :, :-1]).mean()
    assert beside > 0.2  # white noise: 0
    assert gabor_noise(3, 1, CPU).isfinite().all()


def test_noise_is_measured_in_the_deviations_of_the_maps():
    torch.manual_seed(0)
    maps = [normal(300, 49, 8)]
    (found,) = disturbed(maps, [torch.tensor([1.0, 10.0]).repeat(4)], masked=0.0, noise=0.1)
    added = (found - maps[0]).std((0, 1))
    assert added[::2] == pytest.approx(0.1, rel=0.2)
    assert added[1::2] == pytest.approx(1.0, rel=0.2)
