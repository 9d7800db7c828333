"""VCMI's replacing of patches: does an autoencoder put right what another image brought in?"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench_autoencoder_outlier.autoencoder import AutoencoderMethod
from bench_autoencoder_outlier.batches import in_own_order, joined
from bench_autoencoder_outlier.networks import Autoencoder, errors
from bench_autoencoder_outlier.outliers import from_mean
from bench_autoencoder_outlier.patches import Window
from bench_autoencoder_outlier.source import FROM_CODE, REFERENCE, SHORT_BATCH
from harness.learning import apply
from harness.method import Access, Field, ImageSet, Prediction, Questions, Tools, Training


class PatchReplacement(AutoencoderMethod):
    """Least error of a real image that is given back with a patch of a generated one in it."""

    name = "patch-replacement"
    access = frozenset({Access.POOL, Access.TRANSDUCTIVE})
    headline = False
    reference = REFERENCE
    deviations = (
        FROM_CODE,
        "the code loads an autoencoder without saying which, and lacks a part of its decoder: here "
        "that of autoencoder-outlier, trained on all generated images",
        SHORT_BATCH,
    )
    demo = {**AutoencoderMethod.demo, "candidates": 10, "donors": 10}

    alpha: float = Field(2.0, description="deviations below the mean error among the questions")
    learns_from_questions: bool = Field(
        False, description="whether the autoencoder learns from the questions, too"
    )
    candidates: int | None = Field(
        None, ge=1, description="generated images tried, those of the nearest patches; none: all"
    )
    donors: int | None = Field(
        None, ge=2, description="questions whose patches give mean and deviation; none: all"
    )

    def fit(self, training: Training, tools: Tools) -> None:
        """Learn nothing yet: the generated images that come with the questions teach."""

    def score(self, questions: Questions, tools: Tools) -> Prediction:
        """Score by the negative least error; label by the errors with patches of questions."""
        return in_own_order(
            questions.unknown, lambda asked: self._answer(asked, questions.generated, tools)
        )

    def _answer(self, asked: ImageSet, pool: ImageSet, tools: Tools) -> Prediction:
        autoencoder = self._learn(
            joined(pool, asked) if self.learns_from_questions else pool, tools
        )
        usual = self._among_questions(autoencoder, asked, tools)
        threshold = from_mean(usual, -self.alpha)
        least = self._replaced(autoencoder, asked, pool, self.candidates, tools).min(1)
        return Prediction(-least, (least < threshold).astype(int))

    def _among_questions(
        self, autoencoder: Autoencoder, asked: ImageSet, tools: Tools
    ) -> NDArray[np.float32]:
        """Return the errors of N images with patches of D of them, (N, D).

        Where an image would give a patch to itself stands its mean error.
        """
        donors = np.arange(len(asked))
        if self.donors is not None and self.donors < len(asked):
            chosen = np.random.default_rng(tools.seed).permutation(len(asked))[: self.donors]
            donors = np.sort(chosen)
            tools.log(f"patches of {len(donors)} of {len(asked)} questions give the threshold")
        found = self._replaced(autoencoder, asked, asked[donors], None, tools)
        found[donors, np.arange(len(donors))] = found[donors].mean(1)
        return found

    def _replaced(
        self,
        autoencoder: Autoencoder,
        asked: ImageSet,
        donors: ImageSet,
        nearest: int | None,
        tools: Tools,
    ) -> NDArray[np.float32]:
        """Return the errors of N images with patches of others in them, against what they were.

        Args:
            autoencoder: gives the changed images back.
            asked: N images.
            donors: M images that give their patches.
            nearest: how many of the nearest patches are tried in an image; ``None`` for all M.
            tools: of the cell.

        Returns:
            (N, M or ``nearest``).
        """
        window, prepare = Window.lower_middle(self.side), self._plain(tools)
        patches = window.cut(prepare(donors)).clone()  # of a view the whole images would stay
        tried = min(nearest or len(patches), len(patches))

        def see(batch: Tensor) -> Tensor:
            found = []
            for chosen in _nearest(window.cut(batch), patches, tried).T:
                changed = window.replaced(batch, patches[chosen])
                found.append(errors(batch, autoencoder(changed)))
            return torch.stack(found, 1)

        if tried < len(patches):
            tools.log(f"the {tried} nearest patches of {len(patches)} are tried in each image")
        return apply(see, asked, prepare=prepare, tools=tools, what="replaced patches")


def _nearest(patches: Tensor, others: Tensor, count: int) -> Tensor:
    """Return the rows of the ``count`` others that each of B patches is nearest to, (B, count)."""
    if count == len(others):
        return torch.arange(count, device=patches.device).expand(len(patches), count)
    distances = torch.cdist(patches.flatten(1), others.flatten(1))
    return distances.topk(count, largest=False).indices
