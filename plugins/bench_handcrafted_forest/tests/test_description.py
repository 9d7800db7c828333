import numpy as np
import pytest
import torch

from bench_handcrafted_forest.autoencoder import Autoencoder
from bench_handcrafted_forest.description import NAMES, describe, reconstruction_errors
from bench_handcrafted_forest.features import handcrafted

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 16, 16)).astype(np.uint8)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Autoencoder(16, 2).eval()


def test_latents_and_handcrafted_features_of_each_image_stand_side_by_side(network, tools):
    described = describe(PIXELS, network, tools)
    assert described.features.shape == (40, len(NAMES)) == (40, 560)
    assert described.features[:, 512:] == pytest.approx(handcrafted(PIXELS))
    [alone] = describe(PIXELS[[35]], network, tools).latent
    assert described.latent[35] == pytest.approx(alone, abs=1e-5)
    some = described[np.array([3, 35])]
    assert some.latent[1] == pytest.approx(alone, abs=1e-5)
    assert (some.pixels == PIXELS[[3, 35]]).all()


def test_the_error_is_the_mean_square_over_pixels_and_channels(network, tools):
    rgb = torch.from_numpy(PIXELS[:, None].repeat(3, 1)).float() / 255
    with torch.inference_mode():
        expected = ((network(rgb) - rgb) ** 2).flatten(1).mean(1).numpy()
    assert reconstruction_errors(PIXELS, network, tools) == pytest.approx(expected, rel=1e-4)
