"""Neural Nexus's best run: a ViT autoencoder of the generated images.

What the autoencoder has learnt from the generated images it gives back well. If the generator
repeats what trained it, images that were used come back better than others.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from bench_vit_autoencoder.autoencoder import PAPER, SHARED_DEVIATIONS, AutoencoderMethod
from bench_vit_autoencoder.networks import Autoencoder, ViTDecoder, ViTEncoder, vit_side
from bench_vit_autoencoder.spectral import AutoencoderSpectral
from harness.method import (
    Access,
    Field,
    Labelled,
    Method,
    Prediction,
    Questions,
    Reference,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import Rows, best_kappa_threshold, out_of_fold

CODE = "https://github.com/saranambiar/Neural-Nexus-ImageClef-2025"


class ViTAutoencoder(AutoencoderMethod):
    """Reconstruction error of a ViT autoencoder of the generated images: used are the low ones."""

    name = "vit-autoencoder"
    access = frozenset({Access.POOL, Access.LABELS, Access.AUXILIARY})
    reference = Reference(paper=PAPER, runs=("1878",))
    deviations = (
        *SHARED_DEVIATIONS,
        "the paper sets its threshold on the error empirically; here it is the one of best kappa "
        "on the training reals, and a low error means used",
        "the batch of the autoencoder is that of the pre-training; the paper does not state it",
    )
    demo = {
        "side": 32,
        "patch": 7,
        "width": 64,
        "depth": 2,
        "heads": 2,
        "pretraining_epochs": 6,
        "epochs": 6,
        "batch": 16,
        "learning_rate": 1e-3,
    }

    decides: Literal["error", "latent"] = Field(
        "error", description="threshold on the error, or logistic regression on latent vectors"
    )
    learns_from: Literal["generated", "auxiliary"] = Field(
        "generated", description="images that the autoencoder is trained on"
    )
    latent: int = Field(512, ge=1, description="length of the latent vector")
    patch: int = Field(16, ge=1, description="of the transformer, which sees 7/8 of the side")
    width: int = Field(768, ge=1, description="of the transformer's tokens")
    depth: int = Field(12, ge=1, description="blocks of the transformer")
    heads: int = Field(12, ge=1, description="of its attention")
    folds: int = Field(5, ge=2, description="to find the threshold of the regression")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if vit_side(self.side) % self.patch:
            raise ValueError(f"patch {self.patch} does not divide {vit_side(self.side)} pixels")
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} do not divide width {self.width}")
        return self

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the autoencoder, then learn from the labelled reals how to decide."""
        encoder = ViTEncoder(
            side=self.side,
            patch=self.patch,
            depth=self.depth,
            heads=self.heads,
            width=self.width,
            latent=self.latent,
        )
        decoder = ViTDecoder(side=self.side, latent=self.latent)
        self._autoencoder = Autoencoder(encoder, decoder).to(tools.device).eval()
        if self.learns_from == "generated":
            self._pretrain(encoder, training, tools)
            self._train(self._autoencoder, training.generated, tools, prepare=self._plain(tools))
        else:
            self._train_as_coded(training, tools)
        reals = training.reals
        if self.decides == "error":
            scores = -reals.gather(lambda s: self._errors(self._autoencoder, s, tools))
        else:
            scores = self._regress(reals, tools)
        self._threshold = best_kappa_threshold(scores, reals.labels)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative error, or by the log odds of the regression."""
        unknown = questions.unknown
        if self.decides == "error":
            scores = -self._errors(self._autoencoder, unknown, tools)
        else:
            latents = self._latents(self._autoencoder, unknown, tools)
            scores = self._regression.decision_function(latents)
        return Prediction(scores, (scores > self._threshold).astype(int))

    def _train_as_coded(self, training: Training, tools: Tools) -> None:
        """Train on the augmented auxiliary images, the only ones that the published loop reads."""
        if training.auxiliary is None:
            tools.log(
                "no auxiliary set (bench run --auxiliary NAME), and the published loop reads "
                "nothing else: the autoencoder keeps its random weights"
            )
            return
        images = training.auxiliary.together()
        self._train(self._autoencoder, images, tools, prepare=self._augmented(tools))

    def _regress(self, reals: Labelled, tools: Tools) -> NDArray[np.float64]:
        """Learn the regression, and return the scores of the reals by what others taught it."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        latents = reals.gather(lambda images: self._latents(self._autoencoder, images, tools))
        self._regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float64]:
            learner = self._regression.fit(latents[learnt], reals.labels[learnt])
            scores: NDArray[np.float64] = learner.decision_function(latents[held])
            return scores

        scores = out_of_fold(
            reals.labels, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log
        )
        self._regression.fit(latents, reals.labels)
        return scores


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the ViT autoencoder with its variants, and the clustering of the second run."""
    return [
        ViTAutoencoder,
        ViTAutoencoder.variant(
            "vit-autoencoder-latent",
            "Logistic regression on the latent vectors of the ViT autoencoder.",
            deviations=(
                *SHARED_DEVIATIONS,
                "the paper's conclusion does not name the classifier: logistic regression, its "
                "threshold that of best kappa out of fold",
            ),
            decides="latent",
        ),
        ViTAutoencoder.variant(
            "vit-autoencoder-as-coded",
            "The published loop: the autoencoder learns from the external set alone.",
            access={Access.LABELS, Access.AUXILIARY},
            reference=Reference(paper=PAPER, url=CODE),
            deviations=(
                "the external set is the run's auxiliary one and not Kaggle's chest CT; without "
                "one the loop has nothing to read and the weights stay random",
                "the published code ends with the training: how it decides is as for "
                "vit-autoencoder",
                "pre-training is left out: the published loop builds a new encoder after it",
                "a short last batch of an epoch is left out",
            ),
            learns_from="auxiliary",
            pretraining_epochs=0,
            weight_decay=0.0,
        ),
        AutoencoderSpectral,
    ]
