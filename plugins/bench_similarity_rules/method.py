"""VCMI's similarity approach: rules on similarities within and between real and generated images.

No label is used. What counts as similar is read off the questions themselves: how similar they are
to each other, or which of them a generated image is most similar to. All rules are transductive.
"""

from abc import abstractmethod
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from bench_similarity_rules.comparison import Comparison, moments
from bench_similarity_rules.measures import (
    FeatureSimilarity,
    Measure,
    StructuralSimilarity,
)
from harness.method import (
    Access,
    Field,
    Method,
    Prediction,
    Questions,
    Reference,
    Task,
    Tools,
    Training,
)
from harness.plugins import hookimpl

CODE = "https://github.com/helenaMontenegro/imageclef23-medical-gans"
REFERENCE = Reference(
    paper="Montenegro et al., Contributions of the VCMI Team to ImageCLEFmedical GANs 2023, "
    "CEUR-WS Vol-3497",
    url=CODE,
)
LABELS_ALONE = (
    "the code gives labels alone; the score, which is positive exactly where the label is 1, is "
    "chosen here"
)
PREPROCESSING = (
    "features are torchvision's ResNet-50 behind the preprocessing of its weights (resize, centre "
    "crop); the code has the ResNet-50 of Keras on images resized to 224 x 224"
)
WHICH_RUN = (
    "the abstract does not say which rule and measure gave the best run; this is what the "
    "published code writes if it is given no options"
)
RANKS = (
    "an image's rank among a generated image's neighbours is its rank; the published code takes "
    "the numbers of the sorted images for their ranks, so that its answers follow the order of "
    "the files"
)
FEATURES = (LABELS_ALONE, PREPROCESSING)


class _SimilarityRule(Method):
    """What all rules share: the measure, and labels by the sign of a margin."""

    name = "similarity-rule"
    task = Task.MEMBERSHIP
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})
    headline = False
    reference = REFERENCE
    deviations: ClassVar[tuple[str, ...]] = FEATURES
    demo = {"backbone": "tf_efficientnet_lite0", "side": 32}

    measure: Literal["resnet", "ssim"] = Field(
        "resnet", description="closeness of pooled features, or structural similarity of images"
    )
    backbone: str | None = Field(
        "resnet50.tv_in1k", description="frozen feature extractor; none for SSIM"
    )
    side: int | None = Field(
        None, ge=7, description="side in pixels at most at which SSIM compares; none: as they are"
    )

    @model_validator(mode="after")
    def _has_features(self) -> Self:
        if self.measure == "resnet" and self.backbone is None:
            raise ValueError("the measure resnet needs a backbone")
        return self

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing: the rules look at the questions and their pool alone."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the rule's margin; label by its sign."""
        comparison = Comparison(self._measure(tools), questions.unknown, questions.generated, tools)
        margins = self._margins(comparison)
        return Prediction(margins, (margins > 0).astype(int))

    def _measure(self, tools: Tools) -> Measure:
        if self.measure == "resnet" and self.backbone is not None:
            return FeatureSimilarity(self.backbone, tools)
        return StructuralSimilarity(self.side)

    @abstractmethod
    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        """Return (N,) by how much each question is used; positive for used."""


class ThresholdMax(_SimilarityRule):
    """Used if more similar to a generated image than any two questions are to each other."""

    name = "similarity-threshold-max"

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        largest = float(comparison.among_reals.highest.max())
        return comparison.between.highest - largest


class ThresholdAverage(_SimilarityRule):
    """Used if its largest similarity is above mean + 3 deviations of those among the questions."""

    name = "similarity-threshold-average"

    alpha: float = Field(3.0, ge=0, description="deviations above the mean")

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        mean, deviation = moments(comparison.among_reals)
        return comparison.between.highest - (mean + self.alpha * deviation)


class Clustering(_SimilarityRule):
    """Used if similar to anything beyond mean + 3 deviations of all similarities, pool included."""

    name = "similarity-clustering"

    alpha: float = Field(3.0, ge=0, description="deviations above the mean")

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        between = comparison.between
        own, pool = comparison.among_reals, comparison.among_generated
        # The joint matrix is symmetric: what lies between stands in it twice.
        mean, deviation = moments(own, between, between, pool)
        highest = np.maximum(own.highest, between.highest)
        return highest - (mean + self.alpha * deviation)


class Retrieval(_SimilarityRule):
    """Used if it is the most similar question to some generated image."""

    name = "similarity-retrieval"

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        return comparison.between.won


class Ranking(_SimilarityRule):
    """Used if generated images rank it, on average, above the middle of the questions."""

    name = "similarity-ranking"
    deviations = (*FEATURES, RANKS)

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        return _above_the_middle(comparison)


class Ensemble(_SimilarityRule):
    """Ranking; used if above the largest threshold; not used if no generated image retrieves it."""

    name = "similarity-ensemble"
    deviations = (*FEATURES, RANKS)

    def _margins(self, comparison: Comparison) -> NDArray[np.float64]:
        """Return the ranking's margin, within 1/2 of 0, moved up or down by 1 where overruled."""
        largest = comparison.among_reals.highest.max()
        certain = comparison.between.highest > largest
        retrieved = comparison.between.won > 0
        moved = np.where(retrieved, certain.astype(float), -1.0)
        return _above_the_middle(comparison) + moved


def _above_the_middle(comparison: Comparison) -> NDArray[np.float64]:
    """Return (N,) how far above the middle rank each question is ranked, as a share of them all.

    The code compares with the mean rank among the questions, which is the middle by construction.
    """
    ranks = comparison.between.rank
    above: NDArray[np.float64] = ((len(ranks) + 1) / 2 - ranks) / len(ranks)
    return above


def _by_ssim(rule: type[_SimilarityRule], reference: Reference = REFERENCE) -> type[Method]:
    """Return a rule with structural similarity as its measure."""
    kept = tuple(text for text in rule.deviations if text != PREPROCESSING)
    return rule.variant(
        f"{rule.name}-ssim",
        f"{(rule.__doc__ or '').rstrip('.')}; by SSIM.",
        deviations=(*kept, WHICH_RUN) if reference.runs else kept,
        reference=reference,
        measure="ssim",
        backbone=None,
    )


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the ensemble by SSIM, the rules on features, and those on SSIM that differ."""
    best = Reference(paper=REFERENCE.paper, url=CODE, runs=("VCMI-best",))
    headline = _by_ssim(Ensemble, best)
    headline.headline = True  # what the published code writes by default, and without weights
    features: list[type[Method]] = [
        Ensemble, Ranking, Retrieval, ThresholdMax, ThresholdAverage, Clustering,
    ]  # fmt: skip
    return [headline, *features, _by_ssim(Retrieval), _by_ssim(ThresholdMax)]
