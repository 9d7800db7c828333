"""VCMI's matching of patches: an encoder that tells patches of one image from those of others."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Adam

from bench_autoencoder_outlier.autoencoder import NORMALISE
from bench_autoencoder_outlier.batches import at_least_two, in_own_order
from bench_autoencoder_outlier.networks import Encoder
from bench_autoencoder_outlier.outliers import from_mean
from bench_autoencoder_outlier.patches import Window
from bench_autoencoder_outlier.source import FROM_CODE, REFERENCE, SHORT_BATCH
from harness.learning import Prepare, apply, train
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


class PatchTriplet(Method):
    """Distance of a patch to the nearest patch of a generated image, by a triplet network."""

    name = "patch-triplet"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})
    trains = True
    headline = False
    reference = REFERENCE
    deviations = (
        FROM_CODE,
        "the function that cuts patches for the training is not in the code; the one that cuts "
        "those it compares afterwards takes its place",
        SHORT_BATCH,
    )
    demo = {"side": 64, "latent": 64, "epochs": 8, "learning_rate": 1e-3}

    side: int = Field(256, ge=32, multiple_of=2, description="pixels of the images' sides")
    latent: int = Field(128, ge=8, multiple_of=8, description="length of a patch's latent vector")
    margin: float = Field(0.5, gt=0, description="distance from which on patches are told apart")
    noise: float = Field(0.1, ge=0, description="deviation of the noise on patches in training")
    batch: int = Field(16, ge=2, description="triplets a step")
    epochs: int = Field(800, ge=0, description="of the training")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    alpha: float = Field(1.0, description="deviations below the mean distance within an image")

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing yet: the questions teach."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative distance; label by the distances within the real images."""
        return in_own_order(
            questions.unknown, lambda asked: self._answer(asked, questions.generated, tools)
        )

    def _answer(self, asked: ImageSet, pool: ImageSet, tools: Tools) -> Prediction:
        encoder = self._learn(asked, tools)
        first, second, made = (
            self._latents(encoder, images, tools) for images in (asked, asked, pool)
        )
        same = np.square(first - second).mean(1)
        distances, _ = tools.neighbours(first, made, "l2")
        nearest = np.square(distances[:, 0]) / self.latent
        threshold = from_mean(same, -self.alpha)
        return Prediction(-nearest, (nearest < threshold).astype(int))

    def _learn(self, images: ImageSet, tools: Tools) -> Encoder:
        """Return an encoder that was trained to bring the patches of one image together."""
        encoder = Encoder(self.latent).to(tools.device)
        prepare = self._plain(tools)

        def loss_of(rows: Tensor) -> Tensor:
            rows = at_least_two(rows)
            others = torch.randint(len(images), rows.shape)
            batch, negatives = prepare(images[rows.numpy()]), prepare(images[others.numpy()])
            anchor, positive, negative = (
                encoder(self._noisy(self._window().cut(seen))) for seen in (batch, batch, negatives)
            )
            return triplet_loss(anchor, positive, negative, self.margin)

        train(
            loss_of,
            images=len(images),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(encoder.parameters(), lr=self.learning_rate),
            networks={"encoder": encoder},
            tools=tools,
            what="triplets",
        )
        return encoder

    def _latents(self, encoder: Encoder, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        """Return the latent vectors of a patch of each image, all from one place, (N, D)."""
        window = self._window()

        def see(batch: Tensor) -> Tensor:
            latents: Tensor = encoder(window.cut(batch))
            return latents

        return apply(see, images, prepare=self._plain(tools), tools=tools, what="patches")

    def _window(self) -> Window:
        """Return a place for patches of half the side: 128 of 256 pixels."""
        return Window.drawn(self.side, self.side // 2)

    def _noisy(self, patches: Tensor) -> Tensor:
        return patches + self.noise * torch.randn_like(patches)

    def _plain(self, tools: Tools) -> Prepare:
        return lambda images: images.tensor(self.side, NORMALISE, tools.device)


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return how far apart like ones are, and by how much unlike ones are nearer than a margin.

    Args:
        anchor: (B, D) latent vectors.
        positive: (B, D), of the same images.
        negative: (B, D), of any images.
        margin: of the mean squared difference; beyond it unlike ones count no more.
    """
    like = torch.square(anchor - positive).mean(1)
    unlike = torch.square(anchor - negative).mean(1)
    return (like + (margin - unlike).clamp(min=0)).mean()
