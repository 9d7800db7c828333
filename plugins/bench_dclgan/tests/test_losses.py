import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from bench_dclgan.losses import (
    gradient_penalty,
    hard_histogram,
    intensity_divergence,
    patch_contrast,
    soft_histogram,
)


def test_patch_contrast_is_cross_entropy_over_the_patches_of_one_image():
    torch.manual_seed(0)
    real, made = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    losses = []
    for one, other in zip(real.flatten(2), made.flatten(2), strict=True):
        for place in range(4):
            logits = cosine_similarity(one[:, place : place + 1], other, dim=0) / 0.1
            losses.append(logits.logsumexp(0) - logits[place])
    expected = torch.stack(losses).mean().item()
    assert patch_contrast(real, made, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_patches_that_find_themselves_lose_nothing():
    distinct = torch.eye(4).view(1, 4, 2, 2)
    assert patch_contrast(distinct, distinct, 0.05).item() < 1e-6
    assert patch_contrast(distinct, distinct.flip(3), 0.05).item() == pytest.approx(20, rel=1e-3)


def test_a_grey_counts_for_its_two_nearest_bins():
    images = torch.tensor([-1.0, 1.0, 0.0, 0.25]).view(1, 1, 2, 2)  # centres -1, -0.5, 0, 0.5, 1
    assert soft_histogram(images, 5).tolist() == [[0.25, 0, 0.375, 0.125, 0.25]]


def test_histograms_are_shares_of_each_image_apart():
    torch.manual_seed(0)
    images = torch.rand(3, 1, 8, 8) * 2 - 1
    for histogram in (soft_histogram, hard_histogram):
        shares = histogram(images, 10)
        assert shares.shape == (3, 10)
        assert shares.sum(1).tolist() == pytest.approx([1, 1, 1])
        assert torch.allclose(shares[1:2], histogram(images[1:2], 10))


def test_the_divergence_is_that_of_equation_9_and_has_a_direction():
    real = torch.tensor([-1.0, -1.0, -1.0, 1.0]).view(1, 1, 2, 2)
    made = torch.tensor([-1.0, -1.0, 1.0, 1.0]).view(1, 1, 2, 2)
    for histogram in ("soft", "hard"):
        there = intensity_divergence(real, made, 7, histogram).item()
        back = intensity_divergence(made, real, 7, histogram).item()
        assert there == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-5)
        assert back == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2), abs=1e-5)
        assert intensity_divergence(real, real, 7, histogram).item() == 0


def test_soft_histograms_have_a_gradient_that_brings_greys_together():
    torch.manual_seed(0)
    real = torch.rand(2, 1, 16, 16) * 2 - 1
    made = (torch.rand(2, 1, 16, 16) * 0.8 - 0.9).requires_grad_()
    before = intensity_divergence(real, made, 20, "soft")
    optimiser = torch.optim.Adam([made], 0.02)
    for _ in range(50):
        optimiser.zero_grad()
        intensity_divergence(real, made, 20, "soft").backward()
        optimiser.step()
    assert intensity_divergence(real, made, 20, "soft") < before / 2
    assert not intensity_divergence(real, made, 20, "hard").requires_grad


class Plane(nn.Module):
    """A critic of known slope: its verdicts on two patches add up to slope x pixels."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.full((4,), slope))

    def forward(self, images):
        verdict = images.flatten(1) @ self.slope
        return images, torch.stack([0.25 * verdict, 0.75 * verdict], 1)


@pytest.mark.parametrize(("slope", "penalty"), [(0.5, 0), (2.0, 9), (0.0, 1)])
def test_the_penalty_is_the_squared_distance_of_the_slope_from_one(slope, penalty):
    real, made = torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2)
    assert gradient_penalty(Plane(slope), real, made).item() == pytest.approx(penalty, abs=1e-5)


def test_the_penalty_changes_the_critic():
    critic = Plane(2.0)
    gradient_penalty(critic, torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2)).backward()
    assert (critic.slope.grad > 0).all()
