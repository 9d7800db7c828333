"""What both systems share: the twins' parameters, their training, and their embeddings."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor

from bench_siamese_contrastive.loss import contrastive
from bench_siamese_contrastive.network import Branch, smallest_side
from bench_siamese_contrastive.pairs import Pairs
from harness.learning import apply, train
from harness.method import Access, Field, ImageSet, Method, Tools

PAPER = (
    "Andrei, Constantin, Dogariu, Ștefan and Ionescu, Identifying Real-Image Usage in Generated "
    "Medical Images, CEUR-WS Vol-4038 paper 178; as the overview describes it, paper 169"
)
CODE = "https://github.com/AlexandraAndrei/ImageCLEFmedical2025_GANs_AIM"
EPSILON = 1e-7  # of Adam, as in Keras


class TwinMethod(Method):
    """A method that compares real and generated images by a trained branch; see the subclasses."""

    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    demo = {
        "side": 48,
        "filters": (8, 16, 32, 64),
        "width": 64,
        "epochs": 8,
        "learning_rate": 1e-3,
    }

    side: int = Field(256, ge=1, description="of the images in pixels")
    filters: tuple[int, ...] = Field(
        (16, 32, 64, 128), min_length=1, description="of each convolution"
    )
    width: int = Field(256, ge=1, description="length of an embedding")
    margin: float = Field(
        1.0, gt=0, description="distance from which a negative pair costs nothing"
    )
    batch: int = Field(32, ge=2, description="pairs a step, half of them positive")
    epochs: int = Field(50, ge=0, description="of as many steps as the reals fill batches")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        smallest = smallest_side(len(self.filters))
        if self.side < smallest:
            raise ValueError(
                f"side {self.side}: {len(self.filters)} convolutions leave nothing of it; "
                f"the smallest is {smallest}"
            )
        return self

    def _learn(self, pairs: Pairs, tools: Tools, *, what: str, white: float = 1.0) -> Branch:
        """Return a branch trained on pairs drawn anew for every step.

        Args:
            pairs: what is drawn from.
            tools: of the cell.
            what: names the training.
            white: what a white pixel is to the branch; black is 0.
        """
        torch.manual_seed(tools.seed)  # so that no training depends on those before it
        branch = Branch(self.side, self.filters, self.width)
        branch.to(memory_format=torch.channels_last).to(tools.device)  # faster on a CPU
        optimiser = torch.optim.Adam(branch.parameters(), self.learning_rate, eps=EPSILON)

        def loss_of(_rows: Tensor) -> Tensor:
            drawn = pairs.draw(self.batch)  # always whole: the pairs outnumber the reals
            images = [self._greys(side, tools) for side in (drawn.reals, drawn.generated)]
            real, generated = branch(white * torch.cat(images)).chunk(2)
            return contrastive(real, generated, drawn.same.to(tools.device), self.margin)

        train(
            loss_of,
            images=sum(map(len, pairs.reals)),  # they set the number of steps
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            networks={"branch": branch},
            tools=tools,
            what=what,
        )
        return branch

    def _embed(self, branch: Branch, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        """Return the (N, D) embeddings of images, on the scale on which white is 1."""
        return apply(
            branch,
            images,
            prepare=lambda batch: self._greys(batch, tools),
            tools=tools,
            what="embedding",
        )

    def _greys(self, images: ImageSet, tools: Tools) -> Tensor:
        return images.tensor(self.side, device=tools.device)
