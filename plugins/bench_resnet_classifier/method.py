"""Team Challengers' third system: a ResNet50V2 that tells used from not-used reals by their looks.

It sees no generated image, so it cannot know anything of the generator. What it finds above chance
is a difference between the two kinds of real images, a flaw of the data set.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.learning import Prepare, apply, train_classifier
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
from harness.network import Backbone
from harness.plugins import hookimpl


class Classifier(nn.Module):
    """A backbone with a head of one hidden layer for two classes."""

    def __init__(self, backbone: Backbone, hidden: int, dropout: float) -> None:
        """Put a head with fresh weights on a network as ``tools.network`` returns it.

        Args:
            backbone: turns (B, 1, H, W) greys in [0, 1] into (B, D) pooled features.
            hidden: units of the head's hidden layer.
            dropout: share of them that is dropped while training.
        """
        super().__init__()
        self.backbone = backbone
        self.head = nn.Sequential(
            nn.Linear(backbone.width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 2)
        )

    def forward(self, grey: Tensor) -> Tensor:
        """Turn (B, 1, H, W) greys in [0, 1] into (B, 2) logits of not used and used."""
        logits: Tensor = self.head(self.backbone(grey))
        return logits


class ResNetClassifier(Method):
    """A ResNet50V2 tells used from not-used reals; blind, for it never sees a generated image.

    Whatever it finds above chance is a flaw of the data set and no trace in what was generated.
    """

    name = "resnet-classifier"
    task = Task.MEMBERSHIP
    access = frozenset({Access.LABELS})
    trains = True
    reference = Reference(
        paper="Saravanan et al., Detecting Training Data Usage in Synthetic Images Using Machine "
        "Learning Techniques, CEUR-WS Vol-4038 paper 205; as the overview describes it, CEUR-WS "
        "Vol-4038 paper 169",
        runs=("1811",),
    )
    deviations = (
        "only the overview of the task was at hand; what it leaves open is chosen here, namely "
        "head, image side, optimiser, rates, batch and epochs, and the training without a held-out "
        "part or augmentation",
        "an image is called used at even odds; the overview does not state a threshold",
        "the weights are timm's, trained on ImageNet by a recipe of their own",
    )
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "side": 64,
        "hidden": 64,
        "epochs": 4,
    }

    backbone: str = Field("resnetv2_50.a1h_in1k", description="network that is fine-tuned")
    side: int = Field(224, ge=32, description="pixels of the images' sides")
    hidden: int = Field(256, ge=1, description="units of the head's hidden layer")
    dropout: float = Field(0.5, ge=0, lt=1, description="in the head")
    epochs: int = Field(20, ge=1, description="passes over the training reals")
    batch: int = Field(16, ge=1, description="images a step")
    rate: float = Field(1e-3, gt=0, description="learning rate of Adam for the head")
    backbone_rate: float = Field(1e-4, gt=0, description="that for the network below it")

    def fit(self, training: Training, tools: Tools) -> None:
        """Fine-tune the network on the training reals."""
        network = Classifier(tools.network(self.backbone), self.hidden, self.dropout)
        self._network = network.to(tools.device)
        optimiser = torch.optim.Adam(
            [
                {"params": network.head.parameters(), "lr": self.rate},
                {"params": network.backbone.parameters(), "lr": self.backbone_rate},
            ]
        )
        reals = training.reals
        train_classifier(
            self._network,
            reals.together(),
            reals.labels,
            prepare=self._prepare(tools),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            tools=tools,
            what="classifier",
        )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the log odds of having been used; label by even odds."""
        logits = self._logits(questions.unknown, tools)
        scores = logits[:, 1] - logits[:, 0]
        return Prediction(scores, (scores > 0).astype(int))

    def _logits(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        prepare = self._prepare(tools)
        return apply(self._network, images, prepare=prepare, tools=tools, what="answers")

    def _prepare(self, tools: Tools) -> Prepare:
        return lambda images: images.tensor(self.side, device=tools.device)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the classifier."""
    return [ResNetClassifier]
