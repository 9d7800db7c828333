import numpy as np
import pytest
import torch

from bench_autoencoder_outlier.networks import Encoder
from bench_autoencoder_outlier.triplet import PatchTriplet, triplet_loss

from .conftest import asked, flat


def test_like_ones_are_drawn_together_and_unlike_ones_pushed_to_the_margin():
    anchor = torch.zeros(2, 4)
    positive = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]])  # 1 and 0 away
    negative = torch.tensor([[0.5, 0.5, 0.5, 0.5], [3, 0, 0, 0]])  # 0.25 and 2.25 away
    loss = triplet_loss(anchor, positive, negative, 0.5)
    assert float(loss) == pytest.approx(((1 + 0.25) + 0) / 2)


def test_used_is_what_lies_nearer_to_the_pool_than_patches_of_one_image(tools, monkeypatch):
    given = [
        np.array([[0.0, 0], [4, 0], [0, 4], [9, 9]]),
        np.array([[2.0, 0], [4, 2], [0, 4], [9, 9]]),  # 2, 2, 0 and 0 away, squared and meant
        np.array([[0.2, 0], [4, 1], [0, 9]]),
    ]
    sets = iter([rows.astype(np.float32) for rows in given])
    monkeypatch.setattr(PatchTriplet, "_learn", lambda *_: None)
    monkeypatch.setattr(PatchTriplet, "_latents", lambda *_: next(sets))
    method = PatchTriplet(side=32, latent=8, alpha=0.5)
    object.__setattr__(method, "latent", 2)  # of the rows above
    prediction = method._answer(asked(flat(1, 2, 3, 4), flat(1)).unknown, None, tools)
    # The threshold is 1 - 0.5 x 1.
    assert prediction.scores == pytest.approx([-0.02, -0.5, -8.02, -40.5], rel=1e-4)
    assert prediction.labels.tolist() == [1, 0, 0, 0]


def grainy(draws, count=8, side=32):
    """Images of one mean grey each, under coarse noise."""
    greys = np.linspace(60, 200, count)[:, None, None]
    return np.clip(greys + draws.normal(0, 50, (count, side, side)), 0, 255).astype(np.uint8)


def test_it_learns_to_tell_patches_of_one_image_from_those_of_others(tools):
    images = asked(grainy(np.random.default_rng(0)), flat(0)).unknown
    torch.manual_seed(0)
    method = PatchTriplet(side=32, latent=16, batch=8, epochs=60, learning_rate=3e-3)

    def like_by_unlike(encoder):
        shares = []
        for _ in range(5):
            first, second = (method._latents(encoder, images, tools) for _ in range(2))
            apart = np.square(first[:, None] - second[None]).mean(2)
            shares.append(np.diag(apart).mean() / apart[~np.eye(8, dtype=bool)].mean())
        return np.mean(shares)

    untrained, trained = Encoder(16).eval(), method._learn(images, tools)
    assert like_by_unlike(trained) < like_by_unlike(untrained) / 2


def test_patches_are_half_as_wide_as_the_image_and_of_one_place(tools):
    seen = []

    def encoder(patches):
        seen.append(patches)
        return patches.flatten(1)

    ramps = np.tile(np.arange(32 * 32).reshape(32, 32) // 4, (70, 1, 1))
    PatchTriplet(side=32)._latents(encoder, asked(ramps, flat(0)).unknown, tools)
    assert [tuple(patches.shape) for patches in seen] == [(64, 1, 16, 16), (6, 1, 16, 16)]
    assert torch.equal(seen[1], seen[0][:6])
