import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.forge.copies import Fidelity, degrade


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def images() -> np.ndarray:
    return rng(1).integers(40, 200, (5, 24, 24)).astype(np.uint8)


def flat(grey: int = 128, count: int = 4) -> np.ndarray:
    return np.full((count, 48, 48), grey, np.uint8)


@given(arrays(np.uint8, (2, 7, 9)), st.integers(0, 2**32))
def test_a_perfect_copy_equals_its_original(images, seed):
    assert np.array_equal(degrade(images, Fidelity(), rng(seed)), images)


@pytest.mark.parametrize(
    "fidelity",
    [
        Fidelity(blur=0.6),
        Fidelity(noise=6),
        Fidelity(gain=0.1),
        Fidelity(warp=1),
        Fidelity(crop=0.2),
    ],
)
def test_every_degradation_changes_every_image_and_keeps_shape_and_type(images, fidelity):
    copies = degrade(images, fidelity, rng())
    assert copies.shape == images.shape
    assert copies.dtype == np.uint8
    assert all(not np.array_equal(copy, image) for copy, image in zip(copies, images, strict=True))


def test_the_originals_stay_as_they_are(images):
    before = images.copy()
    degrade(images, Fidelity(1, 10, 0.2), rng())
    assert np.array_equal(images, before)


def test_noise_has_the_strength_that_was_asked_for():
    copies = degrade(flat(), Fidelity(noise=6), rng()).astype(float)
    assert copies.std() == pytest.approx(6, rel=0.05)
    assert copies.mean() == pytest.approx(128, abs=0.5)


def test_twice_the_noise_is_the_same_noise_twice_as_strong():
    weak = degrade(flat(), Fidelity(noise=4), rng()).astype(float) - 128
    strong = degrade(flat(), Fidelity(noise=8), rng()).astype(float) - 128
    assert np.abs(strong - 2 * weak).max() <= 1.5  # what rounding can do


def test_blur_spreads_a_point_with_the_sd_that_was_asked_for():
    image = np.zeros((1, 41, 41), np.uint8)
    image[0, 20, 20] = 255
    blurred = degrade(image, Fidelity(blur=1.0), rng())[0].astype(float)
    column = blurred.sum(axis=0) / blurred.sum()
    assert np.sum(column * (np.arange(41) - 20) ** 2) == pytest.approx(1.0, rel=0.15)


def test_blur_does_not_mix_neighbouring_images():
    images = np.stack([np.zeros((8, 8)), np.full((8, 8), 200)]).astype(np.uint8)
    assert np.array_equal(degrade(images, Fidelity(blur=3), rng()), images)


def test_gain_scales_the_contrast_of_each_image_by_its_own_factor(images):
    copies = degrade(images, Fidelity(gain=0.1), rng()).astype(float)
    factors = copies.std(axis=(1, 2)) / images.std(axis=(1, 2))
    assert np.ptp(factors) > 0.02
    assert copies.mean(axis=(1, 2)) == pytest.approx(images.mean(axis=(1, 2)), abs=0.5)


def test_greys_are_clipped_and_do_not_wrap_round():
    for grey in (0, 255):
        copies = degrade(flat(grey), Fidelity(noise=10), rng()).astype(int)
        assert np.abs(copies - grey).max() < 80


def test_the_same_generator_gives_the_same_copy_and_another_gives_fresh_noise(images):
    fidelity = Fidelity(0.6, 6, 0.05)
    first, again, other = (degrade(images, fidelity, rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["blur", "noise", "gain"])
def test_a_fidelity_below_zero_or_not_finite_is_refused(key, value):
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        Fidelity(**{key: value})


def test_a_warp_moves_points_by_about_its_strength_and_keeps_greys():
    image = np.zeros((1, 48, 48), np.uint8)
    image[0, 20:28, 20:28] = 200
    shifts = []
    for seed in range(20):
        [warped] = degrade(image, Fidelity(warp=2), rng(seed)).astype(float)
        assert warped.max() <= 200
        weights = warped / warped.sum()
        places = [np.sum(weights * axis) for axis in np.indices(warped.shape)]
        shifts.append(np.array(places) - 23.5)
    assert 0.7 < np.std(shifts) < 3


def test_a_crop_enlarges_what_is_left_and_never_by_more_than_was_asked_for():
    image = np.zeros((1, 60, 60), np.uint8)
    image[0, 24:36, 24:36] = 255
    areas = [(degrade(image, Fidelity(crop=0.25), rng(seed)) > 127).sum() for seed in range(20)]
    assert 144 * 0.9 < min(areas) < max(areas) < 144 / 0.75**2 * 1.2
    assert max(areas) > 1.2 * 144


@pytest.mark.parametrize("bad", [{"warp": -1}, {"crop": 1}, {"crop": float("nan")}])
def test_moves_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="must be"):
        Fidelity(**bad)
