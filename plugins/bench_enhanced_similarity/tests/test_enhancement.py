import numpy as np
import pytest
import torch
from scipy import ndimage

from bench_enhanced_similarity.enhancement import (
    bilateral,
    enhanced,
    gaussian,
    hessian,
    laplacian,
    views,
)
from harness.method import ImageSet

FILTERS = ("gaussian", "laplacian", "hessian", "bilateral")


def greys(side=20, count=2):
    return np.random.default_rng(0).random((count, side, side)).astype(np.float32)


def through(filtered, images, *deviations):
    return filtered(torch.from_numpy(images)[:, None], *deviations)[:, 0].numpy()


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_gaussian_is_scipys(sigma):
    images = greys()
    expected = [ndimage.gaussian_filter(i, sigma, mode="nearest", truncate=4) for i in images]
    assert through(gaussian, images, sigma) == pytest.approx(np.stack(expected), abs=1e-5)


def test_the_laplacian_is_scipys_in_size_its_strongest_edge_one():
    images = greys()
    expected = np.abs([ndimage.laplace(image, mode="nearest") for image in images])
    expected /= expected.max((1, 2), keepdims=True)
    assert through(laplacian, images) == pytest.approx(expected, abs=1e-5)


def test_the_hessian_filter_is_the_larger_eigenvalue_in_size():
    [image] = greys(count=1)
    smooth = np.pad(ndimage.gaussian_filter(image, 1, mode="nearest", truncate=4), 1, mode="edge")
    matrices = np.zeros((20, 20, 2, 2))
    for (y, x), _ in np.ndenumerate(image):
        near = smooth[y : y + 3, x : x + 3]
        down, across = (n[0] - 2 * n[1] + n[2] for n in (near[:, 1], near[1]))
        mixed = (near[0, 0] + near[2, 2] - near[0, 2] - near[2, 0]) / 4
        matrices[y, x] = [[down, mixed], [mixed, across]]
    largest = np.abs(np.linalg.eigvalsh(matrices)).max(-1)
    found = through(hessian, image[None], 1.0)[0]
    assert found == pytest.approx(largest / largest.max(), abs=1e-4)


def test_the_bilateral_filter_weighs_what_is_near_and_alike():
    [image] = greys(side=9, count=1)
    expected = np.zeros_like(image)
    for (y, x), grey in np.ndenumerate(image):
        near = np.pad(image, 2, mode="edge")[y : y + 5, x : x + 5]
        away = np.hypot(*np.mgrid[-2:3, -2:3])
        weights = np.exp(-(away**2) / 2 - (near - grey) ** 2 / (2 * 0.2**2))
        expected[y, x] = (weights * near).sum() / weights.sum()
    assert through(bilateral, image[None], 1.0, 0.2)[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_the_bilateral_filter_of_all_greys_is_a_gaussian(sigma):
    images = greys()
    expected = [ndimage.gaussian_filter(i, sigma, mode="nearest", truncate=2) for i in images]
    assert through(bilateral, images, sigma, 1e3) == pytest.approx(np.stack(expected), abs=1e-5)


def test_the_bilateral_filter_keeps_an_edge_that_the_gaussian_blurs():
    step = np.repeat([[0.2] * 10 + [0.8] * 10], 20, axis=0).astype(np.float32)[None]
    assert through(bilateral, step, 1.0, 0.05) == pytest.approx(step, abs=1e-4)
    assert np.abs(through(gaussian, step, 1.0) - step).max() > 0.1


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("side", [1, 3, 17])
def test_flat_images_of_any_side_stay_flat_and_have_no_edges(how, side):
    flat = torch.full((3, 1, side, side), 0.7)
    expected = torch.zeros_like(flat) if how in ("laplacian", "hessian") else flat
    assert torch.allclose(enhanced(flat, how, 1.0, 0.1), expected, atol=1e-4)


def test_views_are_enhanced_before_they_are_resized():
    pixels = (greys(16) * 255).astype(np.uint8)
    images = ImageSet(pixels, "images")
    prepare = views(FILTERS, side=8, sigma=1.0, contrast=0.1, device="cpu")
    made = prepare(images)
    assert made.shape == (2, 4, 8, 8)
    full = laplacian(images.tensor())
    resized = torch.nn.functional.interpolate(full, (8, 8), mode="bilinear", antialias=True)
    assert torch.equal(made[:, [1]], resized)
    assert (made >= 0).all()
    assert (made <= 1).all()


def test_the_original_can_be_a_view():
    images = ImageSet((greys(8) * 255).astype(np.uint8), "images")
    prepare = views(("original",), side=8, sigma=1.0, contrast=0.1, device="cpu")
    assert torch.equal(prepare(images), images.tensor())
