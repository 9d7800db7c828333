"""The 48 handcrafted features of an image: statistics, texture, filters, wavelets, components.

Which they are is what the team's published notebook computes; the paper (section 3.3.2) names
their kinds. Their order is that of the notebook, for a forest with a fixed seed depends on it.
All of them are finite; where one is undefined, on an image of a single grey, its value is said.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (N, H, W)
Columns = NDArray[np.float64]  # (N, number of features)

OFFSETS = {0: (0, 1), 45: (1, 1), 90: (1, 0), 135: (1, -1)}  # degrees: rows down, columns right
FREQUENCIES = (0.1, 0.3, 0.5)  # cycles per pixel
ORIENTATIONS = (0, 45, 90)  # degrees
KERNEL, SIGMA, ASPECT = 21, 4.0, 0.5  # pixels, pixels, width over length of the envelope
LEVELS = 2

FEATURES = (
    "mean", "variance", "skewness", "kurtosis",
    *(f"glcm_{name}_{angle}" for name, angle in product(
        ("contrast", "correlation", "energy", "homogeneity"), OFFSETS
    )),
    *(f"gabor_{name}_{frequency}_{angle}" for frequency, angle, name in product(
        FREQUENCIES, ORIENTATIONS, ("mean", "variance")
    )),
    "wavelet_approximation",
    *(f"wavelet_{name}_{level}" for level, name in product(
        range(LEVELS, 0, -1), ("horizontal", "vertical", "diagonal")
    )),
    "component_count", "component_area_mean", "component_area_deviation",
)  # fmt: skip


def handcrafted(pixels: Pixels) -> Columns:
    """Return the features of (N, H, W) uint8 images as (N, 48), named by ``FEATURES``."""
    kinds = (first_order, texture, gabor, wavelet_energies, components)
    return np.hstack([kind(pixels) for kind in kinds])


def first_order(pixels: Pixels) -> Columns:
    """Return mean, variance, skewness and excess kurtosis, (N, 4); the last two 0 if undefined."""
    grey = pixels.reshape(len(pixels), -1).astype(float)
    mean, deviation = grey.mean(1), grey.std(1)
    varied = deviation > 0
    standard = (grey - mean[:, None]) / np.where(varied, deviation, 1)[:, None]
    skewness, kurtosis = (standard**3).mean(1), (standard**4).mean(1) - 3
    return np.column_stack([mean, deviation**2, skewness, np.where(varied, kurtosis, 0)])


def texture(pixels: Pixels) -> Columns:
    """Return contrast, correlation, energy and homogeneity of four co-occurrence matrices, (N, 16).

    What :func:`skimage.feature.graycoprops` gives for symmetric matrices of 256 levels at distance
    1, but from the pairs of pixels: 256 x 256 matrices of small images are nearly empty. The
    correlation of a single grey is 1, as there.
    """
    angles = [_cooccurrence(*_pairs(pixels, *offset)) for offset in OFFSETS.values()]
    return np.stack(angles, axis=2).reshape(len(pixels), -1)


def _pairs(pixels: Pixels, down: int, right: int) -> tuple[Pixels, Pixels]:
    """Return the greys of all pixels that have a neighbour at the offset, and the neighbours'."""
    height, width = pixels.shape[1:]
    here = pixels[:, : height - down, max(0, -right) : width - max(0, right)]
    there = pixels[:, down:, max(0, right) : width - max(0, -right)]
    return here.reshape(len(pixels), -1), there.reshape(len(pixels), -1)


def _cooccurrence(here: Pixels, there: Pixels) -> Columns:
    first, second = here.astype(np.float64), there.astype(np.float64)
    squares = (first - second) ** 2
    mean = (first.mean(1) + second.mean(1)) / 2
    variance = ((first**2).mean(1) + (second**2).mean(1)) / 2 - mean**2
    covariance = (first * second).mean(1) - mean**2
    varied = variance > 1e-9
    correlation = np.where(varied, covariance / np.where(varied, variance, 1), 1)
    homogeneity = (1 / (1 + squares)).mean(1)
    return np.column_stack([squares.mean(1), correlation, _energy(here, there), homogeneity])


def _energy(here: Pixels, there: Pixels) -> NDArray[np.float64]:
    """Return the norm of the symmetric, normed co-occurrence matrix of each image, (N,)."""
    pair = np.minimum(here, there).astype(np.intp) * 256 + np.maximum(here, there)
    energies = []
    for pairs in pair:
        counts = np.bincount(pairs, minlength=256 * 256)
        alike = counts[::257]  # a pair of equal greys has one cell, any other two
        energies.append(np.sqrt((counts @ counts + alike @ alike) / 2) / len(pairs))
    return np.array(energies)


def gabor(pixels: Pixels) -> Columns:
    """Return mean and variance of the responses to nine Gabor filters, (N, 18).

    Borders are reflected about the outermost pixels.
    """
    from scipy.fft import irfft2, rfft2

    margin = KERNEL // 2
    around = ((0, 0), (margin, margin), (margin, margin))
    padded = np.pad(pixels.astype(float), around, mode="reflect")
    size = padded.shape[1:]
    spectrum = rfft2(padded)
    columns = []
    for frequency, angle in product(FREQUENCIES, ORIENTATIONS):
        kernel = rfft2(gabor_kernel(frequency, np.deg2rad(angle)), size)
        responses = irfft2(spectrum * kernel, size)[:, 2 * margin :, 2 * margin :]
        columns += [responses.mean((1, 2)), responses.var((1, 2))]
    return np.column_stack(columns)


def gabor_kernel(frequency: float, orientation: float) -> NDArray[np.float64]:
    """Return a Gabor filter of phase 0, (21, 21): equation 6 of the paper.

    Args:
        frequency: in cycles per pixel.
        orientation: of the wave, in radians from the axis of the columns.
    """
    y, x = np.mgrid[: float(KERNEL), : float(KERNEL)] - KERNEL // 2
    along = x * np.cos(orientation) + y * np.sin(orientation)
    across = y * np.cos(orientation) - x * np.sin(orientation)
    envelope = np.exp(-(along**2 + (ASPECT * across) ** 2) / (2 * SIGMA**2))
    kernel: NDArray[np.float64] = envelope * np.cos(2 * np.pi * frequency * along)
    return kernel


def wavelet_energies(pixels: Pixels) -> Columns:
    """Return the sum of squares of each subband of a Haar decomposition of two levels, (N, 7).

    Equation 5 of the paper; the approximation first, then details from coarse to fine.
    """
    import pywt

    approximation, *levels = pywt.wavedec2(pixels.astype(float), "db1", level=LEVELS, axes=(1, 2))
    bands = [approximation, *(band for level in levels for band in level)]
    return np.column_stack([(band**2).sum((1, 2)) for band in bands])


def components(pixels: Pixels) -> Columns:
    """Return number, mean area and deviation of the areas of the bright components, (N, 3).

    Bright is what lies above Otsu's threshold; diagonal neighbours are connected; areas in pixels.
    A single grey has no component, and areas of 0.
    """
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    rows = []
    for image in pixels:
        areas = np.bincount(label(image > threshold_otsu(image)).ravel())[1:]
        rows.append((len(areas), areas.mean(), areas.std()) if len(areas) else (0, 0, 0))
    return np.array(rows, float)
