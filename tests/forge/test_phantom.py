import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.forge.anatomy import draw_patient
from harness.forge.phantom import render_slice


def show(seed: int, height: float = 0.4, size: int = 64, noise: int = 0) -> np.ndarray:
    return render_slice(draw_patient(seed), height, size, np.random.default_rng(noise))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_the_same_seed_gives_the_same_bytes():
    assert show(7).tobytes() == show(7).tobytes()


def test_a_seed_sequence_draws_the_patient_that_its_number_draws():
    drawn = render_slice(draw_patient(np.random.SeedSequence(7)), 0.4, 64, np.random.default_rng(0))
    assert np.array_equal(drawn, show(7))


def test_the_generator_gives_the_scanner_noise_and_nothing_else():
    pairs = [(show(seed, noise=1), show(seed, noise=2)) for seed in range(10)]
    for a, b in pairs:
        assert not np.array_equal(a, b)
        assert likeness(a, b) > 0.98


def test_different_patients_look_different_at_the_same_height():
    images = [show(seed) for seed in range(12)]
    alike = [likeness(a, b) for i, a in enumerate(images) for b in images[:i]]
    assert max(alike) < 0.96


@pytest.mark.parametrize("heights", [(0.1, 0.3), (0.35, 0.6), (0.6, 0.9)])
def test_two_slices_of_a_patient_are_more_alike_than_slices_of_two_patients(heights):
    lower, upper = ([show(seed, height) for seed in range(16)] for height in heights)
    alike = np.array([[likeness(a, b) for b in upper] for a in lower])
    own = np.eye(16, dtype=bool)
    assert alike[own].mean() > alike[~own].mean() + 0.05


def test_the_anatomy_changes_more_the_farther_apart_two_slices_lie():
    steps = [(0.30, 0.32), (0.30, 0.45), (0.30, 0.90)]
    means = [
        np.mean([likeness(show(seed, a), show(seed, b, noise=1)) for seed in range(12)])
        for a, b in steps
    ]
    assert means[0] > means[1] > means[2]


def test_an_image_of_any_size_shows_the_same_anatomy():
    for seed in range(6):
        fine = show(seed, size=256).reshape(64, 4, 64, 4).mean(axis=(1, 3))
        assert likeness(show(seed, size=64), fine) > 0.98


def test_the_front_is_up_and_left_and_right_are_nearly_alike():
    mean = np.mean([show(seed, 0.9) for seed in range(40)], axis=0)
    assert likeness(mean, mean[:, ::-1]) > likeness(mean, mean.T) + 0.05
    body = mean[mean.max(axis=1) > 120, 28:36]  # the middle, from sternum to spine
    half = len(body) // 2
    assert body[half:].max() > body[:half].max() + 10  # the spine is larger than the sternum


@settings(max_examples=30)
@given(st.integers(0, 2**63), st.floats(0, 1), st.integers(32, 96))
def test_every_patient_shows_lung_and_bone_in_dark_air(seed, height, size):
    image = show(seed, height, size)
    assert image.shape == (size, size)
    assert image.dtype == np.uint8
    assert image[0, 0] < 60  # the corner in front of the patient is air
    assert 0.1 < np.mean(image > 170) < 0.9  # soft tissue and bone
    assert np.mean((image > 30) & (image < 90)) > 0.02  # lung
    assert image.max() > 235  # bone


@pytest.mark.parametrize("size", [32, 512])
def test_the_smallest_and_the_largest_size_can_be_drawn(size):
    assert show(1, size=size).shape == (size, size)


@pytest.mark.parametrize("size", [31, 513, 0, -64])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=r"size must lie in 32\.\.512"):
        show(1, size=size)


@pytest.mark.parametrize("height", [-0.01, 1.01, float("nan")])
def test_a_height_out_of_range_is_refused(height):
    with pytest.raises(ValueError, match=r"height must lie in \[0, 1\]"):
        show(1, height=height)


def test_patients_belong_to_one_population_with_room_for_differences():
    means = np.array([show(seed, 0.5).mean() for seed in range(60)])
    assert 5 < means.std() < 25
    assert np.abs(means - means.mean()).max() < 4.5 * means.std()
