from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench_resnet_classifier.method import Classifier, ResNetClassifier
from harness.features.networks import from_seed
from harness.method import Access, Budget, ImageSet, Questions, Training
from harness.network import Backbone
from harness.testing import check_method
from support import InProcessTools

SMALL = {"backbone": "test_resnet@random:0", "side": 32, "hidden": 8, "batch": 8, "epochs": 2}
QUICK_TO_LEARN = {"rate": 1e-2, "backbone_rate": 1e-3}


class TrainingTools(InProcessTools):
    """Tools for training timm's networks, with random weights, in this process."""

    precision = "fp32"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir(exist_ok=True)
        self.checkpoints = folder

    def network(self, backbone):
        architecture, seed = backbone.split("@random:")
        path = self.checkpoints / f"{architecture}.safetensors"
        save_file(from_seed(architecture, int(seed)).state_dict(), path)
        return Backbone(
            path=str(path), architecture=architecture, any_side=False, side=224,
            mean=[0.5] * 3, deviation=[0.5] * 3,
        )  # fmt: skip


def images(name, dark, bright, side=16):
    """Images whose left half is bright, and those whose right half is."""
    draws = np.random.default_rng([dark, bright, len(name)])
    pixels = draws.integers(0, 60, (dark + bright, side, side))
    pixels[:dark, :, : side // 2] += 150
    pixels[dark:, :, side // 2 :] += 150
    return ImageSet(pixels.astype(np.uint8), name)


def blind_case(n=12):
    """Used reals are bright on the right, the others on the left; there is no generated image."""
    training = {"used": images("training.used", 0, n), "not_used": images("training.not", n, 0)}
    return Training(training), Questions({"unknown": images("questions.unknown", 6, 6)})


def fitted(folder, case=None, **changes):
    torch.manual_seed(0)
    training, _ = case or blind_case()
    method = ResNetClassifier.within(Budget.PAPER, {**SMALL, **changes})
    method.fit(training, tools := TrainingTools(folder))
    return method, tools


def test_it_learns_what_sets_the_used_reals_apart_without_a_generated_image(tmp_path):
    _, questions = blind_case()
    method, tools = fitted(tmp_path, epochs=15, **QUICK_TO_LEARN)
    prediction = method.score(questions, tools)
    assert prediction.labels.tolist() == [0] * 6 + [1] * 6
    assert prediction.scores[6:].min() > prediction.scores[:6].max()


def test_the_label_is_the_side_of_even_odds(tmp_path):
    _, questions = blind_case()
    method, tools = fitted(tmp_path, epochs=1)
    prediction = method.score(questions, tools)
    with torch.no_grad():
        odds = method._network(questions.unknown.tensor(32)).softmax(1)[:, 1].numpy()
    assert prediction.labels.tolist() == (odds > 0.5).astype(int).tolist()
    assert prediction.scores == pytest.approx(np.log(odds / (1 - odds)), abs=1e-4)


def test_it_asks_for_the_labels_alone():
    assert ResNetClassifier.access == {Access.LABELS}
    assert not ResNetClassifier.control


def test_the_network_is_fine_tuned_with_its_head_and_each_at_its_own_rate(tmp_path):
    method, tools = fitted(tmp_path, epochs=1, rate=1e-2, backbone_rate=1e-5)
    before = dict(tools.network(SMALL["backbone"]).body.named_parameters())
    moved = {
        name: (weight - before[name]).abs().max().item()
        for name, weight in method._network.backbone.body.named_parameters()
    }
    assert sum(step > 0 for step in moved.values()) > len(moved) / 2
    steps = 24 // SMALL["batch"]
    assert max(moved.values()) < 2 * steps * 1e-5  # Adam goes about one rate a step
    torch.manual_seed(0)
    drawn = Classifier(tools.network(SMALL["backbone"]), 8, 0.5).head
    head = [
        (new - old).abs().max().item()
        for new, old in zip(method._network.head.parameters(), drawn.parameters(), strict=True)
    ]
    assert max(head) > 1e-3


def test_the_answers_follow_the_order_of_the_questions_and_their_number(tmp_path):
    _, questions = blind_case()
    method, tools = fitted(tmp_path)
    order = np.random.default_rng(0).permutation(12)
    plain = method.score(questions, tools)
    turned = method.score(Questions({"unknown": questions.unknown[order]}), tools)
    alone = method.score(Questions({"unknown": questions.unknown[[3]]}), tools)
    assert turned.scores == pytest.approx(plain.scores[order], abs=1e-4)
    assert alone.scores[0] == pytest.approx(plain.scores[3], abs=1e-4)


def test_the_same_seed_gives_the_same_answers(tmp_path):
    _, questions = blind_case()
    first, second = (
        method.score(questions, tools).scores.tolist()
        for method, tools in (fitted(tmp_path / "1"), fitted(tmp_path / "2"))
    )
    assert first == second


def test_one_used_image_is_enough(tmp_path):
    training, questions = blind_case()
    one = Training({"used": training.used[:1], "not_used": training.not_used})
    method, tools = fitted(tmp_path, (one, questions), epochs=1)
    assert np.isfinite(method.score(questions, tools).scores).all()


def test_the_demo_budget_fine_tunes_the_packaged_backbone():
    paper, demo = (ResNetClassifier.within(budget) for budget in (Budget.PAPER, Budget.DEMO))
    assert (paper.backbone, paper.side) == ("resnetv2_50.a1h_in1k", 224)
    assert demo.backbone == "tf_efficientnet_lite0"


@pytest.mark.slow
def test_at_the_paper_budget_a_resnet50v2_with_its_head_is_fine_tuned(tmp_path):
    case = blind_case(4)
    backbone = "resnetv2_50@random:0"
    torch.manual_seed(0)
    method = ResNetClassifier.within(Budget.PAPER, {"backbone": backbone, "epochs": 2, "batch": 4})
    method.fit(case[0], tools := TrainingTools(tmp_path))
    network = method._network
    assert network.backbone.body.default_cfg["architecture"] == "resnetv2_50"
    sizes = [(m.in_features, m.out_features) for m in network.head if isinstance(m, nn.Linear)]
    assert sizes == [(2048, 256), (256, 2)]
    assert [m.p for m in network.head if isinstance(m, nn.Dropout)] == [0.5]
    assert method._prepare(tools)(case[1].unknown[:2]).shape == (2, 1, 224, 224)
    prediction = method.score(case[1], tools)
    assert prediction.scores.shape == prediction.labels.shape == (12,)
    assert np.isfinite(prediction.scores).all()


@pytest.mark.slow
def test_it_behaves():
    check_method("resnet-classifier")
