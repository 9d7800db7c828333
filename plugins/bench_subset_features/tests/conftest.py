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


class SmallNetwork(nn.Module):
    """As little as a network can be that the harness hands over: two layers, and mean and range."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU())

    def normalised(self, grey):
        return ((grey - 0.5) / 0.5).expand(-1, 3, -1, -1)

    def forward(self, grey):
        return self.body(self.normalised(grey))


class NetworkTools(InProcessTools):
    """Tools in this process, which remember what was said."""

    precision = "fp32"

    def __init__(self, folder, classes) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.checkpoints, self.classes = folder, classes
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
    """Subsets whose images have a bright band at a height of their own; 2 images a patient."""

    def __init__(self, classes: int, n: int = 20) -> None:
        draws = np.random.default_rng(0)

        def images(label, name, groups=None):
            pixels = draws.integers(0, 60, (n, 32, 32))
            pixels[:, 10 * label : 10 * label + 10] += 120
            return ImageSet(pixels.astype(np.uint8), name, groups=groups)

        patients = np.arange(n * classes).reshape(classes, n) // 2
        self.real = [images(c, f"training.real/{c}", patients[c]) for c in range(classes)]
        asked = np.concatenate([images(c, "").pixels for c in range(classes)])
        self.asked = ImageSet(asked, "questions.generated")
        self.truth = np.repeat(np.arange(classes), n)

    @property
    def training(self) -> Training:
        return Training({f"real/{c}": images for c, images in enumerate(self.real)})

    def questions(self, rows=slice(None)) -> Questions:
        return Questions({"generated": self.asked[rows]})


@pytest.fixture(params=[2, 3])
def case(request):
    return Case(request.param)


@pytest.fixture
def tools(tmp_path, case):
    return NetworkTools(tmp_path, len(case.real))
