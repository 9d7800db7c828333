"""The system for subtask 2: to which subset's real images does a generated image lie nearest?"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench_siamese_contrastive.pairs import Pairs
from bench_siamese_contrastive.twins import CODE, PAPER, TwinMethod
from harness.method import Field, Prediction, Questions, Reference, Task, Tools, Training

SCALE = (
    "greys lie in [0, 1] in training and in inference; the published code trains on 0 to 255 and "
    "infers on [0, 1], and the overview says nothing of it"
)
REFERENCES = (
    "an image is compared with all training reals of a subset; the overview does not say with "
    "which, and the published code compares it with their mean embedding"
)


class SubsetSiamese(TwinMethod):
    """Smallest mean distance to a subset's real images, by twins that learnt the subsets."""

    name = "subset-siamese"
    task = Task.ATTRIBUTION
    reference = Reference(paper=PAPER, url=CODE, runs=("1396",))
    deviations = (SCALE, REFERENCES)
    demo = {**TwinMethod.demo, "epochs": 20}

    compared: Literal["images", "centroid"] = Field(
        "images", description="mean distance to a subset's reals, or distance to their mean"
    )
    white: float = Field(1.0, gt=0, description="what a white pixel is in training; else it is 1")

    def fit(self, training: Training, tools: Tools) -> None:
        """Train the twins on pairs of one subset and of two, then embed every subset's reals."""
        reals, generated = training.real_by_class.sets, training.generated_by_class.sets
        pairs = Pairs.of_subsets(reals, generated)
        self._branch = self._learn(pairs, tools, what="subsets", white=self.white)
        self._references: list[NDArray[np.float32]] = []
        for images in reals:
            embedded = self._embed(self._branch, images, tools)
            centroid = embedded.mean(0, keepdims=True)
            self._references.append(centroid if self.compared == "centroid" else embedded)

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score the subsets by their negative distances; label by the nearest."""
        asked = self._embed(self._branch, questions.generated, tools)
        scores = -np.column_stack(
            [tools.row_statistics(asked, rows, "l2").mean for rows in self._references]
        )
        return Prediction(scores, scores.argmax(1))
