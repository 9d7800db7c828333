"""zhouyijiang1's system: lists of candidate reals, then a hybrid contrastive attention network.

Stage one puts the nearest real images on a list of every generated one. Stage two scores a real
image with the generated ones on whose lists it is, by attention between their token maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator
from torch.optim.lr_scheduler import CosineAnnealingLR

from bench_canet.maps import TokenMaps
from bench_canet.network import HybridAttentionNetwork
from bench_canet.pairs import Objective, Pairs
from bench_canet.rule import Rule, Verdicts
from bench_canet.shortlists import Shortlists, nearest_lists
from harness.learning import train
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
from harness.thresholds import Rows, out_of_fold

PAPER = (
    "Zhou and Ding, CEUR-WS Vol-4038 paper 216; as the overview of the task describes it, "
    "CEUR-WS Vol-4038 paper 169"
)
OPEN = (
    "only the overview of the task was at hand: what it leaves open is chosen here, above all the "
    "features of the lists, what outliers are, the pairs, sizes, training and the bar of similarity"
)
DEPTHS = (
    "ViT-Base has no block 18: blocks 6, 9 and 12 are fused; canet-vit-large has the three depths "
    "that are named"
)
LISTS = (
    "an image that is asked about is on a list if it is as near as the last of the training reals "
    "there, so that its answer does not depend on the other questions (canet-transductive: it does)"
)
POOL = (
    "the training reals are paired with the questions' pool and not with the training part's, so "
    "that what is learnt and the threshold hold for the pool that the questions meet"
)
FROZEN = (
    "the backbone is frozen, and masking and Gabor noise disturb its token maps and not the images"
)


class _Seen(NamedTuple):
    """Real images as both stages take them."""

    features: NDArray[Any]  # (N, D), joined along the sets
    maps: TokenMaps


class CANet(Method):
    """Candidate lists, then attention between fused ViT tokens of a real and a generated image."""

    name = "canet"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    reference = Reference(paper=PAPER, runs=("1801", "1802", "1803", "1804", "1873"))
    deviations = (OPEN, DEPTHS, LISTS, POOL, FROZEN)
    demo = {
        "backbone": "tf_efficientnet_lite0",
        "layers": ("stage3:tokens", "stage4:tokens", "stage5:tokens"),
        "width": 32,
        "pairs": 4,
        "epochs": 8,
        "rate": 1e-3,
        "folds": 2,
    }

    backbone: str = Field(
        "vit_base_patch16_224.augreg2_in21k_ft_in1k", description="frozen feature extractor"
    )
    layers: tuple[str, ...] = Field(
        ("block6:tokens", "block9:tokens", "block12:tokens"),
        min_length=1,
        description="token maps that are fused; finer ones are averaged to the coarsest",
    )
    nearest: int = Field(
        50, ge=1, description="reals on a generated image's list, by L2 and by cosine each"
    )
    among: Literal["training", "questions"] = Field(
        "training", description="reals that a question competes with for a place on a list"
    )
    clusters: int = Field(8, ge=1, description="spectral clusters that the reals are divided into")
    outliers: float = Field(
        0.1, ge=0, le=1, description="share of a list below which a cluster's members leave it"
    )
    pairs: int = Field(
        10, ge=1, description="nearest generated images, by cosine, that a real is judged with"
    )
    width: int = Field(1536, ge=1, description="channels of the fused maps")
    heads: int = Field(8, ge=1, description="heads of the attention; they divide the width")
    dropout: float = Field(0.1, ge=0, lt=1, description="in attention and perceptron")
    temperatures: tuple[float, float] = Field(
        (0.5, 2.0), description="least and largest adaptive temperature of a pair's logit"
    )
    contrast_weight: float = Field(0.5, ge=0, description="of the supervised contrastive loss")
    contrast_temperature: float = Field(0.1, gt=0, description="of the contrastive loss")
    masked: float = Field(0.2, ge=0, lt=1, description="share of a map that is masked, as a block")
    noise: float = Field(0.1, ge=0, description="deviation of Gabor noise, in those of the maps")
    confidence: float = Field(0.6, ge=0, lt=1, description="bar of a pair's probability")
    batch: int = Field(32, ge=1, description="reals a step, each in one pair")
    epochs: int = Field(30, ge=1, description="passes over the training reals")
    rate: float = Field(1e-4, gt=0, description="first learning rate of AdamW; falls as a cosine")
    decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    folds: int = Field(5, ge=2, description="of the training reals, by patient, for the threshold")

    @field_validator("layers")
    @classmethod
    def _are_maps(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        for layer in layers:
            if not layer.endswith("tokens"):
                raise ValueError(f"{layer} is no token map: name it {layer}:tokens")
        return layers

    @field_validator("heads")
    @classmethod
    def _divide(cls, heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width", heads)
        if width % heads:
            raise ValueError(f"must divide the width, {width}")
        return heads

    @field_validator("temperatures")
    @classmethod
    def _ascend(cls, temperatures: tuple[float, float]) -> tuple[float, float]:
        low, high = temperatures
        if not 0 < low <= high:
            raise ValueError("must be above 0 and in ascending order")
        return temperatures

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep the training part: its reals are paired with the pool that the questions meet."""
        self._training = training

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Learn from pairs of the training reals, then judge the pairs of the questions."""
        pool = self._seen([questions.generated], tools)
        lists, network, rule = tools.cached("learnt", lambda: self._learn(pool, tools))
        asked = self._seen([questions.unknown], tools)
        if self.among == "questions":
            kept = self._lists(asked, pool, tools).kept
        else:
            kept = lists.admit(asked.features)
        pairs = self._pairs(asked, pool, kept, tools)
        scores = rule.margins(pairs.judged(network, tools))
        return Prediction(scores, (scores > 0).astype(int))

    def _seen(self, sets: Sequence[ImageSet], tools: Tools) -> _Seen:
        parts = [tools.features(images, self.backbone, ("pool", *self.layers)) for images in sets]
        pooled, *depths = (_joined(part) for part in zip(*parts, strict=True))
        return _Seen(pooled, TokenMaps(depths, tools))

    def _lists(self, reals: _Seen, pool: _Seen, tools: Tools) -> Shortlists:
        return Shortlists(
            reals.features, pool.features, nearest=self.nearest, clusters=self.clusters,
            outliers=self.outliers, tools=tools,
        )  # fmt: skip

    def _pairs(self, reals: _Seen, pool: _Seen, kept: NDArray[np.bool_], tools: Tools) -> Pairs:
        """Pair every real image with its nearest generated ones among those that list it."""
        every = len(pool.features)
        _, ranks = tools.neighbours(reals.features, pool.features, "cosine", every)
        near = torch.from_numpy(nearest_lists(kept, ranks, self.pairs))
        return Pairs(reals.maps, pool.maps, torch.arange(len(near)), near)

    def _learn(self, pool: _Seen, tools: Tools) -> tuple[Shortlists, HybridAttentionNetwork, Rule]:
        """Return the training reals' lists, a network trained on their pairs, and the rule."""
        reals = self._training.reals
        used, known = reals.labels, self._seen(reals.sets, tools)
        lists = self._lists(known, pool, tools)
        pairs = self._pairs(known, pool, lists.kept, tools)
        held_out = Verdicts.none(*pairs.near.shape)
        fold = count(1)

        def score_of(learnt: Rows, held: Rows) -> NDArray[np.float64]:
            network = self._train(pairs.of(learnt), used[learnt], f"fold {next(fold)}", tools)
            verdicts = pairs.of(held).judged(network, tools)
            held_out.put(held, verdicts)
            return verdicts.best(self.confidence)

        out_of_fold(used, reals.groups, score_of, folds=self.folds, seed=tools.seed, log=tools.log)
        rule = Rule.learnt(held_out, used, self.confidence)
        tools.log(
            f"{len(pairs.paired)} of {len(used)} training reals are on a list; used is what has a "
            f"similarity above {rule.similarity:.3f} and a confidence above {self.confidence}"
        )
        return lists, self._train(pairs, used, "all training reals", tools), rule

    def _train(
        self, pairs: Pairs, used: NDArray[np.int64], what: str, tools: Tools
    ) -> HybridAttentionNetwork:
        """Return a network trained on the pairs of real images, given (N,) which were used."""
        torch.manual_seed(tools.seed)  # so that no training depends on those before it
        network = HybridAttentionNetwork(
            pairs.pool.channels, pairs.pool.side, self.width, heads=self.heads,
            dropout=self.dropout, temperatures=self.temperatures,
        ).to(tools.device)  # fmt: skip
        paired = pairs.paired
        if not len(paired):
            tools.log(f"{what}: no image is on a list, so the network stays untrained")
            return network.eval()
        pairs, labels = pairs.of(paired), torch.from_numpy(used[paired]).float()
        objective = Objective(
            weight=self.contrast_weight, temperature=self.contrast_temperature,
            masked=self.masked, noise=self.noise,
        )  # fmt: skip
        optimiser = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=self.decay)
        train(
            lambda batch: pairs.loss(network, labels, objective, batch),
            images=len(labels),
            batch=self.batch,
            epochs=self.epochs,
            optimiser=optimiser,
            networks={"canet": network},
            tools=tools,
            what=f"attention network, {what}",
            schedule=CosineAnnealingLR(optimiser, self.epochs),
        )
        return network


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts as one array; a single one stays memory-mapped."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the system on ViT-Base, on ViT-Large, and with lists of the questions."""
    paper = Reference(paper=PAPER)  # the runs are the headline's
    return [
        CANet,
        CANet.variant(
            "canet-vit-large",
            "The network on ViT-Large, which has the three depths that the overview names.",
            reference=paper,
            demo=CANet.demo,  # the demo budget has one backbone for both
            deviations=(OPEN, LISTS, POOL, FROZEN),
            backbone="vit_large_patch16_224.augreg_in21k_ft_in1k",
            layers=("block6:tokens", "block12:tokens", "block18:tokens"),
        ),
        CANet.variant(
            "canet-transductive",
            "The questions compete with each other for the places on the candidate lists.",
            access=CANet.access | {Access.TRANSDUCTIVE},
            reference=paper,
            deviations=(OPEN, DEPTHS, POOL, FROZEN),
            among="questions",
        ),
    ]
