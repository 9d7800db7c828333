import numpy as np
import pytest

from harness.method import ImageSet, Questions
from support import InProcessTools


class TrainingTools(InProcessTools):
    """Tools of a cell in which networks are trained."""

    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder
        self.said = []

    def log(self, text):
        self.said.append(text)


@pytest.fixture
def tools(tmp_path):
    return TrainingTools(tmp_path)


def smooth(draws, count, side=32):
    """Images of three soft spots each: as different as patients, and easy to give back."""
    y, x = np.mgrid[:side, :side]
    images = np.zeros((count, side, side))
    for _ in range(3):
        at = draws.uniform(4, side - 4, (2, count, 1, 1))
        images += 90 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 30)
    return np.clip(images + 20, 0, 255).astype(np.uint8)


def asked(unknown, generated):
    """Return questions of these pixels."""
    return Questions(
        {
            "unknown": ImageSet(np.asarray(unknown, np.uint8), "questions.unknown"),
            "generated": ImageSet(np.asarray(generated, np.uint8), "questions.generated"),
        }
    )


def flat(*greys, side=32):
    """Return images of one grey each."""
    return np.repeat(greys, side**2).reshape(-1, side, side).astype(np.uint8)
