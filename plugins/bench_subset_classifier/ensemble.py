"""Networks that vote: which of those trained are let in, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Logits = NDArray[np.floating[Any]]  # (M, N, C + 1): of M networks on N images; the last is "real"
Scores = NDArray[np.float64]  # (N, C)


@dataclass(frozen=True)
class Setting:
    """What one network of the ensemble is trained with."""

    backbone: str
    rate: float
    batch: int
    copy: int

    def __str__(self) -> str:
        """Name it in the log."""
        return f"{self.backbone}, rate {self.rate:g}, batch {self.batch}, copy {self.copy + 1}"


def settings(
    backbones: Sequence[str], rates: Sequence[float], batches: Sequence[int], copies: int
) -> list[Setting]:
    """Return every combination; copies differ in what is drawn at random."""
    return [Setting(*one) for one in product(backbones, rates, batches, range(copies))]


def admitted(accuracies: Sequence[float], above: float | None, most: int | None) -> list[int]:
    """Return which networks vote, best first.

    Args:
        accuracies: of each on the validation part, from 0 to 1.
        above: only networks above it vote, the best one alone if none is; ``None``: any.
        most: at most so many vote.
    """
    ranked = sorted(range(len(accuracies)), key=lambda row: -accuracies[row])
    good = [row for row in ranked if above is None or accuracies[row] > above] or ranked[:1]
    return good[:most]


def vote(logits: Logits) -> Scores:
    """Return the share of votes that each subset gets, (N, C).

    The logit of "real" is dropped: a network votes for the subset that it holds likeliest for a
    generated image. The mean probability, given that the image is not real, is added as one more
    vote; it breaks ties and never outweighs a vote.
    """
    subsets = logits[..., :-1].astype(np.float64)
    choices = subsets.argmax(-1)
    votes = (choices[..., None] == np.arange(subsets.shape[-1])).sum(0)
    shares: Scores = (votes + softmax(subsets, axis=-1).mean(0)) / (len(subsets) + 1)
    return shares


def pseudo_labels(logits: Logits, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the subset that the vote gives to each image, (N,), and the rows that are sure.

    Sure is an image to whose subset the networks give a mean probability of ``confidence`` or
    more, "real" being one of the possibilities.
    """
    labels = vote(logits).argmax(1)
    mean = softmax(logits.astype(np.float64), axis=-1).mean(0)
    sure = np.flatnonzero(mean[np.arange(len(labels)), labels] >= confidence)
    return labels, sure


def accuracy(logits: Logits, labels: NDArray[np.int64]) -> float:
    """Return the share of images that one network, (N, C + 1), gives their class of C + 1."""
    return float((logits.argmax(-1) == labels).mean())
