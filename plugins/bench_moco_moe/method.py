"""taozi's system: momentum contrast of generated images with the reals that are most alike.

A network with a projection head learns on generated images, so that each comes to lie near used
reals and away from not-used ones; a real image's score is its largest cosine similarity, in that
space, to any generated image of the questions' pool.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench_moco_moe.contrast import Contrast, Queue
from bench_moco_moe.courses import CodedMixture, CodedSingle, Described, Material
from bench_moco_moe.encoders import WIDTH, Mixture, Projection, Single
from bench_moco_moe.pairing import Views, cosines, positive_pools
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

PAPER = "Zhang and Yang, Evaluation of the Privacy of Images, CEUR-WS Vol-4038 paper 215"
CODE = "https://github.com/zhangdt123/image"
RESNET50 = "resnet50.tv_in1k"
EFFICIENTNET = "efficientnet_b0.ra_in1k"
VIT = "vit_base_patch16_224.augreg_in1k"
TEMPERATURE = 128  # hidden units of the temperature in the released mixture
FOLDS = 5
AT_ONCE = 128  # images embedded in one pass

DIRECTION = (
    "the paper says that it labels generated images; the official task asks about real ones, so "
    "the score is the largest similarity of a real image to any generated one, as in its code"
)
SHORT_BATCH = "the short last batch of an epoch is left out"
VIT_WEIGHTS = (
    "the ViT's ImageNet weights are timm's; timm does not carry those of torchvision, which the "
    "released code loads"
)
WITHOUT_CRASH = (
    "the queue wraps around; with 5,000 images and short last batches the released train2.py stops "
    "in its 14th epoch, where the queue's end does not fall on that of a batch"
)


def _reference(*runs: str) -> Reference:
    return Reference(paper=PAPER, url=CODE, runs=runs)


class _Contrastive(Method):
    """What all share: the training, and the largest similarity as score."""

    name = "moco"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True

    positives: int = Field(2, ge=1, description="used reals per generated image (table 1)")
    negatives: int = Field(5, ge=1, description="not-used reals per generated image (table 1)")
    similarity: float = Field(
        0.6, ge=-1, le=1, description="frozen similarity from which a used real is a positive"
    )
    threshold: float | Literal["training"] = Field(
        0.6, description="similarity from which a real counts as used; or learnt out of fold"
    )
    alpha: float = Field(0.7, ge=0, le=1, description="weight of the first loss (table 1)")
    momentum: float = Field(0.999, ge=0, le=1, description="of the encoder that follows")
    queue: int = Field(65_536, ge=1, description="keys that serve as negatives")
    batch: int = Field(128, ge=2, description="generated images a step (table 1)")
    learning_rate: float = Field(3e-4, gt=0, description="of AdamW (table 1)")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW, from the released code")
    epochs: int = Field(50, ge=1, description="from the released code; the paper has none")
    backbone: str = Field(
        RESNET50, description="network that is trained; frozen, it mines positives"
    )
    side: int = Field(224, ge=32, description="pixels to which images are cropped")
    anchors: int | None = Field(
        None, ge=2, description="how many generated images are learnt from; all by default"
    )

    course: ClassVar[type[Described]] = Described

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the encoder on the generated images of the training part."""
        generated = training.generated
        if self.anchors is not None and self.anchors < len(generated):
            rows = tools.rng.choice(len(generated), self.anchors, replace=False)
            generated = generated[np.sort(rows)]
        self._generated, self._reals = generated, training.reals
        self._encoder = self._learn(self._reals, tools, "training")

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the nearest generated image, label by the threshold."""
        pool = questions.generated
        scores = self._nearest(self._encoder, questions.unknown, pool, tools)
        threshold = self.threshold
        if threshold == "training":
            threshold = self._learnt_threshold(pool, tools)
        return Prediction(scores, (scores >= threshold).astype(int))

    @abstractmethod
    def _build(self, tools: Tools) -> nn.Module:
        """Return a fresh encoder: (B, 1, S, S) greys to projections and temperatures."""

    def _groups(self, encoder: nn.Module) -> list[dict[str, Any]]:
        """Return what the optimiser changes, and at which rate."""
        return [{"params": encoder.parameters()}]

    def _pools(self, used: ImageSet, least: int, tools: Tools) -> torch.Tensor | None:
        """Return which used reals may be positives of each generated image."""
        generated, reals = (
            tools.features(images, self.backbone) for images in (self._generated, used)
        )
        return positive_pools(cosines(generated, reals), self.similarity, least)

    def _learn(self, reals: Labelled, tools: Tools, what: str) -> nn.Module:
        """Train an encoder with these reals and return it."""
        used, not_used = reals.sets
        positives = _at_most(used, self.positives, tools)
        contrast = Contrast(self._build(tools), Queue(self.queue, WIDTH), self.momentum)
        course = self.course(
            contrast.to(memory_format=torch.channels_last).to(tools.device),  # faster on a CPU
            Material(
                generated=self._generated, used=used, not_used=not_used,
                pools=self._pools(used, positives, tools), views=Views(self.side, tools.device),
            ),
            positives=positives, negatives=_at_most(not_used, self.negatives, tools),
            alpha=self.alpha, steps=max(1, len(self._generated) // self.batch),
        )  # fmt: skip
        optimiser = torch.optim.AdamW(
            self._groups(contrast.online), self.learning_rate, weight_decay=self.weight_decay
        )
        train(
            course.loss_of, images=len(self._generated), batch=self.batch, epochs=self.epochs,
            optimiser=optimiser, networks=course.networks, tools=tools, what=what,
            after=course.after,
        )  # fmt: skip
        return course.tested

    def _embed(self, encoder: nn.Module, images: ImageSet, tools: Tools) -> NDArray[np.float32]:
        return apply(
            lambda greys: self.course.embed(encoder, greys), images, at_once=AT_ONCE,
            prepare=Views(self.side, tools.device).centred, tools=tools, what="embedding",
        )  # fmt: skip

    def _nearest(
        self, encoder: nn.Module, reals: ImageSet, pool: ImageSet, tools: Tools
    ) -> NDArray[np.float32]:
        asked, offered = (self._embed(encoder, images, tools) for images in (reals, pool))
        return tools.neighbours(asked, offered, "cosine")[0][:, 0]

    def _learnt_threshold(self, pool: ImageSet, tools: Tools) -> float:
        """Return the best threshold for training reals, each scored by an encoder without it."""
        reals = self._reals

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float32]:
            what = f"training without {held.min()}"
            encoder = tools.cached(what, lambda: self._learn(reals.at(learnt), tools, what))
            return reals.at(held).gather(lambda s: self._nearest(encoder, s, pool, tools))

        scores = out_of_fold(
            reals.labels, reals.groups, score_of, folds=FOLDS, seed=tools.seed, log=tools.log
        )
        return best_kappa_threshold(scores, reals.labels)


class MocoResNet50(_Contrastive):
    """Momentum contrast on one network; ResNet-50 in configuration 1."""

    name = "moco-resnet50"
    headline = False
    reference = _reference("1875")
    deviations: ClassVar[tuple[str, ...]] = (DIRECTION, SHORT_BATCH)
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "side": 48,
        "anchors": 64,
        "batch": 8,
        "epochs": 2,
        "queue": 128,
        "momentum": 0.89,
        "learning_rate": 1e-3,
    }

    rectified: ClassVar[bool] = False

    def _build(self, tools: Tools) -> nn.Module:
        network = tools.network(self.backbone)
        return Single(network, Projection(network.width, rectified=self.rectified))


class MocoMoe(_Contrastive):
    """Momentum contrast on a gated mixture of three networks with attention among them."""

    name = "moco-moe"
    reference = _reference("1874")
    deviations: ClassVar[tuple[str, ...]] = (DIRECTION, SHORT_BATCH, VIT_WEIGHTS)
    demo = {
        **MocoResNet50.demo,
        "epochs": 1,
        "queue": 32,
        "momentum": 0.78,
        "width": 256,
        "backbones": ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"),
    }

    positives: int = Field(1, ge=1, description="used reals per generated image (released code)")
    negatives: int = Field(1, ge=1, description="not-used reals per image (released code)")
    similarity: float = Field(
        0.65, ge=-1, le=1, description="frozen similarity from which a used real is a positive"
    )
    threshold: float | Literal["training"] = Field(
        0.62, description="similarity from which a real counts as used; or learnt out of fold"
    )
    width: int = Field(2048, ge=8, multiple_of=8, description="of an expert (section 3.3)")
    backbone: str = Field(
        RESNET50, description="mines positives: that of the released code; the paper does not say"
    )
    backbones: tuple[str, str, str] = Field(
        (RESNET50, EFFICIENTNET, VIT), description="the experts"
    )

    def _build(self, tools: Tools) -> nn.Module:
        networks = [tools.network(name) for name in self.backbones]
        return Mixture(networks, self.width, Projection(self.width))


class MocoResNet50AsCoded(MocoResNet50):
    """Momentum contrast on one network as the released code does it: without any positive real."""

    name = "moco-resnet50-as-coded"
    deviations = (SHORT_BATCH, WITHOUT_CRASH)
    course = CodedSingle
    rectified = True

    def _pools(self, used: ImageSet, least: int, tools: Tools) -> None:
        """Return nothing: the positives that the released code loads do not enter its loss."""


class MocoMoeAsCoded(MocoMoe):
    """The mixture as the released code does it: no positive real, no attention when tested."""

    name = "moco-moe-as-coded"
    headline = False
    deviations = (SHORT_BATCH, VIT_WEIGHTS)
    course = CodedMixture

    def _build(self, tools: Tools) -> nn.Module:
        temperature = nn.Sequential(
            nn.Linear(WIDTH, TEMPERATURE), nn.ReLU(), nn.Linear(TEMPERATURE, 1)
        )
        networks = [tools.network(name) for name in self.backbones]
        head = Projection(self.width, rectified=True, temperature=temperature)
        return Mixture(networks, self.width, head)

    def _groups(self, encoder: nn.Module) -> list[dict[str, Any]]:
        """Return networks at a tenth of the rate; the layers that unify widths stay as drawn."""
        assert isinstance(encoder, Mixture)
        heads = nn.ModuleList([encoder.gate, encoder.attention, encoder.projection])
        return [
            {"params": encoder.networks.parameters(), "lr": self.learning_rate / 10},
            {"params": heads.parameters()},
        ]

    def _pools(self, used: ImageSet, least: int, tools: Tools) -> None:
        """Return nothing: the positives that the released code loads do not enter its loss."""


def _at_most(images: ImageSet, wanted: int, tools: Tools) -> int:
    """Return how many images can be drawn of those wanted, and say so where they are fewer."""
    if len(images) < wanted:
        tools.log(f"{images.name}: {len(images)} instead of {wanted} are drawn; there are no more")
    return min(len(images), wanted)


def _network(
    base: type[MocoResNet50], name: str, summary: str, run: str, **defaults: Any
) -> type[MocoResNet50]:
    """Return a variant with another network or configuration, and the same demo."""
    deviations: tuple[str, ...] = base.deviations
    if defaults.get("backbone") == VIT:
        deviations = (*deviations, VIT_WEIGHTS)
    return base.variant(
        name, summary, reference=_reference(run), deviations=deviations, demo=base.demo, **defaults
    )


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the mixture, the single networks, and twins that do as the released code does."""
    efficientnet: dict[str, Any] = {"backbone": EFFICIENTNET, "positives": 1, "negatives": 1}
    vit: dict[str, Any] = {"backbone": VIT, "positives": 1, "negatives": 1, "threshold": 0.63}
    return [
        MocoMoe,
        MocoResNet50,
        _network(
            MocoResNet50, "moco-resnet50-config2", "ResNet-50 in configuration 2.", "1179",
            positives=1, negatives=1, similarity=0.65, threshold=0.65,
        ),
        _network(
            MocoResNet50, "moco-resnet50-config3", "ResNet-50 in configuration 3.", "1107",
            positives=5, negatives=10, epochs=100,
        ),
        _network(
            MocoResNet50, "moco-efficientnet", "Momentum contrast on EfficientNet-B0.", "1169",
            **efficientnet,
        ),
        _network(MocoResNet50, "moco-vit", "Momentum contrast on ViT-B/16.", "1140", **vit),
        MocoMoeAsCoded,
        MocoResNet50AsCoded,
        _network(
            MocoResNet50AsCoded, "moco-efficientnet-as-coded",
            "EfficientNet-B0 as the released code does it.", "1169", **efficientnet,
        ),
        _network(
            MocoResNet50AsCoded, "moco-vit-as-coded",
            "ViT-B/16 as the released code does it.", "1140", **vit,
        ),
    ]  # fmt: skip
