"""Training inside a method: real small networks, interrupted at any step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import harness.learning
from harness.features.backbones import RandomBackbone
from harness.features.networks import export
from harness.learning import train
from harness.network import Backbone


class SmallTools:
    device = "cpu"
    precision = "fp32"

    def __init__(self, folder: Path, stop_before: int | None = None) -> None:
        self.checkpoints, self.stop_before = folder, stop_before
        self.said: list[str] = []

    def progress(self, steps, what):
        for step in steps:
            if step == self.stop_before:
                raise KeyboardInterrupt
            yield step

    def log(self, text):
        self.said.append(text)


def fit(tools, epochs=4, images=10, batch=3):
    torch.manual_seed(5)
    points = torch.linspace(-1, 1, images).unsqueeze(1)
    network = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 1, 0.5)
    seen = []

    def loss_of(rows):
        seen.append(rows.tolist())
        return (network(points[rows]) - points[rows] ** 2).square().mean()

    losses = train(
        loss_of, images=images, batch=batch, epochs=epochs, optimiser=optimiser,
        networks={"network": network}, tools=tools, what="small", schedule=schedule,
    )  # fmt: skip
    return losses, {name: value.clone() for name, value in network.state_dict().items()}, seen


def test_every_epoch_has_an_order_of_its_own_and_leaves_the_rest_out(tmp_path):
    losses, _, seen = fit(SmallTools(tmp_path))
    assert len(losses) == 4
    assert [len(rows) for rows in seen] == [3] * 12
    epochs = np.array(seen).reshape(4, 9)
    assert all(len(set(rows)) == 9 for rows in epochs.tolist())
    assert len({tuple(rows) for rows in epochs.tolist()}) == 4


def test_fewer_images_than_a_batch_are_one_batch(tmp_path):
    _, _, seen = fit(SmallTools(tmp_path), images=2)
    assert [sorted(rows) for rows in seen] == [[0, 1]] * 4


@pytest.mark.parametrize("stop", range(1, 12))
def test_an_interrupted_fit_goes_on_and_ends_the_same(tmp_path, monkeypatch, stop):
    undisturbed = fit(SmallTools(tmp_path / "undisturbed"))
    monkeypatch.setattr(harness.learning, "SAVED_EVERY", -1)
    with pytest.raises(KeyboardInterrupt):
        fit(SmallTools(tmp_path / "fit", stop_before=stop))
    tools = SmallTools(tmp_path / "fit")
    losses, weights, seen = fit(tools)
    assert len(seen) == 12 - stop
    assert losses == undisturbed[0]
    assert all(torch.equal(weights[name], value) for name, value in undisturbed[1].items())
    assert f"goes on after {stop} steps" in tools.said[0]


def test_a_damaged_checkpoint_is_said_and_begun_again(tmp_path):
    (tmp_path / "small.pt").write_bytes(b"nothing")
    tools = SmallTools(tmp_path)
    assert len(fit(tools)[2]) == 12
    assert "cannot be read" in tools.said[0]


def test_a_loss_that_is_not_finite_ends_the_fit(tmp_path):
    network = nn.Linear(1, 1)
    optimiser = torch.optim.SGD(network.parameters(), 1.0)
    with pytest.raises(FloatingPointError, match="odd: the loss is nan at step 1"):
        train(
            lambda rows: network(torch.full((len(rows), 1), np.nan)).mean(),
            images=4, batch=2, epochs=1, optimiser=optimiser, networks={}, what="odd",
            tools=SmallTools(tmp_path),
        )  # fmt: skip


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "lcnet_035"])
def test_a_backbone_knows_the_length_of_its_features(tmp_path, name):
    extractor = RandomBackbone(name, name, 0).load("cpu", "fp32")
    network = Backbone(**export(extractor, tmp_path / "w.safetensors").model_dump(exclude={"say"}))
    assert network(torch.rand(2, 1, network.side, network.side)).shape == (2, network.width)
