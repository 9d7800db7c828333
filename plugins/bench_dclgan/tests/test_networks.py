import pytest
import torch
from torch import nn

from bench_dclgan.method import DCLGAN
from bench_dclgan.networks import Discriminator, Generator, ResidualBlock

IMAGES = (2, 1, 256, 256)


@pytest.fixture
def paper():
    method = DCLGAN()
    with torch.device("meta"):
        yield (
            Generator(channels=method.channels, blocks=method.blocks),
            Discriminator(channels=method.channels),
            torch.empty(IMAGES),
        )


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def test_the_papers_generator_goes_to_256_channels_and_back_to_an_image(paper):
    generator, _, images = paper
    layers = convolutions(generator)
    down, up = layers[:3], layers[-3:]
    assert [layer.out_channels for layer in down] == [64, 128, 256]
    assert [layer.out_channels for layer in up] == [128, 64, 1]
    assert [layer.kernel_size[0] for layer in (*down, *up)] == [7, 3, 3, 3, 3, 7]
    blocks = [layer for layer in generator.layers if isinstance(layer, ResidualBlock)]
    assert len(blocks) == 8
    assert blocks[0](torch.empty(2, 256, 64, 64)).shape == (2, 256, 64, 64)
    assert isinstance(generator.layers[-1], nn.Tanh)
    assert generator(images).shape == IMAGES


def test_the_papers_discriminator_has_five_convolutions_and_judges_patches(paper):
    _, critic, images = paper
    assert [layer.out_channels for layer in convolutions(critic)] == [64, 128, 256, 512, 1]
    assert [tuple(maps.shape[1:]) for maps in critic.activations(images)] == [
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 31, 31),
    ]
    deepest, verdicts = critic(images)
    assert (deepest.shape, verdicts.shape) == ((2, 512, 31, 31), (2, 1, 30, 30))


def test_spectral_norm_holds_every_convolution_of_the_discriminator_at_slope_one():
    torch.manual_seed(0)
    critic = Discriminator(channels=4)
    for _ in range(50):  # every pass in training mode improves the estimate
        critic(torch.randn(1, 1, 32, 32))
    critic.eval()
    for layer in convolutions(critic):
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.02)


def test_a_discriminator_sees_an_image_alone_as_it_sees_it_among_others():
    torch.manual_seed(0)
    critic, images = Discriminator(channels=4).eval(), torch.randn(3, 1, 32, 32)
    together, alone = critic(images)[1], critic(images[1:2])[1]
    assert torch.allclose(together[1:2], alone, atol=1e-5)
