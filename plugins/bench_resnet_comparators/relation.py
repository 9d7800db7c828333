"""The first run: a relation network on pairs of a real and a generated image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from bench_resnet_comparators.common import drawn, reference
from bench_resnet_comparators.network import RelationNetwork
from harness.learning import apply, train
from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Task,
    Tools,
    Training,
)

LOSS = (
    "the loss is the binary cross-entropy of a sigmoid; the published code applies a softmax to "
    "the one score of each pair"
)
UNKNOWN = (
    "the paper was not at hand: epochs, pooling and the threshold of 0.5 are those of the "
    "published code, and its reals have 500 generated images each"
)
PRETRAINED = "the encoders start from ImageNet weights; those of the published code are random"


class RelationNetworkMethod(Method):
    """Mean score of a question's pairs with generated images by a trained relation network."""

    name = "relation-network"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    reference = reference("603110-1")
    deviations = (LOSS, PRETRAINED, UNKNOWN)
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "side": 64,
        "width": 32,
        "partners": 4,
        "asked": 100,
        "epochs": 1,
        "batch": 32,
        "rate": 1e-3,
    }

    backbone: str = Field("resnet101.tv_in1k", description="what both encoders start from")
    side: int | None = Field(
        None, ge=32, description="side in pixels at most that is seen; none: images as they are"
    )
    width: int | None = Field(
        None, ge=1, description="channels behind the encoders; none: as many as those have"
    )
    partners: int = Field(500, ge=1, description="generated images each real is learnt with")
    asked: int | None = Field(
        None, ge=1, description="generated images each question is paired with; none: all"
    )
    loss: Literal["sigmoid", "softmax"] = Field(
        "sigmoid", description="a pair on its own, or the softmax over a batch of pairs"
    )
    epochs: int = Field(100, ge=1, description="passes over all pairs")
    batch: int = Field(8, ge=2, description="pairs a step")
    rate: float = Field(1e-5, gt=0, description="learning rate of SGD")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    decay: float = Field(5e-4, ge=0, description="weight decay")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train on pairs of every training real with some generated images."""
        real, generated = tools.network(self.backbone), tools.network(self.backbone)
        self._network = RelationNetwork(real, generated, self.width).to(tools.device)
        reals, prepare = training.reals, self._prepare(tools)
        rows = drawn(self.partners, len(training.generated), tools.seed)
        images, partners = reals.together(), training.generated[rows]
        used = torch.from_numpy(reals.labels).float().to(tools.device)
        network, loss = self._network, _listwise if self.loss == "softmax" else _pairwise

        def loss_of(pairs: Tensor) -> Tensor:
            real, generated = pairs // len(partners), pairs % len(partners)
            logits = network(prepare(images[real.numpy()]), prepare(partners[generated.numpy()]))
            return loss(logits, used[real.to(used.device)])

        train(
            loss_of,
            images=len(images) * len(partners),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=torch.optim.SGD(
                network.parameters(), self.rate, self.momentum, weight_decay=self.decay
            ),
            networks={"relation network": network},
            tools=tools,
            what="relation network",
        )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the mean over all pairs of a question; label by the middle of the scale."""
        network, prepare = self._network, self._prepare(tools)
        contributions = torch.from_numpy(
            apply(
                lambda grey: network.contribution("real", grey),
                questions.unknown,
                prepare=prepare,
                tools=tools,
                what="maps of the questions",
            )
        ).to(tools.device)
        pool = questions.generated
        if self.asked is not None:
            pool = pool[drawn(self.asked, len(pool), tools.seed)]
        scores = apply(
            lambda grey: network.all_scores(contributions, grey),
            pool,
            prepare=prepare,
            tools=tools,
            what="pairs with generated images",
        ).mean(0, dtype=np.float64)
        return Prediction(scores, (scores > 0.5).astype(int))

    def _prepare(self, tools: Tools) -> Callable[[ImageSet], Tensor]:
        def prepare(images: ImageSet) -> Tensor:
            own = images.pixels.shape[1]
            return images.tensor(min(self.side or own, own), device=tools.device)

        return prepare


def _pairwise(logits: Tensor, used: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, used)


def _listwise(logits: Tensor, used: Tensor) -> Tensor:
    """Return what the published code descends: the pairs of a batch compete with each other.

    Its softmax runs over the batch, and cross-entropy applies another to what comes out.
    """
    return cross_entropy(logits.sigmoid().softmax(0), used)
