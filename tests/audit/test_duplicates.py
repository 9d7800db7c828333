"""Where the threshold for near duplicates lies, measured on phantoms."""

import io

import numpy as np
import pytest
from PIL import Image

from harness.audit.duplicates import THRESHOLD, fine_structure
from harness.features.neighbours import nearest
from harness.forge.anatomy import draw_patient
from harness.forge.phantom import render_slice


def slices(size: int, patients: int = 40) -> np.ndarray:
    drawn = []
    for seed in range(patients):
        rng = np.random.default_rng(seed)
        drawn.append(render_slice(draw_patient(seed), rng.uniform(0.05, 0.9), size, rng))
    return np.stack(drawn)


def through_jpeg(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(int) + 15, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [32, 64])
def test_the_threshold_lies_between_copies_and_other_patients(size):
    images = slices(size)
    fine = fine_structure(images)
    for change in (through_jpeg, brighter, lambda image: through_jpeg(brighter(image))):
        copies = fine_structure(np.stack([change(image) for image in images]))
        alike, found = nearest(copies, fine, "correlation")
        assert (found[:, 0] == np.arange(len(images))).all()
        assert alike.min() > THRESHOLD + 0.03
    alike, _ = nearest(fine, fine, "correlation", k=2)
    assert alike[:, 1].max() < THRESHOLD - 0.2
