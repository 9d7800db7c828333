"""The words that every room shares. Imports nothing, so that the command line starts at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Metric = Literal["cosine", "correlation", "dot", "l2"]


class Task(StrEnum):
    """What is asked of a method."""

    MEMBERSHIP = "membership"
    ATTRIBUTION = "attribution"


class Access(StrEnum):
    """What a method uses. What it does not declare is not handed over, and the board shows it."""

    POOL = "pool"  # generated images
    LABELS = "labels"  # the labelled real images of the training part
    REFERENCE = "reference"  # reals known not to have been used, without the used ones
    AUXILIARY = "auxiliary"  # an external labelled set, for pre-training
    TRANSDUCTIVE = "transductive"  # the questions as a set: their mean, clusters, pseudo-labels


class Budget(StrEnum):
    """How much work a method may do: the paper's numbers, or smaller ones for a laptop."""

    PAPER = "paper"
    DEMO = "demo"
