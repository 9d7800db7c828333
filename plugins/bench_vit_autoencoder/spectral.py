"""Neural Nexus's second run: the latent space of a convolutional autoencoder, cut in two."""

from typing import Literal

import numpy as np

from bench_vit_autoencoder.autoencoder import PAPER, SHARED_DEVIATIONS, AutoencoderMethod
from bench_vit_autoencoder.networks import (
    Autoencoder,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
)
from harness.method import Access, Field, Prediction, Questions, Reference, Tools, Training

Clustering = Literal["spectral", "kmeans", "gmm"]


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

    clustering: Clustering = Field("spectral", description="how the latent vectors are divided")
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
        self._train(self._autoencoder, training.generated, tools, loss=self.loss)
        reals = (training.used, training.not_used)
        self._used = np.repeat([1, 0], [len(images) for images in reals])
        self._known = np.concatenate([self._latents(self._autoencoder, s, tools) for s in reals])

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Cluster the questions with the labelled reals; above 0 is the used cluster."""
        asked = self._latents(self._autoencoder, questions.unknown, tools)
        leaning = lean(np.concatenate([self._known, asked]), self.clustering, tools.seed)
        known, asked_leaning = np.split(leaning, [len(self._known)])
        scores = orientation(known > 0, self._used) * asked_leaning
        return Prediction(scores, (scores > 0).astype(int))


def lean(latents: np.ndarray, clustering: Clustering, seed: int) -> np.ndarray:
    """Divide latent vectors into two clusters and tell how much each leans to which.

    Args:
        latents: (N, D).
        clustering: ``spectral`` embeds by the two smallest eigenvectors of the normalised Laplacian
            and divides the embedding by k-means; ``kmeans`` and ``gmm`` (a mixture of two Gaussians
            with diagonal covariances) divide the latent vectors themselves, each coordinate scaled
            to mean 0 and deviation 1.
        seed: of the division.

    Returns:
        (N,) float, positive in one cluster and negative in the other: by how much the centre of
        the first is nearer than that of the second; with ``gmm``, the log odds of the first.
    """
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture
    from sklearn.preprocessing import StandardScaler

    points = StandardScaler().fit_transform(latents.astype(np.float64))
    if clustering == "gmm":
        mixture = GaussianMixture(2, covariance_type="diag", n_init=10, random_state=seed)
        odds = np.log(mixture.fit(points).predict_proba(points) + np.finfo(float).tiny)
        return odds[:, 0] - odds[:, 1]
    if clustering == "spectral":
        points = embedded(points, seed)
    distances = KMeans(2, n_init=10, random_state=seed).fit(points).transform(points)
    return distances[:, 1] - distances[:, 0]


def embedded(points: np.ndarray, seed: int) -> np.ndarray:
    """Return the spectral embedding of points, (N, 2) (Ng, Jordan and Weiss, 2001)."""
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import spectral_embedding

    distances = pdist(points)
    width = np.median(distances) or 1.0
    affinity = np.exp(-squareform(np.square(distances / width)) / 2)
    return spectral_embedding(affinity, n_components=2, drop_first=False, random_state=seed)


def orientation(first: np.ndarray, used: np.ndarray) -> int:
    """Return 1 when a larger share of the first cluster than of the second was used, else -1.

    Args:
        first: (N,) bool, which labelled images are in the first cluster.
        used: (N,) 1 for used, 0 for not used.
    """
    share = used[first].mean() if first.any() else 0.0
    other = used[~first].mean() if (~first).any() else 0.0
    return 1 if share >= other else -1
