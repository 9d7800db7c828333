"""Rows and orders of images: what a batch holds does not depend on how questions are ordered."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from harness.method import ImageSet, Prediction


def at_least_two(rows: Tensor) -> Tensor:
    """Return the rows of a batch, a single one twice: batch norm cannot learn from one alone."""
    return rows.repeat(2) if len(rows) == 1 else rows


def joined(*sets: ImageSet) -> ImageSet:
    """Return the images of several sets of one size as one."""
    return ImageSet(np.concatenate([images.pixels for images in sets]), "joined")


def drawn(count: int, batch: int) -> Tensor:
    """Return ``batch`` of ``count`` rows by chance, each at most once; all if there are fewer."""
    return torch.randperm(count)[:batch]


def in_own_order(images: ImageSet, answer: Callable[[ImageSet], Prediction]) -> Prediction:
    """Answer images in an order that their pixels give, and return the answers in theirs.

    What is learnt from the questions depends on the order in which they are learnt from.
    """
    order = sorted(range(len(images)), key=lambda row: images.pixels[row].tobytes())
    back = np.argsort(order)
    prediction = answer(images[order])
    return Prediction(prediction.scores[back], prediction.labels[back])
