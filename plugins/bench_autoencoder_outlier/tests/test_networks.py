import pytest
import torch

from bench_autoencoder_outlier.networks import (
    Autoencoder,
    Decoder,
    Encoder,
    ResidualBlock,
    errors,
)

IMAGES = (2, 1, 256, 256)


def shapes(sequence, inputs):
    """Return the shape after each step of a sequence."""
    found = []
    for step in sequence:
        inputs = step(inputs)
        found.append(tuple(inputs.shape))
    return found


@pytest.fixture
def meta():
    """Networks of the paper's size without their memory: shapes are computed, values are not."""
    with torch.device("meta"):
        yield


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("residual", [False, True])
def test_the_encoder_halves_the_image_five_times_and_takes_the_mean(residual):
    encoder = Encoder(128, residual=residual)
    first, _, *others = shapes(encoder.blocks, torch.empty(IMAGES))
    assert [first, *others] == [
        (2, 16, 128, 128),
        (2, 32, 64, 64),
        (2, 64, 32, 32),
        (2, 128, 16, 16),
        (2, 256, 8, 8),
    ]
    assert (encoder.projection.in_features, encoder.projection.out_features) == (256, 128)
    assert encoder(torch.empty(IMAGES)).shape == (2, 128)
    assert encoder(torch.empty(2, 1, 128, 128)).shape == (2, 128)


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("residual", [False, True])
def test_the_decoder_climbs_from_16_to_256_pixels(residual):
    decoder = Decoder(256, 128, 256, residual=residual)
    linear = decoder.projection[0]
    assert (linear.in_features, linear.out_features) == (128, 256 * 16 * 16)
    assert shapes(decoder.ladder, torch.empty(2, 256, 16, 16)) == [
        (2, 128, 32, 32),
        (2, 64, 64, 64),
        (2, 32, 128, 128),
        (2, 16, 256, 256),
        (2, 1, 256, 256),
        (2, 1, 256, 256),
    ]
    assert Autoencoder(Encoder(128), decoder)(torch.empty(IMAGES)).shape == IMAGES


@pytest.mark.parametrize(("residual", "blocks"), [(False, 0), (True, 8)])
def test_residual_blocks_stand_where_they_are_asked_for(residual, blocks):
    network = Autoencoder(Encoder(16, residual=residual), Decoder(32, 16, 16, residual=residual))
    assert sum(isinstance(part, ResidualBlock) for part in network.modules()) == blocks


def test_a_residual_block_adds_its_shortcut():
    block = ResidualBlock(3, 5, 2).eval()
    maps = torch.randn(2, 3, 8, 8)
    assert block(maps).shape == (2, 5, 4, 4)
    torch.nn.init.zeros_(block.body[-1].weight)  # the last batch norm now lets nothing through
    assert torch.equal(block(maps), torch.nn.functional.leaky_relu(block.shortcut(maps), 0.2))


def test_weights_start_as_keras_has_them():
    encoder = Encoder(64)
    convolution = encoder.blocks[0]
    bound = (6 / (9 * 1 + 9 * 8)) ** 0.5  # of 1 and 8 channels, 3 x 3
    assert 0.8 * bound < convolution.weight.abs().max() <= bound
    assert convolution.bias.abs().max() == encoder.projection.bias.abs().max() == 0


def test_reconstructions_stay_between_minus_one_and_one():
    images = Decoder(64, 8, 16).eval()(100 * torch.randn(3, 8))
    assert images.shape == (3, 1, 64, 64)
    assert images.abs().max() <= 1


def test_an_error_is_the_mean_square_over_the_pixels_of_one_image():
    images, others = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    expected = [((a - b) ** 2).mean().item() for a, b in zip(images, others, strict=True)]
    assert errors(images, others).tolist() == pytest.approx(expected)
