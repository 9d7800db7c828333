"""What happens in a step of training: as the paper describes it, and as the released code does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench_moco_moe.contrast import Contrast, LowestLoss, hybrid_loss
from bench_moco_moe.encoders import Mixture
from bench_moco_moe.pairing import Views, draw
from harness.method import ImageSet

ENTROPY = 0.1  # weight of the gate's entropy in the released code; the paper has no such term


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a course learns from.

    Attributes:
        generated: the anchors.
        used: reals that may be positives.
        not_used: reals that are negatives.
        pools: (generated, used) bool, which used reals may be drawn for each anchor; ``None`` where
            the course draws none.
        views: how images are seen.
    """

    generated: ImageSet
    used: ImageSet
    not_used: ImageSet
    pools: torch.Tensor | None
    views: Views

    def negatives(self, anchors: int, each: int) -> torch.Tensor:
        """Return augmented not-used reals, ``each`` different ones for every anchor."""
        everyone = torch.ones(anchors, len(self.not_used), dtype=torch.bool)
        return self.views.augmented(self.not_used[draw(everyone, each).flatten().numpy()])


class Described:
    """A step as the paper describes it, on the ground of MoCo v2.

    Every anchor has ``positives`` used reals; the loss is averaged over them, and their keys enter
    the queue. The batch's not-used reals join the queue's keys as negatives of every anchor.
    """

    def __init__(
        self, contrast: Contrast, material: Material, *, positives: int, negatives: int,
        alpha: float, steps: int,
    ) -> None:  # fmt: skip
        """Prepare the course.

        Args:
            contrast: what is trained.
            material: what it learns from.
            positives: used reals drawn for an anchor.
            negatives: not-used reals drawn for an anchor.
            alpha: weight of the part of the loss whose gradient reaches the temperatures.
            steps: of one epoch.
        """
        self.contrast, self.material = contrast, material
        self.positives, self.negatives, self.alpha = positives, negatives, alpha
        self.steps = steps

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All whose state changes in the course."""
        return {"contrast": self.contrast}

    @property
    def tested(self) -> nn.Module:
        """The encoder that answers the questions: the online one, as in MoCo."""
        return self.contrast.online

    def loss_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of the anchors at (B,) ``rows``."""
        material = self.material
        assert material.pools is not None
        drawn = draw(material.pools[rows], self.positives)
        anchors = material.views.augmented(material.generated[rows.numpy()])
        friends = material.views.augmented(material.used[drawn.flatten().numpy()])
        strangers = material.negatives(len(rows), self.negatives)
        queries, temperatures = self.query(anchors)
        self.keys = self.key(friends)
        return hybrid_loss(
            queries,
            self.keys.view(*drawn.shape, -1),
            self.against(self.key(strangers)),
            temperatures,
            self.alpha,
        )

    def after(self) -> None:
        """Let the follower follow, and the queue take in the keys."""
        self.contrast.follow()
        self.contrast.queue.push(self.keys)

    def query(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, 256) unit vectors of the online encoder and (B,) temperatures."""
        projected, temperatures = self.contrast.online(images)
        return functional.normalize(projected.float()), temperatures

    @torch.no_grad()
    def key(self, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 256) unit vectors of the follower."""
        return self.embed(self.contrast.follower, images)

    def against(self, strangers: torch.Tensor) -> torch.Tensor:
        """Return the negatives of all anchors: the queue's keys and those of not-used reals."""
        return torch.cat([self.contrast.queue.keys, strangers])

    @staticmethod
    def embed(encoder: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 256) unit vectors of images as they are compared in the end."""
        return functional.normalize(encoder(images)[0].float())


class Coded(Described):
    """A step as the released code does it (zhangdt123/image).

    The positive is the follower's key of the very tensor that the query is of; reals that were
    loaded as positives are not used. The keys of not-used reals are appended to a full queue and
    cut off again, so that they leave a trace only in the follower's batch statistics. One
    temperature, the batch's mean, serves all. The follower answers the questions.
    """

    @property
    def tested(self) -> nn.Module:
        """The encoder that answers the questions."""
        return self.contrast.follower

    def loss_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of the anchors at (B,) ``rows``."""
        material = self.material
        anchors = material.views.augmented(material.generated[rows.numpy()])
        strangers = material.negatives(len(rows), self.negatives)
        queries, temperatures = self.query(anchors)
        self.keys = self.key(anchors)
        return hybrid_loss(
            queries,
            self.keys.unsqueeze(1),
            self.against(self.key(strangers)),
            temperatures.mean().expand(len(rows)),
            self.alpha,
        )

    def against(self, strangers: torch.Tensor) -> torch.Tensor:
        """Return the negatives that are left when the full queue has taken all places."""
        return super().against(strangers)[: len(self.contrast.queue.keys)]


class CodedSingle(Coded):
    """A step of the released single encoders (``train2.py`` and its like).

    The follower answers as it was after the epoch of the lowest loss.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kept = LowestLoss(self.contrast.follower)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All whose state changes in the course."""
        return {**super().networks, "kept": self.kept}

    @property
    def tested(self) -> nn.Module:
        """The encoder that answers the questions."""
        return self.kept.encoder

    def loss_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of the anchors at (B,) ``rows``."""
        self.loss = super().loss_of(rows)
        return self.loss

    def after(self) -> None:
        """Also note the loss, at an epoch's end with the follower."""
        super().after()
        self.kept.note(self.loss.detach(), self.contrast.follower, self.steps)


class CodedMixture(Coded):
    """A step of the released mixture of experts (``tran31.py``).

    The query is not normalised; the follower skips attention and the normalisation of experts; the
    entropy of the gate is in the loss.
    """

    def query(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, 256) projections of any length and (B,) temperatures."""
        online = self.contrast.online
        assert isinstance(online, Mixture)
        fused, weights = online.attend(functional.normalize(online.experts(images), dim=2))
        self.entropy = torch.special.entr(weights.float()).sum(1).mean()
        projected, temperatures = online.projection(functional.normalize(fused))
        return projected.float(), temperatures

    def loss_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of the anchors at (B,) ``rows``, with the entropy of the gate."""
        loss: torch.Tensor = super().loss_of(rows) + ENTROPY * self.entropy
        return loss

    @staticmethod
    def embed(encoder: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 256) unit vectors of images as they are compared in the end."""
        assert isinstance(encoder, Mixture)
        return functional.normalize(encoder.bare(images).float())
