"""A pretrained network as a classifier of subsets, and the images that it is given."""

import torch
from torch import Tensor, nn

from harness.learning import Prepare
from harness.method import ImageSet, Tools
from harness.network import Backbone


class SubsetNetwork(nn.Module):
    """A pretrained backbone with a linear layer on its pooled features."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width, classes)

    def forward(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, S, S) greys in [0, 1] into (B, classes) logits."""
        logits: Tensor = self.head(self.backbone(grey))
        return logits


def plain(side: int, tools: Tools) -> Prepare:
    """Return what resizes images to ``side`` pixels, as a question is given."""
    return lambda images: images.tensor(side, device=tools.device)


def mirrored(side: int, share: float, tools: Tools) -> Prepare:
    """Return what resizes images and mirrors a random ``share`` of them left to right."""
    see = plain(side, tools)

    def prepare(images: ImageSet) -> Tensor:
        grey = see(images)
        turned = torch.rand(len(grey)) < share
        return torch.where(turned.view(-1, 1, 1, 1).to(grey.device), grey.flip(3), grey)

    return prepare
