"""The relation network: two encoders, and a small network that scores a pair of feature maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from harness.network import Backbone

HIDDEN = 8  # units between the last two linear layers


class RelationNetwork(nn.Module):
    """Score of a real and a generated image (Sung et al., 2018): how likely the real was used.

    Each kind of image has an encoder of its own. The maps of both are concatenated and pass two
    convolutions with batch norm and pooling, to 5 x 5 and to 1 x 1, and two linear layers.
    """

    def __init__(self, real: Backbone, generated: Backbone, width: int | None) -> None:
        """Build everything behind the encoders with fresh weights.

        Args:
            real: encoder of the real images; changed by training.
            generated: encoder of the generated images, of the same architecture.
            width: channels of the convolutions; ``None`` for those of the encoders.
        """
        super().__init__()
        self.encoders = nn.ModuleDict({"real": real, "generated": generated})
        channels = int(real.body.num_features)
        width = width or channels
        self.joint = nn.Conv2d(2 * channels, width, 3, padding=1)
        # A momentum of 1 keeps the moments of the last batch alone, as Sung et al. have it.
        self.first = nn.Sequential(
            nn.BatchNorm2d(width, momentum=1), nn.ReLU(), nn.AdaptiveMaxPool2d(5)
        )
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3),
            nn.BatchNorm2d(width, momentum=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def contribution(self, kind: str, grey: Tensor) -> Tensor:
        """Return (B, width, h, w): what one kind of image adds to the first convolution.

        The convolution of concatenated maps is the sum of those of either half. So the maps of an
        image that is in many pairs are made once.

        Args:
            kind: ``real`` or ``generated``.
            grey: (B, 1, S, S) in [0, 1].
        """
        encoder: Backbone = self.encoders[kind]  # type: ignore[assignment]
        maps = encoder.body.forward_features(encoder.normalised(grey))
        channels = maps.shape[1]
        if kind == "real":
            return conv2d(maps, self.joint.weight[:, :channels], self.joint.bias, padding=1)
        return conv2d(maps, self.joint.weight[:, channels:], None, padding=1)

    def related(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the logits (B,) of pairs, given both contributions, (B, width, h, w)."""
        logits: Tensor = self.head(self.second(self.first(real + generated)))
        return logits.squeeze(1)

    def forward(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the logits (B,) of pairs of (B, 1, S, S) greys in [0, 1]."""
        return self.related(
            self.contribution("real", real), self.contribution("generated", generated)
        )

    def all_scores(self, reals: Tensor, generated: Tensor, at_once: int = 256) -> Tensor:
        """Return (B, N) scores in (0, 1) of every generated image with every real one.

        Args:
            reals: (N, width, h, w) contributions of the real images.
            generated: (B, 1, S, S) greys in [0, 1].
            at_once: pairs that are looked at together.
        """
        rows = []
        for one in torch.split(self.contribution("generated", generated), 1):
            logits = [self.related(some, one) for some in torch.split(reals, at_once)]
            rows.append(torch.cat(logits).sigmoid())
        return torch.stack(rows)
