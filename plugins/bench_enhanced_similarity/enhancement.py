"""Image enhancement: smoothing that keeps or blurs edges, and maps of edges and of curvature.

Images are (B, 1, H, W) greys in [0, 1], and so is what becomes of them. Borders are continued by
their outermost pixels, so images of any size will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from harness.learning import Prepare
from harness.method import ImageSet

Enhancement = Literal["gaussian", "laplacian", "hessian", "bilateral", "original"]

GREY_LEVEL = 1 / 255  # a response that never reaches it is no structure


def views(
    enhancements: Sequence[Enhancement],
    *,
    side: int,
    sigma: float,
    contrast: float,
    device: str,
) -> Prepare:
    """Return what turns N images into their enhanced views, (N, V, side, side).

    Images are enhanced in the resolution that they have, then resized with antialiasing.

    Args:
        enhancements: one for each of the V views.
        side: of the views in pixels.
        sigma: deviation of all Gaussians over pixels.
        contrast: deviation of the bilateral filter over greys.
        device: where the views are made and stay.
    """

    def prepare(images: ImageSet) -> Tensor:
        greys = images.tensor(device=device)
        made = torch.cat([enhanced(greys, how, sigma, contrast) for how in enhancements], dim=1)
        if made.shape[-2:] == (side, side):
            return made
        return interpolate(made, (side, side), mode="bilinear", antialias=True, align_corners=False)

    return prepare


def enhanced(greys: Tensor, how: Enhancement, sigma: float, contrast: float) -> Tensor:
    """Return the images after one enhancement; see :func:`views` for the deviations."""
    if how == "gaussian":
        return gaussian(greys, sigma)
    if how == "laplacian":
        return laplacian(greys)
    if how == "hessian":
        return hessian(greys, sigma)
    if how == "bilateral":
        return bilateral(greys, sigma, contrast)
    return greys


def gaussian(greys: Tensor, sigma: float) -> Tensor:
    """Return the images under a Gaussian, cut off at four deviations."""
    radius = max(1, round(4 * sigma))
    at = torch.arange(-radius, radius + 1, device=greys.device)
    kernel = torch.exp(-at.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    rows = conv2d(pad(greys, (radius, radius, 0, 0), mode="replicate"), kernel)
    return conv2d(pad(rows, (0, 0, radius, radius), mode="replicate"), kernel.mT)


def laplacian(greys: Tensor) -> Tensor:
    """Return edges: the absolute Laplacian over four neighbours, the strongest edge being 1."""
    down, across, _ = _second_differences(greys)
    return _strongest_at_one((down + across).abs())


def hessian(greys: Tensor, sigma: float) -> Tensor:
    """Return curvature: the larger absolute eigenvalue of the smoothed images' Hessian matrix.

    The strongest curvature of an image is 1.
    """
    down, across, mixed = _second_differences(gaussian(greys, sigma))
    middle = (down + across) / 2
    spread = torch.hypot((down - across) / 2, mixed)
    return _strongest_at_one(middle.abs() + spread)


def bilateral(greys: Tensor, sigma: float, contrast: float) -> Tensor:
    """Return the images smoothed over pixels that are near and alike (Tomasi and Manduchi, 1998).

    The window is cut off at two deviations.
    """
    radius = max(1, round(2 * sigma))
    height, width = greys.shape[-2:]
    padded = pad(greys, (radius,) * 4, mode="replicate")
    total, weights = torch.zeros_like(greys), torch.zeros_like(greys)
    for y in range(2 * radius + 1):
        for x in range(2 * radius + 1):
            near = ((y - radius) ** 2 + (x - radius) ** 2) / (2 * sigma**2)
            other = padded[..., y : y + height, x : x + width]
            weight = torch.exp(-(other - greys).square() / (2 * contrast**2) - near)
            total += weight * other
            weights += weight
    return total / weights


def _second_differences(greys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the second differences down, across and mixed, each of the images' shape."""
    padded = pad(greys, (1, 1, 1, 1), mode="replicate")
    middle = 2 * greys
    down = padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1] - middle
    across = padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] - middle
    falling = padded[..., 2:, 2:] + padded[..., :-2, :-2]
    rising = padded[..., 2:, :-2] + padded[..., :-2, 2:]
    return down, across, (falling - rising) / 4


def _strongest_at_one(response: Tensor) -> Tensor:
    """Return non-negative responses over the largest of each image."""
    return response / response.amax((2, 3), keepdim=True).clamp_min(GREY_LEVEL)
