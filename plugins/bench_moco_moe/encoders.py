"""Encoders: a network or three of them, behind a projection head that sets its own temperature."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from harness.network import Backbone

HIDDEN = (1024, 512)  # of the released code; the paper names the ends alone
WIDTH = 256  # of the contrastive space (section 3.2)
COOLEST, RANGE = 0.05, 0.15  # of the temperatures (section 3.2)
GATE, HEADS = 512, 8  # hidden units of the gate and heads of the attention (section 3.3)


class Projection(nn.Module):
    """The dynamic projection head: features to 256 numbers and a temperature (section 3.2).

    Args:
        width: of the features.
        rectified: end in batch normalisation and ReLU, as the released code does, and not in a
            linear layer, as the head of MoCo v2.
        temperature: maps (B, 256) to (B, 1); one linear layer when not given.
    """

    def __init__(
        self, width: int, *, rectified: bool = False, temperature: nn.Module | None = None
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for hidden in HIDDEN:
            layers += _rectified(width, hidden)
            width = hidden
        layers += _rectified(width, WIDTH) if rectified else [nn.Linear(width, WIDTH)]
        self.layers = nn.Sequential(*layers)
        self.temperature = temperature or nn.Linear(WIDTH, 1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn (B, width) features into (B, 256) projections and (B,) temperatures."""
        projected = self.layers(features)
        return projected, COOLEST + RANGE * self.temperature(projected).squeeze(1).sigmoid()


class Single(nn.Module):
    """One network and a projection head."""

    def __init__(self, network: nn.Module, projection: Projection) -> None:
        super().__init__()
        self.network = network
        self.projection = projection

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn (B, 1, S, S) greys into (B, 256) projections and (B,) temperatures."""
        projected: tuple[torch.Tensor, torch.Tensor] = self.projection(self.network(images))
        return projected


class Mixture(nn.Module):
    """Experts of one width, a gate that weighs them, attention among them (section 3.3).

    Args:
        networks: the experts.
        width: to which a linear layer takes every expert that has another.
        projection: head on the fused features.
    """

    def __init__(self, networks: Sequence[Backbone], width: int, projection: Projection) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.unify = nn.ModuleList(
            nn.Identity() if network.width == width else nn.Linear(network.width, width)
            for network in networks
        )
        count = len(networks)
        self.gate = nn.Sequential(
            nn.Linear(count * width, GATE), nn.GELU(), nn.Linear(GATE, count), nn.Softmax(dim=1)
        )
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.projection = projection

    def experts(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the experts see in (B, 1, S, S) greys, (B, experts, width)."""
        seen = [
            unify(network(images)) for network, unify in zip(self.networks, self.unify, strict=True)
        ]
        return torch.stack(seen, dim=1)

    def attend(self, experts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fuse (B, experts, width): (B, width) after attention, and the (B, experts) weights."""
        weights = self.gate(experts.flatten(1))
        attended, _ = self.attention(experts, experts, experts, need_weights=False)
        return (weights.unsqueeze(2) * attended).sum(1), weights

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn (B, 1, S, S) greys into (B, 256) projections and (B,) temperatures."""
        fused, _ = self.attend(functional.normalize(self.experts(images), dim=2))
        projected: tuple[torch.Tensor, torch.Tensor] = self.projection(functional.normalize(fused))
        return projected

    def bare(self, images: torch.Tensor) -> torch.Tensor:
        """Project without attention and from experts of any length, as the released code tests."""
        experts = self.experts(images)
        fused = (self.gate(experts.flatten(1)).unsqueeze(2) * experts).sum(1)
        projected: torch.Tensor = self.projection(functional.normalize(fused))[0]
        return projected


def _rectified(width: int, hidden: int) -> list[nn.Module]:
    return [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
