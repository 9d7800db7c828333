"""A normalising flow of affine couplings (Dinh, Sohl-Dickstein, Bengio, RealNVP, ICLR 2017)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from bench_domias.densities import RIDGE, LogDensity, Points
from harness.learning import train
from harness.method import Tools

HIDDEN = 64  # units of both layers of a coupling
COUPLINGS = 8
RATE = 1e-3  # of Adam
BATCH = 64


class Coupling(nn.Module):
    """Scales and shifts half of the coordinates by what the other half says."""

    mask: Tensor

    def __init__(self, width: int, odd: int) -> None:
        """Leave every second coordinate alone, from the first or from the second on."""
        super().__init__()
        self.register_buffer("mask", (torch.arange(width) % 2 == odd).float())
        last = nn.Linear(HIDDEN, 2 * width)
        nn.init.zeros_(last.weight)  # begins as the identity
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            last,
        )

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, D) transformed points and the (N,) logarithm of the volume's change."""
        scale, shift = self.net(points * self.mask).chunk(2, 1)
        scale = torch.tanh(scale) * (1 - self.mask)
        return points * scale.exp() + shift * (1 - self.mask), scale.sum(1)


class Flow(nn.Module):
    """Couplings in a row, down to a standard normal distribution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(width, step % 2) for step in range(COUPLINGS))

    def forward(self, points: Tensor) -> Tensor:
        """Return the (N,) logarithms of the density at (N, D) points."""
        volume = points.new_zeros(len(points))
        for coupling in self.couplings:
            points, change = coupling(points)
            volume = volume + change
        normal = -0.5 * (points.square().sum(1) + points.shape[1] * math.log(2 * math.pi))
        return normal + volume


def flow(points: Points, epochs: int, what: str, tools: Tools) -> LogDensity:
    """Train a flow on points and return its density.

    Every step disturbs its points by a Gaussian of Scott's bandwidth, so that the flow fits what a
    kernel density would smooth and not the single points (noise regularisation; Rothfuss et al.
    2019, arXiv 1907.08982).

    Args:
        points: (N, D).
        epochs: how often every point is seen.
        what: names the training.
        tools: of the cell.
    """
    torch.manual_seed(tools.seed)  # so that no training depends on those before it
    count, width = points.shape
    middle, spread = points.mean(0), np.sqrt(points.var(0) + RIDGE)
    network = Flow(width).to(tools.device).eval()
    known = torch.tensor((points - middle) / spread, dtype=torch.float32, device=tools.device)
    noise = count ** (-1 / (width + 4))

    def loss_of(rows: Tensor) -> Tensor:
        some = known[rows.to(tools.device)]
        loss: Tensor = -network(some + noise * torch.randn_like(some)).mean()
        return loss

    train(
        loss_of,
        images=count,
        batch=BATCH,
        epochs=epochs,
        optimiser=Adam(network.parameters(), lr=RATE),
        networks={"flow": network},
        tools=tools,
        what=what,
    )
    volume = np.log(spread).sum()

    @torch.no_grad()
    def density(rows: Points) -> Points:
        scaled = torch.tensor((rows - middle) / spread, dtype=torch.float32, device=tools.device)
        logs: Points = network(scaled).double().cpu().numpy() - volume
        return logs

    return density
