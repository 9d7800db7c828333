"""The method as a worker would run it, on patches of pixels or a ViT with random weights."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench_canet.method import CANet, bench_methods
from harness.features.backbones import find_backbone
from harness.learning import train
from harness.method import Access, Budget, ImageSet, Questions, Training
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
SMALL = {
    "layers": ("fine:tokens", "coarse:tokens"),
    "width": 16,
    "pairs": 2,
    "batch": 8,
    "epochs": 2,
    "rate": 3e-3,
    "folds": 2,
    "clusters": 2,
}


class PatchTools(InProcessTools):
    """Tools whose token maps are the patches of an image, of 2 x 2 and of 4 x 4 pixels."""

    precision = "fp32"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        torch.manual_seed(0)
        folder.mkdir(exist_ok=True)
        self.checkpoints = folder
        self.said = []

    def features(self, images, backbone, layer="pool"):
        if not isinstance(layer, str):
            return tuple(self.features(images, backbone, one) for one in layer)
        if layer == "pool":
            return super().features(images, backbone, layer)
        patch = {"fine:tokens": 2, "coarse:tokens": 4}[layer]
        side = images.pixels.shape[1] // patch
        patches = images.pixels.reshape(len(images), side, patch, side, patch).swapaxes(2, 3)
        return patches.reshape(len(images), side**2, patch**2).astype(np.float32) / 255

    def cached(self, key, make):
        return make()

    def log(self, text):
        self.said.append(text)


@cache
def loaded(backbone):
    return find_backbone(backbone, {}, {}).load("cpu", "fp32")


class RandomTools(PatchTools):
    """Tools that run the backbones themselves, on random weights."""

    def features(self, images, backbone, layer="pool"):
        pixels = torch.from_numpy(images.pixels.copy())
        return tuple(rows.numpy() for rows in loaded(backbone)(pixels, list(layer)))


def answer(tools, asked=None, name="canet", case=None, **changes):
    training, questions, truth = case or leaky_case()
    method = METHODS[name].within(Budget.PAPER, {**SMALL, **changes})
    method.fit(training, tools)
    return method.score(asked or questions, tools), truth


def asking(rows):
    _, questions, _ = leaky_case()
    return Questions({"unknown": questions.unknown[rows], "generated": questions.generated})


@pytest.mark.parametrize("name", ["canet", "canet-transductive"])
def test_the_answers_follow_the_order_of_the_questions(tmp_path, name):
    order = np.random.default_rng(0).permutation(24)
    first, _ = answer(PatchTools(tmp_path / "1"), asking(np.arange(24)), name)
    second, _ = answer(PatchTools(tmp_path / "2"), asking(order), name)
    assert second.scores == pytest.approx(first.scores[order], abs=1e-3)
    assert second.labels.tolist() == first.labels[order].tolist()


def test_a_question_asked_alone_gets_the_same_answer(tmp_path):
    among, _ = answer(PatchTools(tmp_path / "1"), nearest=5)
    single, _ = answer(PatchTools(tmp_path / "2"), asking([3]), nearest=5)
    assert single.scores[0] == pytest.approx(among.scores[3], abs=1e-3)
    assert single.labels[0] == among.labels[3]


def test_questions_compete_with_each_other_in_the_transductive_variant(tmp_path):
    changes = {"name": "canet-transductive", "nearest": 1}
    among, _ = answer(PatchTools(tmp_path / "1"), **changes)
    single, _ = answer(PatchTools(tmp_path / "2"), asking([23]), **changes)
    assert among.scores[23] != pytest.approx(single.scores[0], abs=1e-3)
    assert Access.TRANSDUCTIVE in METHODS["canet-transductive"].access
    assert Access.TRANSDUCTIVE not in METHODS["canet"].access


def test_an_image_on_no_list_is_called_not_used_and_scores_lowest(tmp_path):
    training, questions, _ = leaky_case()
    strange = np.where(np.indices((16, 16)).sum(0) % 2, 255, 0).astype(np.uint8)
    pixels = np.concatenate([questions.unknown.pixels, strange[None]])
    asked = Questions(
        {"unknown": ImageSet(pixels, "questions.unknown"), "generated": questions.generated}
    )
    prediction, _ = answer(PatchTools(tmp_path), asked, case=(training, asked, []), nearest=2)
    assert prediction.labels[-1] == 0
    assert prediction.scores[-1] == prediction.scores.min()
    assert np.isfinite(prediction.scores).all()


def test_it_works_when_nothing_is_on_a_list(tmp_path):
    tools = PatchTools(tmp_path)
    prediction, _ = answer(tools, clusters=4, outliers=1.0, nearest=20)
    assert not prediction.labels.any()
    assert any("stays untrained" in line for line in tools.said)


@pytest.mark.parametrize("method", bench_methods(), ids=lambda method: method.name)
def test_the_demo_budget_takes_the_packaged_backbone(method):
    demo = method.within(Budget.DEMO)
    assert demo.backbone == "tf_efficientnet_lite0"
    assert demo.layers == ("stage3:tokens", "stage4:tokens", "stage5:tokens")


def test_one_variant_is_the_headline_and_has_the_runs():
    assert [name for name, method in METHODS.items() if method.headline] == ["canet"]
    assert METHODS["canet"].reference.runs == ("1801", "1802", "1803", "1804", "1873")
    assert METHODS["canet-vit-large"].reference.runs == ()


def test_the_depths_are_those_of_the_sources():
    paper = {name: method.within(Budget.PAPER) for name, method in METHODS.items()}
    assert paper["canet"].layers == ("block6:tokens", "block9:tokens", "block12:tokens")
    assert paper["canet-vit-large"].layers == ("block6:tokens", "block12:tokens", "block18:tokens")
    assert "vit_large" in paper["canet-vit-large"].backbone


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 30}, "must divide the width, 30"),
        ({"layers": ("block6",)}, "name it block6:tokens"),
        ({"temperatures": (2.0, 1.0)}, "in ascending order"),
    ],
)
def test_parameters_that_make_no_network_are_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        CANet(**change)


@pytest.mark.slow
def test_the_paper_budget_has_the_described_sizes_and_trains(tmp_path):
    training, questions, _ = leaky_case(n=4)
    few = Training({"used": training.used, "not_used": training.not_used})
    method = CANet.within(
        Budget.PAPER, {"backbone": "vit_base_patch16_224@random:0", "epochs": 2, "batch": 4}
    )
    tools = RandomTools(tmp_path)
    pool = method._seen([questions.generated[:6]], tools)
    assert pool.maps.side == 14
    assert [depth.shape for depth in pool.maps(torch.arange(2))] == [(2, 196, 768)] * 3
    known = method._seen(few.reals.sets, tools)
    pairs = method._pairs(known, pool, method._lists(known, pool, tools).kept, tools)
    network = method._train(pairs, few.reals.labels, "all", tools)
    assert network.maps(pool.maps(torch.arange(2))).shape == (2, 196, 1536)
    assert network.attention.num_heads == 8
    assert network.attention.embed_dim == 1536
    verdicts = pairs.judged(network, tools)
    assert verdicts.confidence.shape == (8, 6)
    assert ((verdicts.confidence > 0) & (verdicts.confidence < 1)).all()
    assert np.isfinite(verdicts.similarity).all()


def test_the_rate_falls_as_a_cosine(tmp_path, monkeypatch):
    courses = []

    def watched(loss_of, **course):
        courses.append(course)
        return train(loss_of, **course)

    monkeypatch.setattr("bench_canet.method.train", watched)
    answer(PatchTools(tmp_path), epochs=4)
    assert len(courses) == 3  # two folds and all
    for course in courses:
        assert isinstance(course["optimiser"], torch.optim.AdamW)
        assert isinstance(course["schedule"], torch.optim.lr_scheduler.CosineAnnealingLR)
        assert course["optimiser"].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_it_behaves():
    check_method("canet")
