"""A small attribution case, and tools that hand over networks with random weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.features.networks import from_seed
from harness.method import ImageSet, Questions, Training
from harness.network import Backbone
from support import InProcessTools

CLASSES = 3


class SmallNetwork(nn.Module):
    """As little as a network can be that the harness hands over."""

    side = 32
    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 8, stride=8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 16, 8),
        )  # fmt: skip

    def forward(self, grey):
        return self.layers(grey)


class TrainingTools(InProcessTools):
    """Tools for training networks in this process."""

    precision = "fp32"
    classes = CLASSES

    def __init__(self, folder) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.checkpoints = folder
        self.said = []

    def network(self, backbone):
        if backbone == "small":
            return SmallNetwork()
        architecture, seed = backbone.split("@random:")
        path = self.checkpoints / f"{architecture}.safetensors"
        save_file(from_seed(architecture, int(seed)).state_dict(), path)
        return Backbone(
            path=str(path), architecture=architecture, any_side=False, side=64,
            mean=[0.5] * 3, deviation=[0.5] * 3,
        )  # fmt: skip

    def log(self, text):
        self.said.append(text)


class Case:
    """Subsets whose images have a bright band at a height of their own; reals are darker.

    Attributes:
        real, generated: sets of the training part, by class.
        asked, truth: questions, and the class of each.
    """

    def __init__(self, n: int = 12) -> None:
        draws = np.random.default_rng(0)

        def images(label, level):
            pixels = draws.integers(0, 60, (n, 32, 32))
            pixels[:, 10 * label : 10 * label + 10] += level
            return pixels.astype(np.uint8)

        patients = np.arange(n * CLASSES).reshape(CLASSES, n) // 2
        self.real = {
            c: ImageSet(images(c, 60), f"training.real/{c}", groups=patients[c])
            for c in range(CLASSES)
        }
        self.generated = {
            c: ImageSet(images(c, 180), f"training.generated/{c}") for c in range(CLASSES)
        }
        asked = np.concatenate([images(c, 180) for c in range(CLASSES)])
        self.asked = ImageSet(asked, "questions.generated")
        self.truth = np.repeat(np.arange(CLASSES), n)

    @property
    def training(self) -> Training:
        real = {f"real/{c}": images for c, images in self.real.items()}
        return Training(real | {f"generated/{c}": images for c, images in self.generated.items()})

    @property
    def reals_alone(self) -> Training:
        return Training({f"real/{c}": images for c, images in self.real.items()})

    def questions(self, rows=slice(None)) -> Questions:
        return Questions({"generated": self.asked[rows]})


@pytest.fixture
def case():
    return Case()


@pytest.fixture
def tools(tmp_path):
    return TrainingTools(tmp_path)
