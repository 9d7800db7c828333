"""A pretrained network on this side of the seal, where a method may go on training it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """A backbone's network with its weights, to be trained; :meth:`Tools.network` gives it.

    Attributes:
        body: the timm model without its classifier, on normalised images of three channels.
        side: side length in pixels of the images that its weights were trained on.
        width: length D of a feature.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        path: str | Path,
        architecture: str,
        any_side: bool,
        side: int,
        mean: Sequence[float],
        deviation: Sequence[float],
    ) -> None:
        """Build the network that the feature service has written to ``path``."""
        import timm
        from safetensors.torch import load_file

        super().__init__()
        sizes: dict[str, Any] = {"dynamic_img_size": True} if any_side else {}
        self.body: Any = timm.create_model(architecture, num_classes=0, **sizes)
        self.body.load_state_dict(load_file(path))
        self.side = side
        # A head behind the pooling, as in MobileNetV3, may have a width of its own.
        self.width: Any = getattr(self.body, "head_hidden_size", self.body.num_features)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), False)

    def normalised(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) greys in [0, 1] into what ``body`` takes, (B, 3, H, W)."""
        return (grey - self.mean) / self.deviation

    def forward(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) greys in [0, 1] into (B, D) pooled features."""
        features: Tensor = self.body(self.normalised(grey))
        return features
