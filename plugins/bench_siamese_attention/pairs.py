"""Pairs of a real and a generated image: how they are formed, learnt from and scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from bench_siamese_attention.network import SiameseNetwork

Read = Callable[[Tensor], Tensor]  # (B,) row numbers -> what the encoder takes, on the device
READ_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Pairs:
    """Real images, and the generated ones that each may have been a source of.

    Attributes:
        reals: reads real images by their rows.
        pool: reads generated images by their rows.
        pool_size: how many generated images there are.
        rows: (N,) int64, the rows of the real images that take part.
        near: (N, k) int64, for each of these the rows of the nearest generated images.
    """

    reals: Read
    pool: Read
    pool_size: int
    rows: Tensor
    near: Tensor

    def of(self, chosen: NDArray[np.intp]) -> Pairs:
        """Return the pairs of some of the real images."""
        return replace(self, rows=self.rows[chosen], near=self.near[chosen])

    def loss(self, network: SiameseNetwork, used: Tensor, batch: Tensor) -> Tensor:
        """Return the binary cross-entropy of a batch of real images, each in two pairs.

        One pair is with an image that torch's generator draws among the nearest ones; it is
        positive if the real image was used. The other is with any image of the pool, and negative.

        Args:
            network: what is trained.
            used: (N,) float, 1 for used and 0 for not used.
            batch: (B,) int64 in 0..N-1.
        """
        chance = torch.randint(self.near.shape[1], batch.shape)
        anyone = torch.randint(self.pool_size, batch.shape)
        generated = torch.cat([self.near[batch, chance], anyone])
        # One batch, so that a batch norm in the encoder cannot set the two kinds apart.
        inputs = torch.cat([self.reals(self.rows[batch]), self.pool(generated)])
        real, made = network.maps(inputs).tensor_split([len(batch)])
        logits = network(torch.cat([real, real]), made)
        positive = torch.cat([used[batch], torch.zeros(len(batch))])
        return binary_cross_entropy_with_logits(logits, positive.to(logits.device))

    @torch.inference_mode()
    def scores(self, network: SiameseNetwork, best: int) -> NDArray[np.float32]:
        """Return (N,) mean logits of the ``best`` pairs of each real image with its nearest."""
        wanted, place = torch.unique(self.near, return_inverse=True)
        made = torch.cat(
            [
                network.maps(self.pool(wanted[start : start + READ_AT_ONCE]))
                for start in range(0, len(wanted), READ_AT_ONCE)
            ]
        )
        k = self.near.shape[1]
        parts = []
        for start in range(0, len(self.rows), READ_AT_ONCE):
            rows = self.rows[start : start + READ_AT_ONCE]
            real = network.maps(self.reals(rows)).repeat_interleave(k, 0)
            offered = made[place[start : start + READ_AT_ONCE].flatten()]
            logits = network(real, offered).view(len(rows), k)
            parts.append(logits.topk(min(best, k), 1).values.mean(1))
        return torch.cat(parts).cpu().numpy()
