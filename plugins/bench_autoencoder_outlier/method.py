"""VCMI's autoencoder as a detector of outliers, and the team's other trained systems.

An autoencoder that learns from the generated images gives back well what is like them. A real image
is called used unless its error is an outlier among those of generated images.
"""

import numpy as np

from bench_autoencoder_outlier.autoencoder import AutoencoderMethod
from bench_autoencoder_outlier.decoders import AutoencoderTwoDecoders
from bench_autoencoder_outlier.outliers import from_mean
from bench_autoencoder_outlier.replacement import PatchReplacement
from bench_autoencoder_outlier.source import FROM_CODE, REFERENCE, SHORT_BATCH
from bench_autoencoder_outlier.triplet import PatchTriplet
from harness.method import Access, Field, ImageSet, Method, Prediction, Questions, Tools, Training
from harness.plugins import hookimpl


class AutoencoderOutlier(AutoencoderMethod):
    """Error of an autoencoder of the generated images: used unless an outlier among theirs."""

    name = "autoencoder-outlier"
    access = frozenset({Access.POOL})
    reference = REFERENCE
    deviations = (
        FROM_CODE,
        "the generated images held out are drawn by the seed; the code takes the first by name",
        SHORT_BATCH,
    )

    alpha: float = Field(3.0, description="deviations above the mean error that are no outlier")
    held_out: float = Field(
        0.05, gt=0, lt=1, description="share of the generated images that give mean and deviation"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing yet: the generated images that come with the questions teach."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative error; label by the errors of generated images held out."""
        learnt, held = self._divided(questions.generated, tools)
        autoencoder = self._learn(learnt, tools)
        usual = self._errors(autoencoder, held, tools)
        found = self._errors(autoencoder, questions.unknown, tools)
        return Prediction(-found, (found <= from_mean(usual, self.alpha)).astype(int))

    def _divided(self, pool: ImageSet, tools: Tools) -> tuple[ImageSet, ImageSet]:
        """Return the generated images that are learnt from, and those held out."""
        if len(pool) == 1:
            tools.log("a single generated image: its own error is the threshold")
            return pool, pool
        order = np.random.default_rng(tools.seed).permutation(len(pool))
        held = max(1, int(self.held_out * len(pool)))
        return pool[np.sort(order[held:])], pool[np.sort(order[:held])]


@hookimpl
def bench_methods() -> list[type[Method]]:
    """Return the detector of outliers and the team's other three trained systems."""
    return [AutoencoderOutlier, AutoencoderTwoDecoders, PatchTriplet, PatchReplacement]
