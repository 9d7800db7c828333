from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from bench_dclgan.losses import gradient_penalty, intensity_divergence, patch_contrast
from bench_dclgan.translation import Translation, Weights

WEIGHTS = Weights(
    adversarial=1, contrast=2, features=5, intensity=1, penalty=1, temperature=0.05, bins=10,
    histogram="soft",
)  # fmt: skip
NOTHING = replace(WEIGHTS, adversarial=0, contrast=0, features=0, intensity=0, penalty=0)


@pytest.fixture
def game():
    torch.manual_seed(0)
    translation = Translation(channels=2, blocks=1).eval()  # spectral norm stays as it is
    return translation, torch.rand(2, 1, 32, 32) * 2 - 1, torch.rand(2, 1, 32, 32) * 2 - 1


def gradients(network):
    return [None if p.grad is None else p.grad.clone() for p in network.parameters()]


def generator_loss(translation, source, target):
    """The generator's terms, each written out, on a critic that takes part in the graph."""
    made = translation.generator(source)
    seen, verdicts = translation.critic(made)
    of_source, of_target = translation.critic(source)[0], translation.critic(target)[0]
    return (
        binary_cross_entropy_with_logits(verdicts, torch.ones_like(verdicts))
        + 2 * patch_contrast(of_source, seen, 0.05)
        + 5 * l1_loss(seen, of_target)
        + intensity_divergence(source, made, 10, "soft")
    )


def critic_loss(translation, source, target):
    made = translation.generator(source).detach()
    real, fake = translation.critic(target)[1], translation.critic(made)[1]
    right = binary_cross_entropy_with_logits(real, torch.ones_like(real))
    wrong = binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return (right + wrong) / 2 + gradient_penalty(translation.critic, target, made)


def test_each_player_gets_the_gradient_of_its_own_loss_alone(game):
    translation, source, target = game
    expected = []
    for loss, player in (
        (generator_loss, translation.generator),
        (critic_loss, translation.critic),
    ):
        translation.zero_grad()
        torch.manual_seed(1)  # of the penalty
        loss(translation, source, target).backward()
        expected += gradients(player)
    translation.zero_grad()
    torch.manual_seed(1)
    translation.loss(source, target, WEIGHTS).backward()
    found = gradients(translation.generator) + gradients(translation.critic)
    assert any(gradient.abs().max() > 1e-3 for gradient in found)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-5)


def test_a_generator_without_weights_on_its_terms_stays_as_it_is(game):
    translation, source, target = game
    translation.loss(source, target, NOTHING).backward()
    assert all(not gradient.any() for gradient in gradients(translation.generator))
    assert any(gradient.any() for gradient in gradients(translation.critic))


def test_a_hard_histogram_adds_to_the_loss_and_to_no_gradient(game):
    translation, source, target = game
    hard = replace(NOTHING, intensity=1.0, histogram="hard")
    losses = [translation.loss(source, target, weights) for weights in (NOTHING, hard)]
    assert losses[1] > losses[0]
    losses[1].backward()
    assert all(not gradient.any() for gradient in gradients(translation.generator))


def test_the_critics_weights_can_be_trained_after_the_loss(game):
    translation, source, target = game
    translation.loss(source, target, WEIGHTS)
    assert all(weight.requires_grad for weight in translation.critic.parameters())


def test_the_game_teaches_both_players():
    torch.manual_seed(0)
    translation = Translation(channels=4, blocks=1)
    target, source = torch.rand(8, 1, 32, 32) * 0.2 + 0.7, torch.rand(8, 1, 32, 32) * 2 - 1
    optimiser = torch.optim.Adam(translation.parameters(), 2e-3, (0.5, 0.9))
    weights = replace(NOTHING, features=5.0, adversarial=1.0, penalty=1.0)
    before = (translation.generator(source).mean() - target.mean()).abs()
    for _ in range(10):
        optimiser.zero_grad()
        translation.loss(source, target, weights).backward()
        optimiser.step()
    assert (translation.generator(source).mean() - target.mean()).abs() < before
