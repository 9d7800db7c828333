import pytest
import torch
from torch import nn

from bench_vit_autoencoder.method import ViTAutoencoder
from bench_vit_autoencoder.networks import (
    Autoencoder,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    ResidualBlock,
    ViTDecoder,
    ViTEncoder,
    errors,
)
from bench_vit_autoencoder.spectral import AutoencoderSpectral
from harness.method import Budget

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
def test_the_papers_encoder_is_vit_b_16_of_224_pixels_projected_to_512():
    paper = ViTAutoencoder.within(Budget.PAPER)
    keys = ("side", "patch", "depth", "heads", "width", "latent")
    encoder = ViTEncoder(**{key: getattr(paper, key) for key in keys})
    assert encoder(torch.empty(IMAGES)).shape == (2, 512)
    assert (encoder.vit.image_size, encoder.vit.patch_size) == (224, 16)
    assert (encoder.adapter.in_channels, encoder.adapter.out_channels) == (1, 3)
    assert (encoder.projection.in_features, encoder.projection.out_features) == (768, 512)
    blocks = encoder.vit.encoder.layers
    assert (len(blocks), blocks[0].num_heads) == (12, 12)
    # ViT-B/16 has 86,567,656 weights, of which its classifier of 1000 classes has 769,000.
    assert sum(weight.numel() for weight in encoder.vit.parameters()) == 86_567_656 - 769_000


@pytest.mark.usefixtures("meta")
def test_the_papers_decoder_climbs_from_8_to_256_pixels():
    decoder = ViTDecoder(side=256, latent=512)
    linear = decoder.projection[0]
    assert (linear.in_features, linear.out_features) == (512, 256 * 8 * 8)
    assert shapes(decoder.ladder, torch.empty(2, 256, 8, 8)) == [
        (2, 256, 16, 16),
        (2, 128, 16, 16),
        (2, 64, 16, 16),
        (2, 64, 32, 32),
        (2, 32, 32, 32),
        (2, 16, 64, 64),
        (2, 16, 64, 64),
        (2, 8, 128, 128),
        (2, 1, 256, 256),
        (2, 1, 256, 256),
    ]
    residual = [step for step in decoder.ladder if isinstance(step, ResidualBlock)]
    skips = [isinstance(block.skip, nn.Identity) for block in residual]
    assert skips == [False, False, False, True]
    assert decoder(torch.empty(2, 512)).shape == IMAGES


@pytest.mark.usefixtures("meta")
def test_the_papers_convolutional_autoencoder_is_four_blocks_and_their_mirror():
    paper = AutoencoderSpectral.within(Budget.PAPER)
    sizes = {"filters": paper.filters, "dropout": paper.dropout}
    encoder, decoder = ConvolutionalEncoder(**sizes), ConvolutionalDecoder(**sizes)
    blocks = encoder.blocks[::2]
    assert [tuple(shape) for shape in shapes(encoder.blocks, torch.empty(IMAGES))[1::2]] == [
        (2, 32, 128, 128),
        (2, 64, 64, 64),
        (2, 128, 32, 32),
        (2, 256, 16, 16),
    ]
    assert all(isinstance(block, ResidualBlock) for block in blocks)
    climb = shapes(decoder.blocks, torch.empty(2, 256, 16, 16))
    assert climb[1:8:2] == [
        (2, 256, 32, 32),
        (2, 128, 64, 64),
        (2, 64, 128, 128),
        (2, 32, 256, 256),
    ]
    assert encoder.features(torch.empty(IMAGES)).shape == (2, 256)
    assert Autoencoder(encoder, decoder)(torch.empty(IMAGES)).shape == IMAGES


def test_a_residual_block_adds_what_it_has_learnt_to_what_came_in():
    block = ResidualBlock(3, 3).eval()
    maps = torch.randn(2, 3, 8, 8)
    assert not torch.allclose(block(maps), nn.LeakyReLU(0.1)(maps))
    nn.init.zeros_(block.body[-1].weight)  # the last batch norm now lets nothing through
    assert torch.equal(block(maps), nn.LeakyReLU(0.1)(maps))


def test_reconstructions_stay_between_minus_one_and_one():
    decoder = ViTDecoder(side=64, latent=8).eval()
    images = decoder(100 * torch.randn(3, 8))
    assert images.shape == (3, 1, 64, 64)
    assert images.abs().max() <= 1


def test_an_error_is_the_mean_square_over_the_pixels_of_one_image():
    images, others = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    expected = [((a - b) ** 2).mean().item() for a, b in zip(images, others, strict=True)]
    assert errors(images, others).tolist() == pytest.approx(expected)
