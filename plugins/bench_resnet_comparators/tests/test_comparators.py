from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from bench_resnet_comparators import relation
from bench_resnet_comparators.common import drawn, pooled
from bench_resnet_comparators.method import bench_methods
from bench_resnet_comparators.network import RelationNetwork
from harness.method import Access, Budget, ImageSet, Questions, Training
from harness.network import Backbone
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
TRAINED = [name for name, method in METHODS.items() if method.trains]


class Tools(InProcessTools):
    """Tools of a cell, with maps of 4 x 4 patches and networks of random weights."""

    precision = "fp32"
    folder: Path  # set for every test

    def __init__(self):
        super().__init__()
        self.checkpoints = Path(mkdtemp(dir=self.folder))
        self.logged = []

    def log(self, text):
        self.logged.append(text)

    def features(self, images, backbone, layer="pool"):
        side = images.pixels.shape[1] // 4
        patches = images.pixels.reshape(len(images), side, 4, side, 4).swapaxes(2, 3)
        maps = patches.reshape(len(images), side**2, 16).astype(np.float32) / 255
        return maps.mean(1) if layer == "pool" else maps

    def network(self, backbone):
        architecture = backbone.partition("@")[0].partition(".")[0]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            body = timm.create_model(architecture, num_classes=0)
        weights = self.checkpoints / f"{architecture}.safetensors"
        save_file(body.state_dict(), weights)
        return Backbone(
            path=str(weights), architecture=architecture, any_side=False, side=160,
            mean=[0.5] * 3, deviation=[0.2] * 3,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(Tools, "folder", tmp_path, raising=False)


SMALL = {
    "relation-network": {
        "backbone": "test_resnet", "width": 8, "partners": 3, "epochs": 1, "asked": 5,
    }
}  # fmt: skip
SMALL["relation-network-as-coded"] = SMALL["relation-network"]


def answer(name, asked=None, case=None, **changes):
    training, questions, truth = case or leaky_case(side=32)
    torch.manual_seed(0)
    method = METHODS[name].within(Budget.PAPER, {**SMALL.get(name, {}), **changes})
    method.fit(training, tools := Tools())
    return method.score(asked or questions, tools), truth


@cache
def usual(name):
    """Return the answer to the usual questions, learnt once."""
    return answer(name)[0]


def lighter(shift=60, n=12):
    """Return a case in which used reals are lighter than others."""
    training, questions, truth = leaky_case(side=32)

    def moved(images, by):
        pixels = np.clip(images.pixels * 0.5 + by, 0, 255).astype(np.uint8)
        return ImageSet(pixels, images.name)

    asked = [moved(questions.unknown[:n], shift), moved(questions.unknown[n:], 0)]
    unknown = ImageSet(np.concatenate([part.pixels for part in asked]), "questions.unknown")
    sets = {"used": moved(training.used, shift), "not_used": moved(training.not_used, 0)}
    return (
        Training({**sets, "generated": training.generated}),
        Questions({"unknown": unknown, "generated": questions.generated}),
        truth,
    )


def one_used(case):
    training, questions, truth = case
    sets = {"used": training.used[:1], "not_used": training.not_used}
    return Training({**sets, "generated": training.generated}), questions, truth


@pytest.mark.parametrize("name", ["feature-svm", "ward-clustering"])
def test_used_reals_that_look_different_are_told(name):
    prediction, truth = answer(name, case=lighter())
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


@pytest.mark.slow
def test_the_relation_network_learns_how_used_reals_look():
    changes = {"rate": 0.02, "epochs": 8, "partners": 6}
    prediction, _ = answer("relation-network", case=lighter(), **changes)
    assert prediction.scores[:12].mean() > prediction.scores[12:].mean() + 0.2


def test_ward_as_coded_answers_with_the_number_of_the_cluster():
    prediction, truth = answer("ward-clustering-as-coded", case=lighter())
    assert METHODS["ward-clustering-as-coded"].access == {Access.TRANSDUCTIVE}
    assert prediction.labels.tolist() in (truth, [1 - label for label in truth])


def test_a_cluster_without_training_reals_gets_the_share_of_all():
    training, questions, _ = lighter()
    alone = Training(
        {"used": training.not_used[:3], "not_used": training.not_used[3:9], "generated": None}
    )
    prediction, _ = answer("ward-clustering", case=(alone, questions, None))
    assert set(prediction.scores.tolist()) == {1 / 3}
    assert not prediction.labels.any()


@pytest.mark.parametrize("name", METHODS)
def test_the_answers_follow_the_order_of_the_questions(name):
    _, questions, _ = leaky_case(side=32)
    order = np.random.default_rng(0).permutation(len(questions.unknown))
    turned = ImageSet(questions.unknown.pixels[order], "questions.unknown")
    asked = Questions({"unknown": turned, "generated": questions.generated})
    first, second = usual(name), answer(name, asked)[0]
    assert second.scores == pytest.approx(first.scores[order], abs=1e-5)
    assert second.labels.tolist() == first.labels[order].tolist()


@pytest.mark.parametrize("name", ["relation-network", "feature-svm"])
def test_a_question_asked_alone_gets_the_same_answer(name):
    _, questions, _ = leaky_case(side=32)
    alone = Questions({"unknown": questions.unknown[[3]], "generated": questions.generated})
    assert answer(name, alone)[0].scores[0] == pytest.approx(usual(name).scores[3], abs=1e-5)


@pytest.mark.parametrize("name", ["relation-network", "feature-svm", "ward-clustering"])
def test_one_used_image_is_enough(name):
    prediction, _ = answer(name, case=one_used(leaky_case(side=32)))
    assert np.isfinite(prediction.scores).all()


def test_a_machine_that_does_not_settle_is_told(monkeypatch):
    monkeypatch.setattr("bench_resnet_comparators.svm.ROUNDS", 1)
    training, _, _ = leaky_case(side=32)
    METHODS["feature-svm"]().fit(training, tools := Tools())
    assert "did not settle" in tools.logged[-1]


def test_features_are_pooled_over_positions():
    training, _, _ = leaky_case(side=32)
    maps = Tools().features(training.used, "any", "tokens")
    for pooling, expected in (("max", maps.max(1)), ("average", maps.mean(1))):
        assert pooled(training.used, "any", pooling, Tools()) == pytest.approx(expected)


def test_partners_are_drawn_once_for_all():
    assert drawn(5, 3, 0).tolist() == [0, 1, 2]
    rows = drawn(20, 100, 0)
    assert len(set(rows)) == 20
    assert rows.tolist() == sorted(rows) == drawn(20, 100, 0).tolist()
    assert rows.tolist() != drawn(20, 100, 1).tolist()


def test_every_training_real_meets_every_partner(monkeypatch):
    seen = []

    def train(loss_of, images, networks, **others):
        [network] = networks.values()
        monkeypatch.setattr(network, "forward", lambda *pair: seen.append(pair) or torch.zeros(6))
        loss_of(torch.arange(images)[-6:])
        assert images == 24 * 3

    monkeypatch.setattr(relation, "train", train)
    answer("relation-network")
    training, _, _ = leaky_case(side=32)
    real, generated = (half.squeeze(1).numpy() * 255 for half in seen[0])
    partners = training.generated.pixels[drawn(3, len(training.generated), 0)]
    assert real == pytest.approx(np.repeat(training.not_used.pixels[-2:], 3, 0), abs=0.01)
    assert generated == pytest.approx(np.tile(partners, (2, 1, 1)), abs=0.01)


def test_scores_of_all_pairs_are_those_of_each():
    torch.manual_seed(0)
    network = RelationNetwork(*(Tools().network("test_resnet") for _ in range(2)), 8).eval()
    real, generated = torch.rand(4, 1, 64, 64), torch.rand(3, 1, 64, 64)
    with torch.inference_mode():
        found = network.all_scores(network.contribution("real", real), generated, at_once=3)
        for row, one in enumerate(generated):
            expected = network(real, one.expand(4, 1, 64, 64)).sigmoid()
            assert found[row].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_softmax_as_coded_lets_the_pairs_of_a_batch_compete():
    used = torch.tensor([1.0, 0.0, 0.0, 1.0])
    right, wrong = torch.tensor([3.0, -3.0, -3.0, 3.0]), torch.tensor([-3.0, 3.0, 3.0, -3.0])
    assert relation._listwise(right, used) < relation._listwise(wrong, used)
    assert relation._listwise(right, torch.zeros(4)) == 0
    shares = right.sigmoid().softmax(0)
    expected = -(used * (shares - shares.exp().sum().log())).sum()
    assert relation._listwise(right, used).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_paper_budget_is_the_papers():
    method = METHODS["relation-network"].within(Budget.PAPER)
    assert (method.backbone, method.rate, method.momentum, method.decay, method.batch) == (
        "resnet101.tv_in1k", 1e-5, 0.9, 5e-4, 8,
    )  # fmt: skip
    assert METHODS["feature-svm"].within(Budget.PAPER).backbone == "resnet101.tv_in1k"
    assert METHODS["ward-clustering"].within(Budget.PAPER).backbone == "resnet50.tv_in1k"


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_the_paper_budget_trains_two_resnet101(name):
    training, questions, truth = leaky_case(n=2, side=64)
    method = METHODS[name].within(
        Budget.PAPER, {"backbone": "resnet101@random:0", "epochs": 1, "partners": 2, "asked": 2}
    )
    method.fit(training, tools := Tools())
    shapes = {key: tuple(value.shape) for key, value in method._network.named_parameters()}
    assert shapes["joint.weight"] == (2048, 4096, 3, 3)
    assert shapes["second.0.weight"] == (2048, 2048, 3, 3)
    assert shapes["head.0.weight"] == (8, 2048)
    assert shapes["head.2.weight"] == (1, 8)
    encoders = [key for key in shapes if key.startswith("encoders.")]
    assert len(encoders) == 2 * len(
        list(timm.create_model("resnet101", num_classes=0).parameters())
    )
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == (len(truth),)
    assert np.isfinite(prediction.scores).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ward-clustering"])
def test_it_behaves(name):
    check_method(name)
