"""SDVAHCS/UCSD's systems: EfficientNets that vote on the subset, and learn from pseudo-labels.

Six classes in the challenge: the generated images of five training subsets, and the real images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Adam

from bench_subset_classifier.ensemble import (
    Setting,
    accuracy,
    admitted,
    pseudo_labels,
    settings,
    vote,
)
from bench_subset_classifier.known import at_most, followed_by, hold_out, six_classes
from bench_subset_classifier.network import SubsetNetwork, mirrored, plain
from harness.learning import apply, train_classifier
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

PAPER = (
    "Gentili 2025, CEUR-WS Vol-4038 paper 190; as the overview describes it, CEUR-WS Vol-4038 "
    "paper 169"
)
OPEN = (
    "only the overview of the task was at hand: optimiser, epochs, augmentation, input size and "
    "the size of the validation part are chosen here"
)
DROPPED = (
    'the class "real" is dropped when answering, for every question is a generated image: a '
    "network votes for the likeliest of the subsets"
)


@dataclass(frozen=True)
class Member:
    """A trained network, and the side in pixels of the images that it takes."""

    network: nn.Module
    side: int


class SubsetEfficientNet(Method):
    """EfficientNet-B1 trained on generated images by subset, real ones being a further class."""

    name = "subset-efficientnet"
    task = Task.ATTRIBUTION
    access = frozenset({Access.POOL, Access.LABELS})
    trains = True
    reference = Reference(paper=PAPER, runs=("1425",))
    deviations: ClassVar[tuple[str, ...]] = (
        OPEN,
        DROPPED,
        "the run is the best of several models; here its setting is trained and nothing selected",
    )
    demo = {
        "backbones": ("tf_efficientnet_lite0",),
        "rates": (1e-3,),
        "batches": (16,),
        "per_class": 60,
        "side": 32,
        "epochs": 4,
    }

    backbones: tuple[str, ...] = Field(
        ("efficientnet_b1",), min_length=1, description="networks that are trained"
    )
    rates: tuple[float, ...] = Field(
        (1e-4,), min_length=1, description="learning rates of Adam, each with every network"
    )
    batches: tuple[int, ...] = Field(
        (32,), min_length=1, description="images a step, each with every network and rate"
    )
    copies: int = Field(1, ge=1, description="networks of each setting, from other seeds")
    above: float | None = Field(
        None, ge=0, lt=1, description="validation accuracy above which a network votes; none: any"
    )
    most: int | None = Field(
        None, ge=1, description="networks that vote, best on validation first; none: all"
    )
    validation: float = Field(
        0.1, ge=0, lt=1, description="share of each class that no network learns from"
    )
    per_class: int | None = Field(
        None, ge=1, description="images of each class, at most, that are learnt from; none: all"
    )
    side: int | None = Field(
        None, ge=32, description="of the images, in pixels; none: that of each network's weights"
    )
    epochs: int = Field(20, ge=1, description="passes over the images")
    flips: float = Field(0.5, ge=0, le=1, description="share of images mirrored while learning")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the networks and let those in that are good enough on the validation part."""
        self._members = self._train(six_classes(training, tools.classes), None, "", tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score a subset by the share of the networks that vote for it."""
        return _answer(vote(_ask(self._members, questions.generated, tools)))

    def _train(
        self, known: Labelled, pseudo: Labelled | None, when: str, tools: Tools
    ) -> list[Member]:
        """Return the members of the ensemble.

        Args:
            known: images of known origin, a part of which is held out for validation.
            pseudo: questions that are learnt from too, with the subset given to each.
            when: begins the names of the trainings.
            tools: of the cell.
        """
        learnt, held = hold_out(known, self.validation, tools.seed)
        examples = known.at(learnt)
        if pseudo is not None:
            examples = followed_by(examples, pseudo)
        examples = at_most(examples, self.per_class, tools.seed)
        images = examples.together()
        grid = settings(self.backbones, self.rates, self.batches, self.copies)
        members = []
        for number, setting in enumerate(grid):
            seeds = np.random.SeedSequence([tools.seed, number])
            torch.manual_seed(int(seeds.generate_state(1)[0]))  # whatever was trained before it
            what = f"{when}{setting}"
            members.append(self._member(setting, images, examples.labels, what, tools))
        if not len(held):
            if self.above is not None or self.most is not None:
                tools.log("nothing is held out to validate on: every network votes")
            return members
        return self._admit(members, grid, known.at(held), tools)

    def _member(
        self,
        setting: Setting,
        images: ImageSet,
        labels: NDArray[np.int64],
        what: str,
        tools: Tools,
    ) -> Member:
        """Train the network of one setting."""
        backbone = tools.network(setting.backbone)
        network = SubsetNetwork(backbone, tools.classes + 1).to(tools.device)
        side = self.side or backbone.side
        train_classifier(
            network,
            images,
            labels,
            prepare=mirrored(side, self.flips, tools),
            batch=setting.batch,
            epochs=self.epochs,
            optimiser=Adam(network.parameters(), lr=setting.rate),
            tools=tools,
            what=what,
        )
        return Member(network, side)

    def _admit(
        self, members: Sequence[Member], grid: Sequence[Setting], held: Labelled, tools: Tools
    ) -> list[Member]:
        """Return those of the networks that may vote, and say how good they are."""
        logits = _ask(members, held.together(), tools)
        accuracies = [accuracy(of_one, held.labels) for of_one in logits]
        chosen = admitted(accuracies, self.above, self.most)
        for row, setting in enumerate(grid):
            verb = "votes" if row in chosen else "does not vote"
            tools.log(f"{setting}: validation accuracy {accuracies[row]:.3f}, {verb}")
        if self.above is not None and accuracies[chosen[0]] <= self.above:
            tools.log(f"no network is above {self.above}: the best one answers alone")
        return [members[row] for row in chosen]


class SubsetEfficientNetPseudo(SubsetEfficientNet):
    """Vote of 26 EfficientNets that also learn from pseudo-labelled questions."""

    name = "subset-efficientnet-pseudo"
    access = frozenset({Access.POOL, Access.LABELS, Access.TRANSDUCTIVE})
    headline = False
    reference = Reference(paper=PAPER, runs=("1782",))
    deviations = (
        OPEN,
        DROPPED,
        "the overview does not say which hyper-parameters the 26 models have: here 3 networks x 3 "
        "rates x 3 batches, without the one of lowest validation accuracy",
        "confidence and number of the rounds of pseudo-labels, and that each round starts from the "
        "pretrained weights, are chosen here",
        "the sequestered part is watched and decides nothing",
    )
    demo = {**SubsetEfficientNet.demo, "copies": 2, "per_class": 30, "epochs": 2, "rounds": 1}

    backbones: tuple[str, ...] = Field(
        ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2"),
        min_length=1,
        description="networks that are trained",
    )
    rates: tuple[float, ...] = Field(
        (3e-4, 1e-4, 3e-5), min_length=1, description="learning rates of Adam, with every network"
    )
    batches: tuple[int, ...] = Field(
        (16, 32, 64), min_length=1, description="images a step, with every network and rate"
    )
    most: int | None = Field(
        26, ge=1, description="networks that vote, best on validation first; none: all"
    )
    rounds: int = Field(2, ge=1, description="of pseudo-labels; all networks are trained anew")
    confidence: float = Field(
        0.9, ge=0, le=1, description="mean probability from which a question is learnt from"
    )
    sequestered: float = Field(
        0.1, ge=0, lt=1, description="share of each class that is kept aside to watch the rounds"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Keep a part aside, and train the first networks on the rest."""
        known = six_classes(training, tools.classes)
        learnt, aside = hold_out(known, self.sequestered, tools.seed + 1)
        self._known, self._aside = known.at(learnt), known.at(aside)
        self._members = self._train(self._known, None, "", tools)
        self._watch(self._members, "before pseudo-labels", tools)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Label the questions that the networks are sure of, learn from them too; then vote."""
        members, asked = self._members, questions.generated
        for number in range(1, self.rounds + 1):
            labels, sure = pseudo_labels(_ask(members, asked, tools), self.confidence)
            tools.log(f"round {number}: {len(sure)} of {len(asked)} questions get a pseudo-label")
            pseudo = Labelled((asked[sure],), labels[sure])
            members = self._train(self._known, pseudo, f"round {number}, ", tools)
            self._watch(members, f"after round {number}", tools)
        return _answer(vote(_ask(members, asked, tools)))

    def _watch(self, members: Sequence[Member], when: str, tools: Tools) -> None:
        """Say how the vote does on the generated images among those kept aside."""
        rows = np.flatnonzero(self._aside.labels < tools.classes)
        if not len(rows):
            return
        aside = self._aside.at(rows)
        right = vote(_ask(members, aside.together(), tools)).argmax(1) == aside.labels
        tools.log(f"sequestered generated images, {when}: accuracy {right.mean():.3f}")


def _ask(members: Sequence[Member], images: ImageSet, tools: Tools) -> NDArray[np.float32]:
    """Return the logits of every member on every image, (M, N, C + 1)."""
    return np.stack(
        [
            apply(m.network, images, prepare=plain(m.side, tools), tools=tools, what="networks")
            for m in members
        ]
    )


def _answer(scores: NDArray[np.float64]) -> Prediction:
    return Prediction(scores, scores.argmax(1))
