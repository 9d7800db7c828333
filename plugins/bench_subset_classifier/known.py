"""Images of known origin: what the classifiers learn from, and what is kept from them."""

import numpy as np
from numpy.typing import NDArray

from harness.method import Labelled, Training

Rows = NDArray[np.intp]


def six_classes(training: Training, classes: int) -> Labelled:
    """Return the generated images by subset, and all real images as one more class, the last."""
    generated, reals = training.generated_by_class, training.real_by_class
    labels = np.concatenate([generated.labels, np.full(len(reals), classes, np.int64)])
    return Labelled((*generated.sets, *reals.sets), labels)


def hold_out(known: Labelled, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to learn from and those to hold out, both ascending.

    Args:
        known: of each class the part ``share`` is held out, rounded down; patients stay whole, and
            an image whose patient is not known counts as one.
        share: in [0, 1).
        seed: of the draw.
    """
    draw = np.random.default_rng(seed)
    patients = _patients(known)
    taken: list[NDArray[np.int64]] = []
    for label in np.unique(known.labels):
        own = draw.permutation(np.unique(patients[known.labels == label]))
        taken.append(own[: int(share * len(own))])
    held = np.isin(patients, np.concatenate(taken))
    return np.flatnonzero(~held), np.flatnonzero(held)


def at_most(known: Labelled, per_class: int | None, seed: int) -> Labelled:
    """Return at most so many images of each class, drawn at random; with ``None`` all of them."""
    if per_class is None:
        return known
    draw = np.random.default_rng(seed)
    chosen = [
        draw.permutation(np.flatnonzero(known.labels == label))[:per_class]
        for label in np.unique(known.labels)
    ]
    return known.at(np.sort(np.concatenate(chosen)))


def followed_by(first: Labelled, second: Labelled) -> Labelled:
    """Return the images of both in a row."""
    return Labelled((*first.sets, *second.sets), np.concatenate([first.labels, second.labels]))


def _patients(known: Labelled) -> NDArray[np.int64]:
    """Return the patient of each image; images without one get numbers below zero."""
    alone = -1 - np.arange(len(known))
    ends = np.cumsum([len(images) for images in known.sets])
    parts = zip(known.sets, np.split(alone, ends[:-1]), strict=True)
    return np.concatenate([part if s.groups is None else s.groups for s, part in parts])
