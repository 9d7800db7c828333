import numpy as np
import pytest
import torch

from bench_handcrafted_forest.autoencoder import Autoencoder, rgb, train_autoencoder


def shapes(part, given):
    """The shape that each layer of a part of the network makes of one input, without repeats."""
    seen, x = [], given
    for layer in part.eval():
        x = layer(x)
        if tuple(x.shape[1:]) not in seen[-1:]:
            seen.append(tuple(x.shape[1:]))
    return seen


def test_the_layers_have_the_shapes_of_the_paper():
    network = Autoencoder(side=128)
    assert shapes(network.encoder, torch.rand(1, 3, 128, 128)) == [
        (32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8), (256, 1, 1), (256,), (512,)
    ]  # fmt: skip
    assert shapes(network.decoder, torch.rand(1, 512)) == [
        (16 * 16 * 128,), (128, 16, 16), (128, 32, 32), (64, 64, 64), (32, 128, 128), (3, 128, 128)
    ]  # fmt: skip


def test_only_the_rectified_network_has_no_negative_latents():
    images = torch.rand(4, 3, 32, 32)
    assert Autoencoder(32, 4).encoder(images).min() < 0
    assert Autoencoder(32, 4, rectified=True).encoder(images).min() == 0


def test_greys_become_three_equal_channels_between_0_and_1():
    images = rgb(torch.tensor([[[0, 51], [102, 255]]], dtype=torch.uint8), "cpu")
    for channel in range(3):
        assert images[0, channel].flatten().tolist() == pytest.approx([0, 0.2, 0.4, 1])


def test_training_brings_the_reconstruction_closer(tools):
    torch.manual_seed(0)
    y, x = np.mgrid[:16, :16]
    images = np.stack([(x * shift + y * (8 - shift)) % 256 for shift in range(8)] * 4)
    pixels = images.astype(np.uint8)
    network = Autoencoder(16, 4)

    def error():
        given = rgb(torch.from_numpy(pixels), "cpu")
        return (network.eval()(given) - given).abs().mean().item()

    before = error()
    train_autoencoder(network, pixels, batch=8, epochs=5, learning_rate=1e-2, tools=tools)
    assert error() < before / 2
