"""SCOPE VIT Visioneers' system: a Siamese network with cross-attention scores pairs of images.

A real image is paired with the generated images that are nearest to it; the network, trained on
the labelled training reals, scores each pair; the best pairs give the score of the real image.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator
from torch import nn

from bench_siamese_attention.network import Positions, SiameseNetwork
from bench_siamese_attention.pairs import Pairs, Read
from harness.learning import train
from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import Rows, best_kappa_threshold, out_of_fold

OPEN = (
    "only the overview of the task was at hand: what it leaves open is chosen here, namely the "
    "pairing, the loss, sizes and training, the aggregation over the pool and the threshold"
)
POOL = (
    "the training reals are paired with the questions' pool and not with the training part's, so "
    "that what is learnt and the threshold hold for the pool that the questions meet"
)
FROZEN = (
    "the backbone is frozen: the overview does not say whether it was trained, and the labelled "
    "images are few for its weights"
)


class SiameseAttention(Method):
    """Siamese ResNet-50 with cross-attention between a real and its nearest generated images."""

    name = "siamese-resnet50"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    reference = Reference(
        paper="Areeb, Vashist and Kalinathan, Controlling the Quality of Synthetic Medical Images "
        "Created via GANs, CLEF 2025 Working Notes; as the overview describes it, CEUR-WS Vol-4038 "
        "paper 169",
        runs=("1160",),
    )
    deviations = (OPEN, POOL, FROZEN)
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "layer": "stage5:tokens",  # before the last 1x1 convolution: a quarter of the channels
        "width": 32,
        "heads": 4,
        "candidates": 5,
        "epochs": 6,
        "rate": 1e-3,
        "folds": 3,
    }

    backbone: str = Field("resnet50.tv_in1k", description="encoder of both twins")
    layer: str = Field(
        "tokens", pattern="tokens$", description="feature maps of the frozen backbone"
    )
    fine_tune: bool = Field(False, description="train the encoder too")
    side: int | None = Field(
        None, ge=32, description="side in pixels when fine-tuned; none: that of the weights"
    )
    width: int = Field(256, ge=1, description="channels of the attention")
    heads: int = Field(8, ge=1, description="heads of the attention; they divide the width")
    dropout: float = Field(0.1, ge=0, lt=1, description="in attention and perceptron")
    candidates: int = Field(
        10, ge=1, description="nearest generated images, by cosine, that a real is paired with"
    )
    best: int = Field(3, ge=1, description="best pairs of a real whose scores are averaged")
    batch: int = Field(16, ge=1, description="reals a step; each in one near and one random pair")
    epochs: int = Field(30, ge=1, description="passes over the training reals")
    rate: float = Field(3e-4, gt=0, description="learning rate of AdamW")
    backbone_rate: float = Field(1e-5, gt=0, description="that of the encoder when fine-tuned")
    decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    folds: int = Field(5, ge=2, description="of the training reals, by patient, for the threshold")

    @field_validator("heads")
    @classmethod
    def _divide(cls, heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width", heads)
        if width % heads:
            raise ValueError(f"must divide the width, {width}")
        return heads

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part: its reals are paired with the pool that the questions meet."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Learn from pairs of the training reals, then score the questions by their best pairs."""
        reals = self._training.reals
        used = reals.labels
        known = self._pairs(reals.sets, questions.generated, tools)
        fold = count(1)

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float32]:
            what = f"fold {next(fold)}"
            network = self._learn(known.of(learnt), used[learnt], what, tools)
            return known.of(held).scores(network, self.best)

        held_out = out_of_fold(
            used, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log
        )
        network = self._learn(known, used, "all training reals", tools)
        asked = self._pairs([questions.unknown], questions.generated, tools)
        scores = asked.scores(network, self.best)
        labels = scores > best_kappa_threshold(held_out, used)
        return Prediction(scores, labels.astype(int))

    def _pairs(self, reals: Sequence[ImageSet], pool: ImageSet, tools: Tools) -> Pairs:
        """Pair every real image with its nearest generated ones, by pooled frozen features."""
        asked, read_reals = self._images(reals, tools)
        offered, read_pool = self._images([pool], tools)
        k = min(self.candidates, len(pool))
        _, near = tools.neighbours(asked, offered, "cosine", k)
        rows = torch.arange(len(asked))
        return Pairs(read_reals, read_pool, len(pool), rows, torch.from_numpy(near))

    def _images(self, sets: Sequence[ImageSet], tools: Tools) -> tuple[NDArray[Any], Read]:
        """Return the images' pooled features, and what reads them as the encoder takes them.

        It takes grey images if it is trained, else the maps of the frozen backbone.
        """
        layers = ("pool",) if self.fine_tune else ("pool", self.layer)
        pooled, *maps = (
            _joined(parts)
            for parts in zip(
                *(tools.features(images, self.backbone, layers) for images in sets), strict=True
            )
        )
        if maps:
            return pooled, lambda rows: torch.from_numpy(maps[0][rows.numpy()]).to(tools.device)
        side = self.side or tools.network(self.backbone).side
        whole = ImageSet(_joined([images.pixels for images in sets]), "images")
        return pooled, lambda rows: whole[rows.numpy()].tensor(side, device=tools.device)

    def _learn(
        self, pairs: Pairs, used: NDArray[np.int64], what: str, tools: Tools
    ) -> SiameseNetwork:
        """Return a network trained on the pairs of real images, given (N,) which were used."""
        torch.manual_seed(tools.seed)  # so that no training depends on those before it
        network = self._network(pairs, tools).to(tools.device)
        encoder = list(network.encoder.parameters())
        behind = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
        optimiser = torch.optim.AdamW(
            [{"params": behind, "lr": self.rate}, {"params": encoder, "lr": self.backbone_rate}],
            weight_decay=self.decay,
        )
        labels = torch.from_numpy(used).float()
        train(
            lambda batch: pairs.loss(network, labels, batch),
            images=len(labels),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            networks={"siamese": network},
            tools=tools,
            what=f"siamese network, {what}",
        )
        return network

    def _network(self, pairs: Pairs, tools: Tools) -> SiameseNetwork:
        encoder: nn.Module
        if self.fine_tune:
            backbone = tools.network(self.backbone)
            encoder, channels = Positions(backbone), backbone.width
        else:
            encoder, channels = nn.Identity(), pairs.reals(pairs.rows[:1]).shape[2]
        return SiameseNetwork(encoder, channels, self.width, self.heads, self.dropout)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts as one array; a single one stays memory-mapped."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the headline with ResNet-50, the other backbones of the paper, and fine-tuning."""
    others = {
        "siamese-densenet161": ("DenseNet-161", "densenet161.tv_in1k"),
        "siamese-efficientnet-b2": ("EfficientNet-B2", "efficientnet_b2.ra_in1k"),
        "siamese-vit": ("ViT-B/16", "vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    }
    paper = Reference(paper=SiameseAttention.reference.paper)  # run 1160 is ResNet-50 alone
    variants = [
        SiameseAttention.variant(
            name,
            f"The Siamese network with {words} in the place of ResNet-50.",
            reference=paper,
            demo=SiameseAttention.demo,  # the demo budget has one backbone for all
            backbone=backbone,
        )
        for name, (words, backbone) in others.items()
    ]
    return [SiameseAttention, *variants]
