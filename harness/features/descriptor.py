"""The network of SSCD behind the preprocessing that its authors advise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from torchvision.models import resnet50

from harness.features.extractor import POOL

WIDTH = 512  # of a descriptor
POWER = 3.0  # of the generalised mean over the positions
SIDE = 288  # pixels
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class GeneralisedMean(nn.Module):
    """Mean of the third powers over all positions, and its root."""

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, C, H, W) into (B, C, 1, 1)."""
        return maps.clamp(min=1e-6).pow(POWER).mean((2, 3), keepdim=True).pow(1 / POWER)


class DescriptorExtractor:
    """A ResNet-50 with generalised mean pooling and a linear head, scaled to unit length."""

    preprocessing = (
        f"to {SIDE} x {SIDE} (bilinear, antialiased), grey to 3 channels, mean {MEAN}, "
        f"std {DEVIATION}"
    )
    layers: tuple[str, ...] = (POOL,)
    independent = False  # kernels differ with the size of a batch
    footprint = 256 * SIDE**2

    def __init__(self, tensors: Mapping[str, Tensor], device: str, precision: str) -> None:
        """Load published weights strictly.

        Args:
            tensors: every tensor of the network, by its name in torchvision's ResNet-50.
            device: where it computes.
            precision: ``fp32`` or ``bf16``.

        Raises:
            RuntimeError: a tensor is missing, too many, or of another shape.
        """
        network = resnet50(num_classes=WIDTH)
        network.load_state_dict(tensors)
        network.avgpool = GeneralisedMean()
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)
        self.precision, self.device = precision, torch.device(device)
        self.mean, self.deviation = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, DEVIATION)
        )

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, layers: Sequence[str] = (POOL,)) -> list[Tensor]:
        """Turn (B, H, W) uint8 into (B, 512) descriptors of unit length, float32."""
        grey = pixels.unsqueeze(1).float() / 255
        grey = interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True)
        images = ((grey - self.mean) / self.deviation).to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found = self.network(images)
        return [normalize(found.float()) for _ in layers]
