"""Neural Nexus's second run: the latent space of a convolutional autoencoder, cut in two."""

from typing import Literal

import numpy as np

from bench_vit_autoencoder.autoencoder import PAPER, SHARED_DEVIATIONS, AutoencoderMethod
from bench_vit_autoencoder.networks import (
    Autoencoder,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)
from harness.clustering import Halving, lean, share_used, standardised
from harness.method import Access, Field, Prediction, Questions, Reference, Tools, Training


class AutoencoderSpectral(AutoencoderMethod):
    """Two clusters of latent vectors; the one with more used members among its labelled is used."""

    name = "autoencoder-spectral"
    access = frozenset({Access.POOL, Access.LABELS, Access.TRANSDUCTIVE, Access.AUXILIARY})
    headline = False
    reference = Reference(paper=PAPER, runs=("1880",))
    deviations = (
        *SHARED_DEVIATIONS,
        "labelled and unknown reals are clustered together, and the cluster of whose labelled "
        "members the larger share was used is called used; the paper does not say how it maps them",
        "a latent vector is the means of the last maps, and the affinity a Gaussian whose width is "
        "the median distance; the paper states neither",
        "the reconstruction error is L1, as the experimental setup has it; equation 2 has it "
        "squared",
        "learning rate, weight decay, batch and dropout are not stated; the first three are those "
        "of the ViT autoencoder's pre-training, dropout is 0.1",
    )
    demo = {
        "side": 32,
        "filters": (8, 16, 32, 64),
        "pretraining_epochs": 4,
        "epochs": 4,
        "batch": 16,
        "learning_rate": 1e-3,
    }

    clustering: Halving = Field("spectral", description="how the latent vectors are divided")
    loss: Literal["l1", "mse"] = Field("l1", description="reconstruction error")
    epochs: int = Field(100, ge=0, description="of the autoencoder")
    filters: tuple[int, ...] = Field(
        (32, 64, 128, 256), min_length=4, max_length=4, description="of the encoder's blocks"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="of whole maps, in every block")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the autoencoder and keep the latent vectors of the labelled reals."""
        encoder = ConvolutionalEncoder(filters=self.filters, dropout=self.dropout)
        decoder = ConvolutionalDecoder(filters=self.filters, dropout=self.dropout)
        self._autoencoder = Autoencoder(encoder, decoder).to(tools.device).eval()
        self._pretrain(encoder, training, tools)
        prepare = self._plain(tools)
        self._train(self._autoencoder, training.generated, tools, prepare=prepare, loss=self.loss)
        self._used = training.reals.labels
        self._known = training.reals.gather(
            lambda images: self._latents(self._autoencoder, images, tools)
        )

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Cluster the questions with the labelled reals; above 0 is the used cluster."""
        asked = self._latents(self._autoencoder, questions.unknown, tools)
        points = standardised(np.concatenate([self._known, asked]))
        known, leaning = np.split(lean(points, self.clustering, tools.seed), [len(self._known)])
        first, second = share_used(np.where(known > 0, 0, 1), self._used, 2)
        scores = leaning if first >= second else -leaning
        return Prediction(scores, (scores > 0).astype(int))
