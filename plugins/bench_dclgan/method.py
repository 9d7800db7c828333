"""Neural Nexus's GAN: what its discriminator attends to, in real and in generated images.

A dual contrastive GAN learns to translate between the reals that were used and the generated
images. If generated images keep something of the reals behind them, the discriminator attends to
used reals as it attends to generated images, and less so to others.
"""

import math
from itertools import count
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from bench_dclgan.losses import Histogram
from bench_dclgan.networks import Discriminator
from bench_dclgan.overlap import Overlap, attention
from bench_dclgan.translation import Translation, Weights
from harness.learning import apply, train
from harness.method import (
    Access,
    Field,
    ImageSet,
    Labelled,
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

PAPER = (
    "Barve et al., Reverse Engineering Generative Fingerprints in Medical Images, "
    "CEUR-WS Vol-4038 paper 182"
)
CODE = "https://github.com/saranambiar/Neural-Nexus-ImageClef-2025"
NORMALISE = (0.5, 0.5)  # [0, 1] to [-1, 1]
DEMO = {"side": 32, "channels": 8, "blocks": 1, "epochs": 1, "batch": 4, "anchors": 32, "folds": 2}

RULE = (
    "the paper states no rule: a real's score is the mean overlap of its attention with that of "
    "every generated image of the questions' pool, by Bhattacharyya's coefficient over the last "
    "three activations of the generated images' discriminator, in deviations of what the pool has "
    "among itself; used are the high ones"
)
SHORT = "a short last batch of an epoch is left out"


class DCLGAN(Method):
    """Overlap of discriminator attention, real and generated, in a dual contrastive GAN."""

    name = "dclgan"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    reference = Reference(paper=PAPER)
    deviations = (
        RULE,
        "the paper does not say what is translated: here used training reals to generated images "
        "and back; its abstract speaks of GANs of generated images alone, as in dclgan-as-coded",
        "the threshold is that of best kappa on training reals that the GAN was not trained with",
        "blocks, betas, weights of the terms, temperature and bins are those of the published code "
        "and its README; the paper states none",
        "PatchNCE compares discriminator features, as the published code does, and not projected "
        "ones of the generators' encoders as the DCLGAN of Han et al.; the paper does not say",
        SHORT,
    )
    demo = {**DEMO, "generator_rate": 1e-3, "critic_rate": 4e-3}

    domain: Literal["used", "reals", "generated"] = Field(
        "used",
        description="what is translated to generated images: used training reals, all training "
        "reals, or generated images, which are then given back",
    )
    dual: bool = Field(True, description="a second generator and discriminator for the way back")
    anchors: int | None = Field(
        None, ge=1, description="generated images that are learnt from; none: all"
    )
    side: int = Field(256, ge=32, multiple_of=4, description="pixels of the images' sides")
    channels: int = Field(64, ge=1, description="of the first convolution of every network")
    blocks: int = Field(8, ge=0, description="residual blocks of a generator")
    epochs: int = Field(200, ge=0, description="passes over the generated images")
    batch: int = Field(1, ge=1, description="images of each domain a step")
    generator_rate: float = Field(1e-4, gt=0, description="learning rate of the generators' Adam")
    critic_rate: float = Field(4e-4, gt=0, description="that of the discriminators")
    generator_betas: tuple[float, float] = Field((0.5, 0.9), description="of the generators' Adam")
    critic_betas: tuple[float, float] = Field((0.5, 0.999), description="of the discriminators'")
    critic_schedule: Literal["cosine", "halving"] = Field(
        "cosine", description="how the discriminators' rate falls; halving: every 50 epochs"
    )
    adversarial: float = Field(1.0, ge=0, description="weight of the discriminator's verdict")
    contrast: float = Field(2.0, ge=0, description="weight of PatchNCE")
    features: float = Field(5.0, ge=0, description="weight of feature matching")
    intensity: float = Field(1.0, ge=0, description="weight of the HU loss (equation 9)")
    penalty: float = Field(1.0, ge=0, description="weight of the gradient penalty")
    temperature: float = Field(0.05, gt=0, description="of PatchNCE")
    bins: int = Field(100, ge=2, description="of the grey histograms")
    histogram: Histogram = Field(
        "soft", description="hard histograms have no gradient, so the HU loss then changes nothing"
    )
    layers: int = Field(3, ge=1, le=4, description="deepest activations whose attention counts")
    nearest: int | None = Field(
        None, ge=1, description="generated images of largest overlap that count; none: all"
    )
    folds: int = Field(5, ge=2, description="of the training reals, by patient, for the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the GAN; the training reals are compared with the pool that the questions meet."""
        self._training = training
        self._critic = self._learn(training.reals, "GAN", tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the overlap with the questions' pool; label by the threshold."""
        pool, reals = questions.generated, self._training.reals
        overlap = self._overlap(self._critic, pool, tools)
        scores = overlap(questions.unknown)
        unseen = self.domain == "generated"  # then no GAN has learnt from a training real
        known = reals.gather(overlap) if unseen else self._held_out(pool, tools)
        threshold = best_kappa_threshold(known, reals.labels)
        return Prediction(scores, (scores > threshold).astype(int))

    def _held_out(self, pool: ImageSet, tools: Tools) -> NDArray[np.float64]:
        """Return (N,) overlaps of the training reals, by GANs trained without their patients."""
        reals, fold = self._training.reals, count(1)

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float64]:
            what = f"GAN, fold {next(fold)}"
            critic = tools.cached(what, lambda: self._learn(reals.at(learnt), what, tools))
            return self._overlap(critic, pool, tools)(reals.at(held).together())

        return out_of_fold(
            reals.labels, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log
        )

    def _learn(self, reals: Labelled, what: str, tools: Tools) -> Discriminator:
        """Train a GAN and return its discriminator of generated images."""
        torch.manual_seed(tools.seed)  # so that no training depends on those before it
        towards, back = (self._translation(tools) for _ in range(2))
        both = {"towards": towards, "back": back} if self.dual else {"towards": towards}
        generated = self._training.generated[: self.anchors]
        partners = self._partners(reals)
        weights = self._weights()

        def loss_of(rows: Tensor) -> Tensor:
            target = source = self._prepare(generated[rows.numpy()], tools)
            if partners is not None:
                drawn = torch.randint(len(partners), rows.shape)
                source = self._prepare(partners[drawn.numpy()], tools)
            loss = towards.loss(source, target, weights)
            return loss + back.loss(target, source, weights) if self.dual else loss

        optimiser = self._optimiser(list(both.values()))
        train(
            loss_of,
            images=len(generated),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            networks=both,
            tools=tools,
            what=what,
            schedule=LambdaLR(optimiser, [self._cosine, self._critic_share]),
        )
        return towards.critic

    def _partners(self, reals: Labelled) -> ImageSet | None:
        """Return what generated images are drawn together with; none: each with itself."""
        if self.domain == "generated":
            return None
        chosen = np.flatnonzero(reals.labels) if self.domain == "used" else np.arange(len(reals))
        return reals.at(chosen).together()

    def _overlap(self, critic: Discriminator, pool: ImageSet, tools: Tools) -> Overlap:
        """Return what tells the overlap of images' attention with that of the pool."""

        def attend(images: ImageSet) -> NDArray[np.float32]:
            return apply(
                lambda batch: attention(critic.activations(batch)[-self.layers :]),
                images,
                prepare=lambda images: self._prepare(images, tools),
                tools=tools,
                what="attention",
            )

        return Overlap(attend, pool, self.nearest, tools)

    def _optimiser(self, translations: list[Translation]) -> Adam:
        """Return one Adam with the time scale of the generators and that of their critics."""
        generators = [p for t in translations for p in t.generator.parameters()]
        critics = [p for t in translations for p in t.critic.parameters()]
        return Adam(
            [
                {"params": generators, "lr": self.generator_rate, "betas": self.generator_betas},
                {"params": critics, "lr": self.critic_rate, "betas": self.critic_betas},
            ]
        )

    def _cosine(self, epoch: int) -> float:
        """Return the share of the learning rate that is left after some epochs."""
        return (1 + math.cos(math.pi * epoch / max(self.epochs, 1))) / 2

    def _critic_share(self, epoch: int) -> float:
        """Return the same for the discriminators."""
        return self._cosine(epoch) if self.critic_schedule == "cosine" else 0.5 ** (epoch // 50)

    def _translation(self, tools: Tools) -> Translation:
        made = Translation(channels=self.channels, blocks=self.blocks)
        return made.to(tools.device).eval()  # where there are no epochs nothing else does it

    def _weights(self) -> Weights:
        return Weights(**{name: getattr(self, name) for name in Weights.__dataclass_fields__})

    def _prepare(self, images: ImageSet, tools: Tools) -> Tensor:
        return images.tensor(self.side, NORMALISE, tools.device)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the GAN as the paper describes it, and as its authors published it."""
    return [
        DCLGAN,
        DCLGAN.variant(
            "dclgan-as-coded",
            "The published loop: one generator gives the generated images back to one critic.",
            reference=Reference(paper=PAPER, url=CODE),
            deviations=(
                "the published code ends with the training: score and threshold are those of "
                "dclgan, whose rule the paper does not state either",
                SHORT,
            ),
            demo={**DEMO, "generator_rate": 2e-3, "critic_rate": 2e-3},
            domain="generated",
            dual=False,
            blocks=6,
            epochs=60,
            batch=16,
            generator_rate=2e-4,
            critic_rate=2e-4,
            critic_schedule="halving",
            histogram="hard",
        ),
    ]
