"""Medhastra's system: a ResNet-18 that learns the subsets from their real images alone."""

from copy import deepcopy
from typing import Literal

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from bench_subset_classifier.known import at_most
from bench_subset_classifier.network import SubsetNetwork, mirrored, plain
from harness.learning import apply, train
from harness.method import (
    Access,
    Field,
    Labelled,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)

OPEN = (
    "only the overview of the task was at hand: optimiser, rate, batch, epochs and augmentation "
    "are chosen here"
)
NO_SIMILARITY = (
    "the 512 features behind the classifier, which the overview says were also used to measure "
    "similarity, take no part: it does not say how they would"
)


class BestEpoch(nn.Module):
    """Keeps a network as it was after the best epoch, and of equally good ones the last."""

    right: Tensor
    steps: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network)
        self.register_buffer("right", torch.tensor(-1))
        self.register_buffer("steps", torch.tensor(0))

    def ends_epoch(self, length: int) -> bool:
        """Count a step, and tell whether it is the last of an epoch of ``length`` steps."""
        self.steps += 1
        return int(self.steps) % length == 0

    def note(self, right: int, network: nn.Module) -> None:
        """Take the network over, unless an earlier epoch got more images right."""
        if right >= int(self.right):
            self.right.fill_(right)
            self.network.load_state_dict(network.state_dict())


class SubsetResNet18Reals(Method):
    """ResNet-18 fine-tuned on the real images of the subsets, validated on generated ones."""

    name = "subset-resnet18-reals"
    task = Task.ATTRIBUTION
    access = frozenset({Access.LABELS, Access.POOL})
    trains = True
    headline = False
    reference = Reference(
        paper="Chandrasekar et al. 2025 (on the subsets), CEUR-WS Vol-4038; as the overview "
        "describes it, paper 169",
        runs=("1287",),
    )
    deviations = (
        OPEN,
        NO_SIMILARITY,
        "the validation on generated images is taken to choose the epoch",
    )
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "per_class": 40,
        "side": 32,
        "epochs": 5,
        "batch": 16,
        "rate": 1e-3,
    }

    backbone: str = Field("resnet18.tv_in1k", description="network that is fine-tuned")
    keep: Literal["best", "last"] = Field(
        "best", description="epoch that answers: best on the generated images, or the last"
    )
    per_class: int | None = Field(
        None, ge=1, description="images of each class, at most, to learn and to validate; none: all"
    )
    side: int = Field(224, ge=32, description="of the images, in pixels")
    epochs: int = Field(20, ge=1, description="passes over the real images")
    batch: int = Field(32, ge=1, description="images a step")
    rate: float = Field(1e-4, gt=0, description="learning rate of Adam")
    flips: float = Field(0.5, ge=0, le=1, description="share of images mirrored while learning")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train on the real images; keep the epoch that does best on the generated ones."""
        network = SubsetNetwork(tools.network(self.backbone), tools.classes).to(tools.device)
        reals = at_most(training.real_by_class, self.per_class, tools.seed)
        images, prepare = reals.together(), mirrored(self.side, self.flips, tools)
        labels = torch.from_numpy(reals.labels).to(tools.device)
        best = BestEpoch(network)
        checked = None
        if self.keep == "best":
            checked = at_most(training.generated_by_class, self.per_class, tools.seed)

        def loss_of(rows: Tensor) -> Tensor:
            return cross_entropy(
                network(prepare(images[rows.numpy()])), labels[rows.to(labels.device)]
            )

        def validate() -> None:
            if checked is not None and best.ends_epoch(max(1, len(images) // self.batch)):
                best.note(self._right(network, checked, tools), network)

        train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(network.parameters(), lr=self.rate),
            networks={"classifier": network, "best": best},
            tools=tools,
            what="classifier of real images",
            after=validate,
        )
        self._network = network if checked is None else best.network
        if checked is not None:
            tools.log(f"best epoch: {int(best.right)} of {len(checked)} generated images right")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the log probability of each subset."""
        logits = apply(
            self._network,
            questions.generated,
            prepare=plain(self.side, tools),
            tools=tools,
            what="questions",
        )
        scores = log_softmax(logits.astype(np.float64), axis=1)
        return Prediction(scores, scores.argmax(1))

    def _right(self, network: nn.Module, checked: Labelled, tools: Tools) -> int:
        """Return how many generated images of known origin the network gets right."""
        network.eval()
        logits = checked.gather(
            lambda images: apply(
                network, images, prepare=plain(self.side, tools), tools=tools, what="validation"
            )
        )
        network.train()
        return int((logits.argmax(1) == checked.labels).sum())
