import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops

from bench_handcrafted_forest.features import FEATURES, gabor_kernel, handcrafted

SIDE = 32


def measured(image):
    """The features of one image, by name."""
    [row] = handcrafted(np.asarray(image, np.uint8)[None])
    return dict(zip(FEATURES, row, strict=True))


def chequered(low=10, high=30, side=SIDE):
    return np.where(np.indices((side, side)).sum(0) % 2, high, low)


def noise(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side)).astype(np.uint8)


def test_there_are_48_with_names_of_their_own():
    assert handcrafted(noise()[None]).shape == (1, 48)
    assert len(set(FEATURES)) == 48


def test_a_constant_image():
    found = measured(np.full((SIDE, SIDE), 7))
    expected = dict.fromkeys(FEATURES, 0.0)
    expected["mean"] = 7
    for angle in (0, 45, 90, 135):
        expected[f"glcm_correlation_{angle}"] = 1
        expected[f"glcm_energy_{angle}"] = 1
        expected[f"glcm_homogeneity_{angle}"] = 1
    for frequency in (0.1, 0.3, 0.5):
        for angle in (0, 45, 90):
            kernel = gabor_kernel(frequency, np.deg2rad(angle))
            expected[f"gabor_mean_{frequency}_{angle}"] = 7 * kernel.sum()
    expected["wavelet_approximation"] = 7**2 * SIDE**2
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_chequerboard():
    found = measured(chequered(10, 30))
    assert [found[name] for name in FEATURES[:4]] == pytest.approx([20, 100, 0, -2])
    for angle in (0, 90):  # every pair is of a 10 and a 30, in either order
        assert found[f"glcm_contrast_{angle}"] == 400
        assert found[f"glcm_correlation_{angle}"] == pytest.approx(-1)
        assert found[f"glcm_energy_{angle}"] == pytest.approx(np.sqrt(1 / 2))
        assert found[f"glcm_homogeneity_{angle}"] == pytest.approx(1 / 401)
    for angle in (45, 135):  # every pair is of equal greys
        assert found[f"glcm_contrast_{angle}"] == 0
        assert found[f"glcm_correlation_{angle}"] == pytest.approx(1, abs=0.01)
        assert found[f"glcm_homogeneity_{angle}"] == 1
    assert found["wavelet_approximation"] == pytest.approx(20**2 * SIDE**2)
    assert found["wavelet_diagonal_1"] == pytest.approx(10**2 * SIDE**2)
    others = ("horizontal_1", "vertical_1", "horizontal_2", "vertical_2", "diagonal_2")
    assert [found[f"wavelet_{name}"] for name in others] == pytest.approx([0] * 5)
    assert found["component_count"] == 1  # the bright fields meet at their corners
    assert found["component_area_mean"] == SIDE**2 / 2


def test_stripes_excite_the_filter_of_their_frequency_and_direction():
    columns = np.arange(SIDE)[None] * np.ones((SIDE, 1))
    found = measured(np.round(100 + 50 * np.cos(2 * np.pi * 0.3 * columns)))
    strength = {name: found[name] for name in FEATURES if name.startswith("gabor_variance")}
    assert max(strength, key=strength.get) == "gabor_variance_0.3_0"
    turned = measured(np.round(100 + 50 * np.cos(2 * np.pi * 0.3 * columns.T)))
    strength = {name: turned[name] for name in FEATURES if name.startswith("gabor_variance")}
    assert max(strength, key=strength.get) == "gabor_variance_0.3_90"


def test_bright_squares_are_counted_and_measured():
    image = np.full((SIDE, SIDE), 20)
    image[2:6, 2:6] = 200
    image[10:18, 10:18] = 210
    found = measured(image)
    assert found["component_count"] == 2
    assert found["component_area_mean"] == (16 + 64) / 2
    assert found["component_area_deviation"] == (64 - 16) / 2


@pytest.mark.parametrize("image", [noise(), chequered(), noise(side=33) // 64, noise(1)[:20]])
def test_texture_is_what_scikit_image_gives_for_whole_matrices(image):
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrices = graycomatrix(image.astype(np.uint8), [1], angles, 256, symmetric=True, normed=True)
    found = measured(image)
    for name in ("contrast", "correlation", "energy", "homogeneity"):
        [expected] = graycoprops(matrices, name)
        ours = [found[f"glcm_{name}_{angle}"] for angle in (0, 45, 90, 135)]
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_moments_and_filter_responses_are_what_scipy_gives():
    image, found = noise(3), measured(noise(3))
    assert found["skewness"] == pytest.approx(stats.skew(image, axis=None))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(image, axis=None))
    kernel = gabor_kernel(0.1, np.pi / 4)
    response = ndimage.correlate(image.astype(float), kernel, mode="mirror")
    assert found["gabor_mean_0.1_45"] == pytest.approx(response.mean())
    assert found["gabor_variance_0.1_45"] == pytest.approx(response.var())


def test_an_image_among_others_has_the_features_that_it_has_alone():
    images = np.stack([noise(seed) for seed in range(5)])
    alone = np.concatenate([handcrafted(image[None]) for image in images])
    assert handcrafted(images) == pytest.approx(alone, rel=1e-9)


@given(arrays(np.uint8, (2, 24, 24), elements=st.sampled_from([0, 1, 254, 255])))
def test_features_are_finite(images):
    assert np.isfinite(handcrafted(images)).all()
