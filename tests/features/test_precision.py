"""Precision auto: what it takes for bf16 to be chosen, and that the choice is told and kept."""

import numpy as np
import pytest
import torch

from harness.features import precision
from harness.features.backbones import RandomBackbone
from harness.features.batches import Batches
from harness.features.precision import compare, load
from harness.weights import Weights

MEASURED = precision._speed
WEIGHTS = Weights("net", "none", "0" * 64)


class Net:
    """Both precisions of a made-up network; bf16 adds noise to its features."""

    preprocessing = "as it is"
    layers = ("pool",)
    independent = False
    footprint = 2**20

    def __init__(self, kind, noise):
        self.precision, self.noise = kind, noise if kind == "bf16" else 0.0

    def __call__(self, pixels, layers):
        rows = pixels.flatten(1).float()
        draws = torch.Generator().manual_seed(0)
        return [rows + self.noise * torch.randn(rows.shape, generator=draws)]


class Made:
    """A backbone of such networks that counts how often it is loaded."""

    def __init__(self, noise, kinds=("fp32", "bf16")):
        self.noise, self.kinds, self.loads = noise, kinds, []

    def load(self, device, wanted):
        self.loads.append(wanted)
        return Net(wanted if wanted in self.kinds else "fp32", self.noise)


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(precision, "_speed", lambda *_: 2.0)


def images(n=150):
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8), np.uint8)


def choose(made, n=150, wanted="auto"):
    batches, choice = load(made, WEIGHTS, "cpu", wanted, images=images(n), say=print)
    assert batches.extractor.precision == choice.precision
    return choice


def test_bf16_is_chosen_where_it_is_faster_and_means_the_same():
    choice = choose(Made(noise=0.01))
    assert choice.precision == "bf16"
    assert choice.reason.startswith("2 times as fast, cosine at least 1.00000")
    assert "100.0% of 150 images" in choice.reason


def test_bf16_that_changes_the_features_is_not_chosen():
    choice = choose(Made(noise=60.0))
    assert choice.precision == "fp32"
    assert choice.reason.startswith("bf16 changes too much")


def test_a_change_too_small_for_the_cosine_may_still_swap_neighbours():
    """Crowded features: all nearly alike, so that a little noise decides who is nearest."""
    crowded = (200 + np.random.default_rng(1).integers(0, 3, (150, 8, 8))).astype(np.uint8)
    exact, short = (Batches("net", Net(kind, 1.0), "cpu") for kind in ("fp32", "bf16"))
    choice = compare(exact, short, crowded, print)
    assert choice.precision == "fp32"
    assert "cosine at least 0.999" in choice.reason


def test_bf16_that_is_not_faster_is_not_chosen(monkeypatch):
    monkeypatch.setattr(precision, "_speed", lambda *_: 0.013)
    assert choose(Made(noise=0.0)).reason == "bf16 is not faster (0.013 times as fast)"


def test_a_choice_is_made_once_for_the_same_weights(monkeypatch):
    first = Made(noise=0.01)
    assert choose(first).precision == "bf16"
    again = Made(noise=0.01)
    monkeypatch.setattr(precision, "_speed", lambda *_: pytest.fail("timed again"))
    assert choose(again) == choose(again)
    assert again.loads == ["bf16", "bf16"]


def test_a_real_network_is_timed_and_compared(monkeypatch):
    monkeypatch.setattr(precision, "_speed", lambda *given: max(2, MEASURED(*given)))
    choice = choose(RandomBackbone("made", "test_resnet", 0))
    assert "keep their nearest neighbour" in choice.reason
    made = (RandomBackbone("made", "test_resnet", 0).load("cpu", kind) for kind in ("fp32", "bf16"))
    assert MEASURED(*(Batches("net", net, "cpu") for net in made), images(8)) > 0


def test_too_few_images_decide_nothing_for_later_runs():
    few = choose(Made(noise=0.01), n=99)
    assert (few.precision, few.reason) == ("fp32", "99 images are too few to check bf16 on")
    assert choose(Made(noise=0.01)).precision == "bf16"


def test_an_extractor_with_one_precision_keeps_it():
    assert choose(Made(noise=0.0, kinds=("fp32",))).reason == "it has no other precision"


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_what_is_asked_for_by_name_is_not_examined(wanted):
    made = Made(noise=60.0)
    choice = choose(made, wanted=wanted)
    assert (choice.precision, choice.reason, made.loads) == (wanted, None, [wanted])
