"""What a loaded backbone does: pixels to features of named layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from harness.errors import BenchError

if TYPE_CHECKING:
    import torch

POOL = "pool"  # the layer that every backbone has: one vector for an image
TOKENS = "tokens"  # the last feature map before pooling, position by position
AS_MAP = f":{TOKENS}"  # ends the name of an inner layer that is wanted position by position


class Extractor(Protocol):
    """A loaded backbone."""

    preprocessing: str  # what happens to the pixels before the network, in words
    precision: str  # "fp32" or "bf16": what it computes in, whatever was asked for
    layers: tuple[str, ...]  # that there are
    independent: bool  # whether an image's features are the same to the bit in any batch
    footprint: int  # bytes that an image takes while it is computed, roughly

    def __call__(self, pixels: torch.Tensor, layers: Sequence[str]) -> list[torch.Tensor]:
        """Turn (B, H, W) uint8 on the device into float32 features of each layer, in one pass.

        A layer gives (B, D); ``tokens`` and names that end in ``:tokens`` give (B, T, D).
        """


def check_layers(backbone: str, extractor: Extractor, layers: Sequence[str]) -> None:
    """Make sure that an extractor has layers.

    Raises:
        BenchError: it lacks one; lists those that there are.
    """
    for layer in layers:
        if layer not in extractor.layers:
            plain = [name for name in extractor.layers if not name.endswith(AS_MAP)]
            maps = [name for name in extractor.layers if name.endswith(AS_MAP)]
            also = f"; position by position {maps[0]} to {maps[-1]}" if maps else ""
            has = f"{', '.join(plain)}{also}"
            raise BenchError(f"backbone {backbone} has no layer {layer!r}; it has: {has}")
