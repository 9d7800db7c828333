from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from bench_siamese_attention.method import SiameseAttention, bench_methods
from harness.features.backbones import find_backbone
from harness.method import Budget, ImageSet, Questions
from harness.network import Backbone
from harness.testing import check_method
from support import InProcessTools, leaky_case

SMALL = {"width": 16, "heads": 2, "epochs": 20, "rate": 3e-3, "folds": 2, "candidates": 3}


class TrainingTools(InProcessTools):
    """Tools of a cell in which networks are trained."""

    precision = "fp32"
    folder: Path  # set for every test

    def __init__(self):
        super().__init__()
        self.checkpoints = Path(mkdtemp(dir=self.folder))

    def network(self, backbone):
        """Return timm's miniature of a ResNet or a ViT, with random weights."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            body = timm.create_model(backbone, num_classes=0)
        weights = self.checkpoints / f"{backbone}.safetensors"
        save_file(body.state_dict(), weights)
        return Backbone(
            path=str(weights), architecture=backbone, any_side="vit" in backbone, side=160,
            mean=[0.5] * 3, deviation=[0.2] * 3,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingTools, "folder", tmp_path, raising=False)


class PatchTools(TrainingTools):
    """Tools whose feature maps are the patches of an image, 4 x 4 pixels each."""

    def features(self, images, backbone, layer="pool"):
        if not isinstance(layer, str):
            return tuple(self.features(images, backbone, one) for one in layer)
        if layer == "pool":
            return super().features(images, backbone, layer)
        side = images.pixels.shape[1] // 4
        patches = images.pixels.reshape(len(images), side, 4, side, 4).swapaxes(2, 3)
        return patches.reshape(len(images), side**2, 16).astype(np.float32) / 255


@cache
def loaded(backbone):
    return find_backbone(backbone, {}, {}).load("cpu", "fp32")


class RandomTools(TrainingTools):
    """Tools that run the backbones themselves, on random weights."""

    def features(self, images, backbone, layer="pool"):
        layers = [layer] if isinstance(layer, str) else list(layer)
        found = [
            rows.numpy()
            for rows in loaded(backbone)(torch.from_numpy(images.pixels.copy()), layers)
        ]
        return found[0] if isinstance(layer, str) else tuple(found)


def answer(asked=None, case=None, tools=PatchTools, **changes):
    training, questions, truth = case or leaky_case()
    method = SiameseAttention.within(Budget.PAPER, {**SMALL, **changes})
    method.fit(training, tools())
    return method.score(asked or questions, tools()), truth


@pytest.mark.slow
def test_it_learns_to_find_copies():
    prediction, truth = answer(epochs=60, batch=8, best=1)
    assert roc_auc_score(truth, prediction.scores) > 0.9
    assert (prediction.labels == truth).mean() > 0.75


def test_the_answers_follow_the_order_of_the_questions():
    _, questions, _ = leaky_case()
    order = np.random.default_rng(0).permutation(len(questions.unknown))
    turned = Questions(
        {
            "unknown": ImageSet(questions.unknown.pixels[order], "questions.unknown"),
            "generated": questions.generated,
        }
    )
    first, second = answer()[0], answer(turned)[0]
    assert second.scores == pytest.approx(first.scores[order], abs=1e-4)
    assert second.labels.tolist() == first.labels[order].tolist()


def test_a_question_asked_alone_gets_the_same_answer():
    _, questions, _ = leaky_case()
    alone = Questions({"unknown": questions.unknown[[3]], "generated": questions.generated})
    among, single = answer()[0], answer(alone)[0]
    assert single.scores[0] == pytest.approx(among.scores[3], abs=1e-4)
    assert single.labels[0] == among.labels[3]


def test_a_real_is_paired_with_its_nearest_generated_images():
    training, questions, _ = leaky_case()
    method, tools = SiameseAttention(candidates=3), PatchTools()
    pairs = method._pairs([training.used, training.not_used], questions.generated, tools)
    reals = np.concatenate([training.used.pixels, training.not_used.pixels])
    rows = [np.sqrt(p.reshape(len(p), -1) / 255) for p in (reals, questions.generated.pixels)]
    reals, pool = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in rows)
    nearest = np.argsort(-(reals @ pool.T), axis=1)[:, :3]
    assert pairs.near.tolist() == nearest.tolist()
    assert pairs.reals(torch.tensor([13])).shape == (1, 16, 16)


def test_a_small_pool_is_paired_whole():
    _, questions, truth = leaky_case()
    small = Questions({"unknown": questions.unknown, "generated": questions.generated[[0, 1]]})
    assert answer(small, candidates=10, epochs=1)[0].scores.shape == (len(truth),)


@pytest.mark.parametrize("method", bench_methods(), ids=lambda method: method.name)
def test_the_demo_budget_trains_the_packaged_backbone(method):
    demo = method.within(Budget.DEMO)
    assert demo.backbone == "tf_efficientnet_lite0"
    assert method.within(Budget.PAPER).backbone != demo.backbone


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="must divide the width, 30"):
        SiameseAttention(width=30, heads=8)


@pytest.mark.slow
def test_the_paper_budget_trains_on_the_maps_of_resnet50():
    case = leaky_case(n=4)
    tools = RandomTools()
    method = SiameseAttention.within(
        Budget.PAPER, {"backbone": "resnet50@random:0", "epochs": 1, "folds": 2}
    )
    training, questions, truth = case
    method.fit(training, tools)
    pairs = method._pairs([training.used], questions.generated, tools)
    assert pairs.reals(torch.arange(4)).shape == (4, 49, 2048)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == prediction.labels.shape == (len(truth),)
    assert np.isfinite(prediction.scores).all()


@pytest.mark.parametrize(("backbone", "positions"), [("test_resnet", 1), ("test_vit", 4)])
def test_fine_tuning_trains_the_encoder_on_the_images(backbone, positions):
    training, questions, truth = leaky_case()
    changes = {"backbone": backbone, "fine_tune": True, "side": 32, "backbone_rate": 1e-2}
    method = SiameseAttention.within(Budget.PAPER, {**SMALL, "epochs": 1, **changes})
    method.fit(training, tools := PatchTools())
    pairs = method._pairs([training.used, training.not_used], questions.generated, tools)
    assert pairs.reals(torch.arange(24)).shape == (24, 1, 32, 32)
    network = method._learn(pairs, np.repeat([1, 0], 12), "all", tools)
    assert network.maps(pairs.reals(torch.arange(5))).shape == (5, positions, 16)
    before = dict(tools.network(backbone).body.named_parameters())
    after = dict(network.encoder.backbone.body.named_parameters())
    assert before.keys() == after.keys()
    assert sum(not torch.equal(before[name], after[name]) for name in before) > len(before) / 2
    prediction = method.score(questions, PatchTools())
    assert prediction.scores.shape == (len(truth),)


@pytest.mark.slow
def test_it_behaves():
    check_method("siamese-resnet50")
