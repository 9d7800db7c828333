"""Dar et al.: is the nearest generated image nearer than an unseen real's nearest used one?

A network learns from the used training reals alone to know an image again after it was turned a
little. Copies are pairs whose embeddings correlate more than those of an unseen real and its
nearest used one do in 95 of 100 cases.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torchvision.transforms import v2

from harness.learning import apply, train
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


class ContrastiveCopy(Method):
    """Correlation of contrastive embeddings with the nearest generated image."""

    name = "contrastive-copy"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    headline = False  # about a minute at the demo budget, too long for a short run
    reference = Reference(
        paper=(
            "Dar et al., Unconditional latent diffusion models memorize patient imaging data, "
            "Nature Biomedical Engineering 2025"
        ),
        url="https://arxiv.org/abs/2402.01054",
    )
    deviations = (
        "the paper asks for the training image nearest to each generated one; here every real "
        "image asks for its nearest generated one",
        "reference: the training reals that were not used stand for the paper's validation set, "
        "the used ones for its training set",
        "network, rates, epochs, temperature and turns are those of the published code",
    )
    demo = {"backbone": "tf_efficientnet_lite0", "side": 64, "epochs": 10, "batch": 32}

    backbone: str = Field("resnet50.tv_in1k", description="network that is trained further")
    width: int = Field(128, ge=2, description="numbers in an embedding")
    side: int = Field(512, ge=32, description="pixels of the images' sides")
    epochs: int = Field(200, ge=0, description="passes over the used training reals")
    batch: int = Field(64, ge=1, description="images a step")
    rate: float = Field(1e-4, gt=0, description="learning rate of Adam; falls to its half")
    temperature: float = Field(0.07, gt=0, description="of the contrastive loss")
    degrees: float = Field(5.0, ge=0, description="an image is turned by so many at most")
    percentile: float = Field(
        95.0, ge=0, le=100, description="of correlations among reals, above which one is a copy"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the network on the used reals; learn the threshold from the others."""
        self._training = training
        torch.manual_seed(tools.seed)
        body = tools.network(self.backbone)
        network = nn.Sequential(body, nn.Linear(body.width, self.width)).to(tools.device).eval()
        used = training.used

        def loss_of(rows: Tensor) -> Tensor:
            plain = self._prepared(used[rows.numpy()], tools)
            turned = torch.stack([self._turned(image) for image in plain])
            return contrast(network(torch.cat([plain, turned])), self.temperature)

        optimiser = Adam(network.parameters(), lr=self.rate)
        train(
            loss_of,
            images=len(used),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            networks={"network": network},
            tools=tools,
            what="contrast",
            schedule=CosineAnnealingLR(optimiser, max(self.epochs, 1), eta_min=self.rate / 2),
        )
        self._network = network
        embedded = self._embedded(used, tools)
        unseen = self._closeness(training.not_used, embedded, tools)
        self._threshold = float(np.percentile(unseen, self.percentile))

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the largest correlation with an image of either pool."""
        pools = (self._training.generated, questions.generated)
        pool = np.concatenate([self._embedded(images, tools) for images in pools])
        scores = self._closeness(questions.unknown, pool, tools)
        return Prediction(scores, (scores > self._threshold).astype(int))

    def _closeness(
        self, images: ImageSet, others: NDArray[np.float32], tools: Tools
    ) -> NDArray[np.float32]:
        """Return the (N,) largest correlations of images' embeddings with any of the others."""
        return tools.neighbours(self._embedded(images, tools), others, "correlation")[0][:, 0]

    def _embedded(self, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        return apply(
            self._network,
            images,
            prepare=lambda some: self._prepared(some, tools),
            tools=tools,
            what="embeddings",
        )

    def _prepared(self, images: ImageSet, tools: Tools) -> Tensor:
        return images.tensor(self.side, device=tools.device)

    def _turned(self, image: Tensor) -> Tensor:
        """Turn an image a little, and mirror it, each in every second case."""
        turn = v2.RandomRotation(self.degrees, v2.InterpolationMode.BILINEAR)
        turned: Tensor = v2.RandomHorizontalFlip()(v2.RandomApply([turn])(image))
        return turned


def contrast(embeddings: Tensor, temperature: float) -> Tensor:
    """Return the normalised, temperature-scaled cross-entropy (NT-Xent; Chen et al., SimCLR, 2020).

    Args:
        embeddings: (2B, D); row i and row i + B are two views of one image.
        temperature: of the cosines.

    Returns:
        The mean loss of all views: of finding each one's partner among all other views.
    """
    unit = normalize(embeddings.float())
    cosines = unit @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    partner = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return cross_entropy(cosines.masked_fill(itself, -torch.inf), partner)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the method."""
    return [ContrastiveCopy]
