"""Stage two: gated fusion of depths, attention between the images of a pair, a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

CONTRASTED = 128  # length of the embedding that the contrastive loss sees, as usual for it


class Judgement(NamedTuple):
    """What the network says of B pairs.

    Attributes:
        logits: (B,), large when the generated image may come from the real one.
        similarity: (B,) attention-weighted cosine, -1 to 1.
        embedding: (B, 128) of length 1, for the contrastive loss.
    """

    logits: Tensor
    similarity: Tensor
    embedding: Tensor


class GatedFusion(nn.Module):
    """Maps of several depths as one, mixed at every position by weights that depend on them."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """Take the channels of each depth, and those of the fused map."""
        super().__init__()
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(depth), nn.Linear(depth, width)) for depth in channels
        )
        self.gate = nn.Linear(len(channels) * width, len(channels))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Turn (B, T, D) maps of each depth into one map (B, T, width)."""
        depths = torch.stack(
            [reduce(depth) for reduce, depth in zip(self.reduce, maps, strict=True)], 3
        )
        weights = self.gate(depths.flatten(2)).softmax(2)
        fused: Tensor = depths @ weights.unsqueeze(3)
        return fused.squeeze(3)


class HybridAttentionNetwork(nn.Module):
    """Scores a pair of a real and a generated image by their token maps."""

    def __init__(
        self,
        channels: Sequence[int],
        side: int,
        width: int,
        *,
        heads: int,
        dropout: float,
        temperatures: tuple[float, float],
    ) -> None:
        """Build it with fresh weights.

        Args:
            channels: of the maps at each depth.
            side: of the grid of positions.
            width: channels of the fused maps.
            heads: of the attention; they divide ``width``.
            dropout: share that is dropped in the attention and in the perceptron.
            temperatures: the least and the largest that a pair's logit may be divided by.
        """
        super().__init__()
        self.fusion = GatedFusion(channels, width)
        self.rows = nn.Parameter(0.02 * torch.randn(side, 1, width))
        self.columns = nn.Parameter(0.02 * torch.randn(1, side, width))
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.after_attention = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.after_perceptron = nn.LayerNorm(width)
        self.contrasted = nn.Linear(width, CONTRASTED)
        self.decision = nn.Linear(width + 1, 1)
        self.warmth = nn.Linear(width + 1, 1)
        self.temperatures = temperatures

    def maps(self, depths: Sequence[Tensor]) -> Tensor:
        """Return the fused map (B, T, width) of one side's images."""
        fused: Tensor = self.fusion(depths)
        return fused

    def forward(self, real: Tensor, generated: Tensor) -> Judgement:
        """Judge B pairs, given the fused maps (B, T, width) of both sides."""
        place = (self.rows + self.columns).flatten(0, 1)
        found, weights = self.attention(real + place, generated + place, generated)
        cosines = normalize(real, dim=2) @ normalize(generated, dim=2).mT
        similarity = (weights * cosines).sum(2).mean(1)
        joined = self.after_attention(real + found)
        joined = self.after_perceptron(joined + self.perceptron(joined)).mean(1)
        evidence = torch.cat([joined, similarity.unsqueeze(1)], 1)
        low, high = self.temperatures
        temperature = low + (high - low) * self.warmth(evidence).sigmoid()
        logits = (self.decision(evidence) / temperature).squeeze(1)
        return Judgement(logits, similarity, normalize(self.contrasted(joined), dim=1))


def contrast(embedding: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of a batch (Khosla et al., 2020, equation 2).

    Args:
        embedding: (B, D) of length 1.
        classes: (B,); rows of one class are positives of each other.
        temperature: that cosines are divided by.

    Returns:
        The mean over the rows that have a positive; 0 if there is none.
    """
    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    positive = ((classes[:, None] == classes) & ~itself).float()
    with_one = positive.sum(1) > 0
    if not with_one.any():
        return embedding.sum() * 0
    cosines = (embedding.float() @ embedding.float().mT) / temperature
    wanted = positive / positive.sum(1, keepdim=True).clamp_min(1)
    cosines = cosines.masked_fill(itself, torch.finfo(cosines.dtype).min)
    return cross_entropy(cosines[with_one], wanted[with_one])
