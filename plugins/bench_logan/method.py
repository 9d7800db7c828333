"""LOGAN: what a network that learnt to tell generated images apart says of a real one."""

from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.optim import Adam

from bench_logan.networks import GAN, perceptron
from harness.learning import apply, train
from harness.method import (
    Access,
    Field,
    ImageSet,
    Method,
    Prediction,
    Questions,
    Reference,
    Rows,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl
from harness.thresholds import best_kappa_threshold, judged_by_reference

HAYES = (
    "Hayes, Melis, Danezis, De Cristofaro, LOGAN: Membership Inference Attacks Against Generative "
    "Models, PoPETs 2019"
)
URL = "https://arxiv.org/abs/1705.07663"


class Logan(Method):
    """Logit of "generated" of a perceptron that tells generated images from reference reals."""

    name = "logan"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    headline = False  # about a minute at the demo budget, too long for a short run
    reference = Reference(
        paper=f"{HAYES}; the classifier as a baseline of van Breugel et al., DOMIAS, AISTATS 2023",
        url=URL,
    )
    deviations = (
        "reference: the training reals that were not used",
        "the code of DOMIAS learns from as many generated images as there are reference reals; "
        "here an epoch passes over all, and each step draws as many reference reals",
        "the threshold is that of best kappa on the training reals, each scored by a classifier "
        "trained without its own fold of patients",
    )
    demo = {"epochs": 30, "batch": 64}

    hidden: int = Field(256, ge=1, description="units of both hidden layers")
    epochs: int = Field(300, ge=1, description="passes over the generated images")
    batch: int = Field(256, ge=1, description="generated images a step")
    rate: float = Field(1e-3, gt=0, description="learning rate of Adam")
    backbone: str = Field("pixels", description="what is classified; the images themselves")
    folds: int = Field(5, ge=2, description="folds of patients behind the threshold")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the classifier of the images of either pool and the reference."""
        pools, reals = (self._training.generated, questions.generated), self._training.reals
        pool = np.concatenate([tools.features(images, self.backbone) for images in pools])
        trained = count(1)

        def score_of(outsiders: Rows, rows: Rows) -> NDArray[np.float64]:
            return self._classified(pool, outsiders, rows, f"classifier {next(trained)}", tools)

        return judged_by_reference(
            reals,
            reals.gather(lambda images: tools.features(images, self.backbone)),
            tools.features(questions.unknown, self.backbone),
            score_of,
            folds=self.folds,
            tools=tools,
        )

    def _classified(
        self, pool: Rows, outsiders: Rows, rows: Rows, what: str, tools: Tools
    ) -> NDArray[np.float64]:
        """Train a classifier and return its (N,) logits of ``rows`` being generated."""
        torch.manual_seed(tools.seed)  # so that no training depends on those before it
        network = perceptron(pool.shape[1], self.hidden).to(tools.device)
        generated, others = (torch.tensor(set_, device=tools.device) for set_ in (pool, outsiders))

        def loss_of(numbers: Tensor) -> Tensor:
            drawn = torch.randint(len(others), numbers.shape)
            both = torch.cat([generated[numbers.to(tools.device)], others[drawn.to(tools.device)]])
            truth = torch.ones(len(both), device=tools.device)
            truth[len(numbers) :] = 0
            return cross_entropy(network(both), truth)

        train(
            loss_of,
            images=len(pool),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(network.parameters(), lr=self.rate),
            networks={"classifier": network},
            tools=tools,
            what=what,
        )
        with torch.no_grad():
            logits = network(torch.tensor(rows, device=tools.device))
        return np.asarray(logits.double().cpu().numpy(), np.float64)


class LoganGAN(Method):
    """Logit of the discriminator of a GAN that was trained on the generated images."""

    name = "logan-gan"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    headline = False
    reference = Reference(paper=HAYES, url=URL)
    deviations = (
        "the threshold is that of best kappa on the training reals; the paper calls as many "
        "candidates members as it knows there are",
        "epochs are ours: images, not steps, are counted",
    )
    demo = {"side": 32, "channels": 16, "epochs": 20}

    side: int = Field(64, ge=16, description="pixels of the images' sides; 4 times a power of 2")
    channels: int = Field(64, ge=1, description="of the maps of half the side")
    epochs: int = Field(500, ge=0, description="passes over the generated images")
    batch: int = Field(64, ge=2, description="images a step")
    rate: float = Field(2e-4, gt=0, description="learning rate of Adam")

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part; the pools of both parts come from one generator."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the discriminator of a GAN of both pools."""
        torch.manual_seed(tools.seed)
        gan, reals = GAN(self.side, self.channels).to(tools.device).eval(), self._training.reals
        pool = (self._training.generated, questions.generated)
        pixels = np.concatenate([images.pixels for images in pool])
        generated = ImageSet(pixels, "joined")

        def prepare(images: ImageSet) -> Tensor:
            return images.tensor(self.side, (0.5, 0.5), tools.device)

        train(
            lambda rows: gan.loss(prepare(generated[rows.numpy()])),
            images=len(generated),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=Adam(gan.parameters(), lr=self.rate, betas=(0.5, 0.999)),
            networks={"gan": gan},
            tools=tools,
            what="GAN",
        )

        def verdict(images: ImageSet) -> NDArray[np.float32]:
            return apply(gan.discriminator, images, prepare=prepare, tools=tools, what="verdict")

        threshold = best_kappa_threshold(reals.gather(verdict), reals.labels)
        scores = verdict(questions.unknown)
        return Prediction(scores, (scores > threshold).astype(int))


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the classifier, and the discriminator of a GAN."""
    return [Logan, LoganGAN]
