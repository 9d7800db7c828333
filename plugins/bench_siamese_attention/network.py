"""The network: twin encoders, cross-attention, adaptive similarity, multilayer perceptron."""

import torch
from torch import Tensor, nn

from harness.network import Backbone


class SiameseNetwork(nn.Module):
    """Score of a pair of images: large when the second may stem from the first.

    Both images pass the same encoder, the same reduction and the same attention, so the score of
    (a, b) is that of (b, a).
    """

    def __init__(
        self, encoder: nn.Module, channels: int, width: int, heads: int, dropout: float
    ) -> None:
        """Build everything behind the encoder with fresh weights.

        Args:
            encoder: turns a batch of inputs into feature maps (B, T, channels).
            channels: of the feature maps at each of their T positions.
            width: channels that the attention works on.
            heads: of the attention; they divide ``width``.
            dropout: share that is dropped in the attention and in the perceptron.
        """
        super().__init__()
        self.encoder = encoder
        self.reduce = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )

    def maps(self, inputs: Tensor) -> Tensor:
        """Return the reduced feature maps (B, T, width) of one side's inputs."""
        reduced: Tensor = self.reduce(self.encoder(inputs))
        return reduced

    def forward(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the logits (B,) of B pairs, given the reduced maps (B, T, width) of both sides."""
        one, other = self.guided(real, generated), self.guided(generated, real)
        similarity = torch.cat([(one - other).abs(), one * other], 1)
        logits: Tensor = self.perceptron(similarity)
        return logits.squeeze(1)

    def guided(self, own: Tensor, other: Tensor) -> Tensor:
        """Return (B, width): one side's maps with what they find in the other's, pooled."""
        found, _ = self.attention(own, other, other, need_weights=False)
        mean: Tensor = self.norm(own + found).mean(1)
        return mean


class Positions(nn.Module):
    """A trainable backbone whose feature maps are read before they are pooled."""

    def __init__(self, backbone: Backbone) -> None:
        """Take a network as ``tools.network`` returns it."""
        super().__init__()
        self.backbone = backbone

    def forward(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) grey in [0, 1] into feature maps (B, T, D)."""
        body = self.backbone.body
        last: Tensor = body.forward_features(self.backbone.normalised(grey))
        if last.ndim == 3:  # of a ViT
            return last[:, body.num_prefix_tokens :]
        return last.flatten(2).mT
