"""The parts against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench_moco_moe.contrast import Contrast, LowestLoss, Queue, hybrid_loss
from bench_moco_moe.encoders import Mixture, Projection, Single
from bench_moco_moe.pairing import Views, cosines, draw, positive_pools
from harness.method import ImageSet


class Tiny(nn.Module):
    """A network as the harness hands it over, of one linear layer and batch normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.BatchNorm1d(width))

    def forward(self, images):
        return self.layers(images)


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape), dim=-1)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 9), pushes=st.lists(st.integers(1, 12), max_size=6))
def test_the_queue_holds_the_latest_keys_in_the_order_they_came(size, pushes):
    queue = Queue(size, 3)
    came = [queue.keys.clone()]
    assert torch.allclose(queue.keys.norm(dim=1), torch.ones(size))
    for count in pushes:
        came.append(unit(count, 3))
        queue.push(came[-1])
    in_order = queue.keys.roll(-int(queue.oldest), 0)
    assert torch.equal(in_order, torch.cat(came)[-size:])


def test_the_follower_moves_by_one_part_in_a_thousand_and_only_in_its_weights():
    torch.manual_seed(0)
    contrast = Contrast(Single(Tiny(5), Projection(5)), Queue(4, 256), 0.999)
    before = {name: value.clone() for name, value in contrast.follower.state_dict().items()}
    for weight in contrast.online.parameters():
        weight.data += torch.randn_like(weight)
    contrast.online(torch.rand(6, 1, 8, 8))  # moves the online batch statistics
    contrast.follow()
    weights = dict(contrast.online.named_parameters())
    for name, value in contrast.follower.state_dict().items():
        expected = before[name]
        if name in weights:
            expected = 0.999 * before[name] + 0.001 * weights[name]
        assert torch.allclose(value, expected, atol=1e-6), name
    assert not any(weight.requires_grad for weight in contrast.follower.parameters())


def test_every_sample_has_a_temperature_of_its_own_in_the_papers_range():
    torch.manual_seed(0)
    projection = Projection(20)
    _, temperatures = projection(100 * torch.randn(50, 20))
    assert temperatures.shape == (50,)
    assert temperatures.min() >= 0.05
    assert temperatures.max() <= 0.2
    assert len(temperatures.unique()) == 50


def test_the_described_head_goes_below_zero_and_the_coded_one_does_not():
    torch.manual_seed(0)
    features = torch.randn(50, 20)
    assert Projection(20)(features)[0].min() < 0
    assert Projection(20, rectified=True)(features)[0].min() == 0


def test_the_loss_is_equations_3_to_7():
    torch.manual_seed(0)
    queries, positives, negatives = unit(4, 6), unit(4, 2, 6), unit(9, 6)
    temperatures = torch.rand(4) * 0.15 + 0.05
    rows = []
    for query, friends, tau in zip(queries, positives, temperatures, strict=True):
        for friend in friends:
            near = (query @ friend / tau).exp()
            rows.append(-(near / (near + (negatives @ query / tau).exp().sum())).log())
    expected = torch.stack(rows).mean()
    for alpha in (0.0, 0.7, 1.0):
        loss = hybrid_loss(queries, positives, negatives, temperatures, alpha)
        assert loss == pytest.approx(float(expected), rel=1e-5)


def test_alpha_is_the_share_of_the_gradient_that_reaches_the_temperatures():
    torch.manual_seed(0)
    queries = unit(4, 6).requires_grad_()
    temperatures = (torch.rand(4) * 0.15 + 0.05).requires_grad_()
    positives, negatives = unit(4, 2, 6), unit(9, 6)

    def gradients(alpha):
        loss = hybrid_loss(queries, positives, negatives, temperatures, alpha)
        return torch.autograd.grad(loss, (queries, temperatures))

    whole, part = gradients(1.0), gradients(0.7)
    assert torch.allclose(part[0], whole[0], rtol=1e-4)
    assert torch.allclose(part[1], 0.7 * whole[1], rtol=1e-4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 999), threshold=st.floats(-1, 1), least=st.integers(1, 5))
def test_positives_are_those_above_the_threshold_or_else_the_most_similar(seed, threshold, least):
    similarity = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (6, 8)))
    pools = positive_pools(similarity, threshold, least)
    for pool, row in zip(pools, similarity, strict=True):
        above = row >= threshold
        if above.sum() >= least:
            assert torch.equal(pool, above)
        else:
            assert set(pool.nonzero().flatten().tolist()) == set(row.topk(least).indices.tolist())
    drawn = draw(pools, least)
    assert pools.gather(1, drawn).all()
    assert all(len(set(row)) == least for row in drawn.tolist())


def test_cosines_are_those_of_the_rows():
    draws = np.random.default_rng(0)
    left, right = draws.normal(size=(3, 5)), draws.normal(size=(4, 5))
    lengths = np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    assert cosines(left, right).numpy() == pytest.approx(left @ right.T / lengths)


def test_the_mixture_weighs_what_attention_makes_of_experts_of_length_one():
    torch.manual_seed(0)
    mixture = Mixture([Tiny(16), Tiny(7), Tiny(9)], 16, Projection(16)).eval()
    assert isinstance(mixture.unify[0], nn.Identity)
    images = torch.rand(5, 1, 8, 8)
    experts = functional.normalize(mixture.experts(images), dim=2)
    assert experts.shape == (5, 3, 16)
    weights = mixture.gate(experts.flatten(1))
    assert torch.allclose(weights.sum(1), torch.ones(5))
    attended, _ = mixture.attention(experts, experts, experts)
    fused = sum(weights[:, [e]] * attended[:, e] for e in range(3))
    expected, temperatures = mixture.projection(functional.normalize(fused))
    projected, own = mixture(images)
    assert torch.allclose(projected, expected, atol=1e-5)
    assert torch.allclose(own, temperatures, atol=1e-5)
    assert not torch.allclose(mixture.bare(images), projected, atol=1e-2)


def test_the_encoder_of_the_best_epoch_is_kept():
    network = nn.Linear(1, 1)
    kept = LowestLoss(network)
    for epoch, losses in enumerate([(3.0, 1.0), (1.0, 1.0), (0.5, 2.0)]):
        nn.init.constant_(network.weight, epoch)
        for loss in losses:
            kept.note(torch.tensor(loss), network, 2)
    assert kept.encoder.weight.item() == 1
    assert kept.lowest == 2


def test_views_are_augmented_one_by_one_from_torchs_generator_and_centred_without_chance():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 48, 48)).astype(np.uint8)
    images = ImageSet(pixels.repeat(2, 0), "training.used")
    views = Views(32, "cpu")
    torch.manual_seed(0)
    first, again = views.augmented(images)
    torch.manual_seed(0)
    assert torch.equal(views.augmented(images)[0], first)
    assert not torch.equal(first, again)
    assert first.shape == (1, 32, 32)
    assert 0 <= first.min() < first.max() <= 1
    centred = views.centred(images)
    assert centred.shape == (2, 1, 32, 32)
    assert torch.equal(centred[0], centred[1])
    border = images.pixels.copy()
    border[:, [0, -1]] = border[:, :, [0, -1]] = 0
    assert torch.equal(views.centred(ImageSet(border, "training.used")), centred)
