"""What the three systems of team 603110 share: where they are described, and pooled features."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.method import ImageSet, Reference, Tools

Pooling = Literal["max", "average"]
PAPER = (
    "Bharathi et al., Correlating Biomedical Image Fingerprints between GAN-generated and Real "
    "Images using a ResNet Backbone, CEUR-WS Vol-3497 paper 116"
)
CODE = "https://github.com/Haricharan0311/ImageCLEFmedical-gan-2023"
PREPROCESSING = (
    "preprocessing is that of the weights; the notebooks resize to 224 x 224 and give greys in "
    "[0, 1] to weights of Keras that were trained on greys to 255 without their means"
)
AT_ONCE = 64  # images whose maps are pooled at once


def reference(*runs: str) -> Reference:
    """Return where the systems are described, and which published runs are meant."""
    return Reference(paper=PAPER, url=CODE, runs=runs)


def pooled(images: ImageSet, backbone: str, pooling: Pooling, tools: Tools) -> NDArray[np.float32]:
    """Return (N, D) features: the maximum or the average of each channel over all positions."""
    if pooling == "average":
        return tools.features(images, backbone)
    maps = tools.features(images, backbone, "tokens")
    parts = [maps[start : start + AT_ONCE].max(1) for start in range(0, len(maps), AT_ONCE)]
    return np.concatenate(parts)


def drawn(count: int, of: int, seed: int) -> NDArray[np.intp]:
    """Return the rows of at most ``count`` images, drawn from ``of`` many, in ascending order."""
    if count >= of:
        return np.arange(of)
    return np.sort(np.random.default_rng(seed).choice(of, count, replace=False))
