"""The mistaken preprocessing, against what Keras does with images."""

import pytest
import torch

from bench_subset_features.keras import taken_for

GREY = torch.linspace(0, 1, 32).view(2, 1, 4, 4)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
PREPARED_FOR_DENSENET = (GREY - MEAN) / DEVIATION


def caffe(image):
    """Blue, green, red in 0 to 255, less their means."""
    return image.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)


PREPARE = {
    "torch": lambda image: (image - MEAN) / DEVIATION,
    "caffe": caffe,
    "tf": lambda image: image * 2 - 1,
    "raw": lambda image: image * 255,
}


@pytest.mark.parametrize("mode", PREPARE)
def test_prepared_as_the_network_wants_it_the_image_is_what_the_script_hands_over(mode):
    handed_over = PREPARE[mode](taken_for(GREY, mode))
    assert torch.allclose(handed_over, PREPARED_FOR_DENSENET, atol=1e-4)


def test_densenet_is_given_the_image_itself():
    assert torch.equal(taken_for(GREY, "torch"), GREY.expand(-1, 3, -1, -1))


@pytest.mark.parametrize(("mode", "least", "most"), [("caffe", 0.0, 0.02), ("raw", 0, 0.02),
                                                     ("tf", 2.0, 2.3)])  # fmt: skip
def test_the_contrast_is_lost_or_doubled(mode, least, most):
    seen = taken_for(GREY, mode)
    contrast = (seen.amax((0, 2, 3)) - seen.amin((0, 2, 3))).tolist()
    assert all(least < value < most for value in contrast)
