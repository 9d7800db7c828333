"""Momentum contrast: the queue of negatives, the momentum encoder, the hybrid loss.

He et al., Momentum Contrast, CVPR 2020; with the temperature and loss of Zhang and Yang (taozi),
CEUR-WS Vol-4038 paper 215, section 3.1.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.nn import functional


class Queue(nn.Module):
    """First in, first out: the latest keys, at first random directions.

    Attributes:
        keys: (K, D) float32 unit vectors.
        oldest: () int64, the row that is replaced next.
    """

    keys: torch.Tensor
    oldest: torch.Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", functional.normalize(torch.randn(size, width)))
        self.register_buffer("oldest", torch.tensor(0))

    @torch.no_grad()
    def push(self, keys: torch.Tensor) -> None:
        """Replace the oldest rows by ``keys``, (B, D); of more than K the latest K stay."""
        size = len(self.keys)
        kept = keys[-size:].float()
        first = self.oldest + len(keys) - len(kept)
        rows = (first + torch.arange(len(kept), device=self.keys.device)) % size
        self.keys[rows] = kept
        self.oldest.copy_((self.oldest + len(keys)) % size)


class Contrast(nn.Module):
    """An encoder, the encoder that follows it slowly, and the queue of the latter's keys."""

    def __init__(self, online: nn.Module, queue: Queue, momentum: float) -> None:
        super().__init__()
        self.online = online
        self.follower = deepcopy(online).requires_grad_(False)
        self.queue = queue
        self.momentum = momentum

    @torch.no_grad()
    def follow(self) -> None:
        """Move the follower's weights: m x its own + (1 - m) x the online ones (equation 1).

        Its batch statistics are its own, as in MoCo: they come from the images that it sees.
        """
        pairs = zip(self.follower.parameters(), self.online.parameters(), strict=True)
        for slow, quick in pairs:
            slow.lerp_(quick, 1 - self.momentum)


class LowestLoss(nn.Module):
    """Keeps an encoder as it was after the epoch whose mean loss was lowest."""

    lowest: torch.Tensor
    losses: torch.Tensor
    steps: torch.Tensor

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = deepcopy(encoder)
        self.register_buffer("lowest", torch.tensor(torch.inf))
        self.register_buffer("losses", torch.tensor(0.0))
        self.register_buffer("steps", torch.tensor(0))

    @torch.no_grad()
    def note(self, loss: torch.Tensor, encoder: nn.Module, epoch: int) -> None:
        """Take in the loss of a step; after every ``epoch`` steps perhaps the encoder."""
        self.losses += loss
        self.steps += 1
        if self.steps % epoch:
            return
        if self.losses < self.lowest:
            self.lowest.copy_(self.losses)
            self.encoder.load_state_dict(encoder.state_dict())
        self.losses.zero_()


def hybrid_loss(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    temperatures: torch.Tensor,
    alpha: float,
) -> torch.Tensor:
    """Return the hybrid contrastive loss (equations 3 to 7), averaged over queries and positives.

    InfoNCE twice: with weight ``alpha`` as it is, and with 1 - ``alpha`` such that no gradient
    reaches the temperatures.

    Args:
        queries: (B, D) float.
        positives: (B, P, D) float, the keys of each query; without gradient.
        negatives: (K, D) float, those of all queries; without gradient.
        temperatures: (B,) float.
        alpha: weight of the first term, in [0, 1].
    """
    with torch.autocast(queries.device.type, enabled=False):
        near = torch.einsum("bd,bpd->bp", queries, positives)
        far = queries @ negatives.T

        def info_nce(temperatures: torch.Tensor) -> torch.Tensor:
            column = temperatures.float()[:, None]
            against = torch.logsumexp(far / column, dim=1, keepdim=True)
            return functional.softplus(against - near / column).mean()

        return alpha * info_nce(temperatures) + (1 - alpha) * info_nce(temperatures.detach())
