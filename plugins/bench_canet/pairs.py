"""Pairs of a real image and the generated ones on whose lists it is: learnt from, and judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from bench_canet.augmentation import disturbed
from bench_canet.maps import TokenMaps
from bench_canet.network import HybridAttentionNetwork, contrast
from bench_canet.rule import Verdicts
from harness.method import Tools

AT_ONCE = 32  # reals that are judged with all their partners at a time


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What the network is trained for.

    Attributes:
        weight: of the contrastive loss; that of the cross-entropy is 1.
        temperature: of the contrastive loss.
        masked: share of a map's positions that is masked.
        noise: deviation of the Gabor noise, in those of the maps.
    """

    weight: float
    temperature: float
    masked: float
    noise: float


@dataclass(frozen=True, eq=False)
class Pairs:
    """Real images, each with the generated ones that it is judged with.

    Attributes:
        reals: maps of the real images.
        pool: maps of the generated images.
        rows: (N,) int64, the real images that take part.
        near: (N, K) int64, rows of the generated images for each of these; -1 for none, at the end.
    """

    reals: TokenMaps
    pool: TokenMaps
    rows: Tensor
    near: Tensor

    def of(self, chosen: NDArray[np.intp]) -> Pairs:
        """Return the pairs of some of the real images."""
        return replace(self, rows=self.rows[chosen], near=self.near[chosen])

    @property
    def paired(self) -> NDArray[np.intp]:
        """Which real images have a pair, as numbers from 0 to N - 1."""
        return np.flatnonzero(self.near[:, 0].numpy() >= 0)

    def loss(
        self, network: HybridAttentionNetwork, used: Tensor, objective: Objective, batch: Tensor
    ) -> Tensor:
        """Return the loss of a batch of real images, each in one of its pairs, drawn by torch.

        Args:
            network: what is trained.
            used: (N,) float, 1 for used and 0 for not used.
            objective: the weights of the losses, and how maps are disturbed.
            batch: (B,) int64, real images that have a pair.
        """
        choices = (self.near[batch] >= 0).sum(1)
        drawn = (torch.rand(len(batch)) * choices).long()
        sides = (self.reals, self.rows[batch]), (self.pool, self.near[batch, drawn])
        real, made = (
            network.maps(disturbed(read(rows), read.spreads, objective.masked, objective.noise))
            for read, rows in sides
        )
        judgement = network(real, made)
        classes = used[batch].to(judgement.logits.device)
        decided = binary_cross_entropy_with_logits(judgement.logits, classes)
        apart = contrast(judgement.embedding, classes, objective.temperature)
        return decided + objective.weight * apart

    @torch.inference_mode()
    def judged(self, network: HybridAttentionNetwork, tools: Tools) -> Verdicts:
        """Return what a trained network says of all pairs."""
        verdicts = Verdicts.none(*self.near.shape)
        device, bf16 = torch.device(tools.device), tools.precision == "bf16"
        for start in tools.progress(range(0, len(self.rows), AT_ONCE), "judging pairs"):
            near = self.near[start : start + AT_ONCE]
            real, place = torch.nonzero(near >= 0, as_tuple=True)
            if not len(real):
                continue
            wanted, partner = torch.unique(near[real, place], return_inverse=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                ours = network.maps(self.reals(self.rows[start : start + AT_ONCE]))
                theirs = network.maps(self.pool(wanted))
                judgement = network(ours[real], theirs[partner])
            at = (real.numpy() + start, place.numpy())
            verdicts.similarity[at] = judgement.similarity.float().cpu().numpy()
            verdicts.confidence[at] = judgement.logits.float().sigmoid().cpu().numpy()
        return verdicts
