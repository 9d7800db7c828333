"""The methods as a worker would run them, on real networks with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench_moco_moe.method import EFFICIENTNET, RESNET50, VIT, bench_methods
from harness.features.networks import from_seed
from harness.method import Budget, ImageSet, Questions, Training
from harness.network import Backbone
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
SMALL = {"side": 32, "batch": 8, "epochs": 2, "queue": 32, "momentum": 0.9}


class SmallNetwork(nn.Module):
    """As little as a network can be that the harness hands over."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=4), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, images):
        return self.layers(images).mean((2, 3))


class TrainingTools(InProcessTools):
    """Tools for training networks in this process: small ones, or timm's with random weights."""

    precision = "fp32"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scratch = self.checkpoints = folder
        self.said: list[str] = []
        self._made = {}

    def network(self, backbone):
        if backbone.startswith("small:"):
            return SmallNetwork(int(backbone.removeprefix("small:")))
        architecture, seed = backbone.split("@random:")
        body = from_seed(architecture, int(seed))
        path = self.scratch / f"{architecture}.safetensors"
        save_file(body.state_dict(), path)
        return Backbone(
            path=str(path), architecture=architecture, any_side="vit" in architecture, side=224,
            mean=[0.5] * 3, deviation=[0.5] * 3,
        )  # fmt: skip

    def cached(self, key, make):
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def log(self, text):
        self.said.append(text)


def networks_of(name: str) -> dict:
    if "moe" in name:
        return {"backbones": ("small:16", "small:6", "small:10"), "width": 16}
    return {"backbone": "small:12"}


def fitted(name: str, folder: Path, training: Training | None = None, **changes):
    """Return a fitted small method, its tools, and the losses of its steps."""
    folder.mkdir(exist_ok=True)
    parameters = {**SMALL, **networks_of(name), **changes}
    method = METHODS[name].within(Budget.PAPER, parameters)
    tools = TrainingTools(folder)
    method.fit(training or leaky_case()[0], tools)
    losses = torch.load(folder / "training.pt", weights_only=True)["losses"]
    return method, tools, losses


def with_not_used(pixels: np.ndarray) -> Training:
    training, _, _ = leaky_case()
    sets = {"used": training.used, "generated": training.generated}
    return Training({**sets, "not_used": ImageSet(pixels, "training.not_used")})


def with_used(pixels: np.ndarray) -> Training:
    training, _, _ = leaky_case()
    sets = {"not_used": training.not_used, "generated": training.generated}
    return Training({**sets, "used": ImageSet(pixels, "training.used")})


@pytest.mark.parametrize("name", ["moco-resnet50", "moco-moe"])
@pytest.mark.parametrize("exchange", [with_used, with_not_used])
def test_labelled_reals_enter_the_loss_that_is_described_and_not_the_coded_one(
    tmp_path, name, exchange
):
    others = np.random.default_rng(9).integers(0, 256, (12, 16, 16)).astype(np.uint8)
    for method, differs in ((name, True), (f"{name}-as-coded", False)):
        first = fitted(method, tmp_path / f"{method}-1")[2]
        second = fitted(method, tmp_path / f"{method}-2", exchange(others))[2]
        assert (first != second) is differs, (first, second)


def test_not_used_reals_leave_a_trace_in_the_coded_batch_statistics(tmp_path):
    black = with_not_used(np.zeros((12, 16, 16), np.uint8))
    states = [
        fitted("moco-resnet50-as-coded", tmp_path / str(number), training)[0]._encoder.state_dict()
        for number, training in enumerate((None, black))
    ]
    differ = {name for name, value in states[0].items() if not torch.equal(value, states[1][name])}
    assert differ
    assert all(name.endswith(("running_mean", "running_var")) for name in differ)


@pytest.mark.parametrize("name", ["moco-resnet50", "moco-resnet50-as-coded", "moco-moe-as-coded"])
def test_the_score_is_the_largest_cosine_and_the_label_its_threshold(tmp_path, name):
    _, questions, _ = leaky_case()
    method, tools, _ = fitted(name, tmp_path)
    prediction = method.score(questions, tools)
    unknown, pool = (
        method._embed(method._encoder, images, tools)
        for images in (questions.unknown, questions.generated)
    )
    assert np.linalg.norm(unknown, axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    assert prediction.scores == pytest.approx((unknown @ pool.T).max(1), abs=1e-5)
    assert (
        prediction.labels.tolist() == (prediction.scores >= method.threshold).astype(int).tolist()
    )
    cut = float(np.median(prediction.scores))
    moved = method.model_copy(update={"threshold": cut})
    assert moved.score(questions, tools).labels.sum() == (prediction.scores >= cut).sum()


def test_coded_embeddings_are_not_negative_and_described_ones_are(tmp_path):
    _, questions, _ = leaky_case()
    for name, negative in (("moco-resnet50", True), ("moco-resnet50-as-coded", False)):
        method, tools, _ = fitted(name, tmp_path / name)
        embedded = method._embed(method._encoder, questions.unknown, tools)
        assert (embedded.min() < 0) is np.bool_(negative)


def test_a_threshold_can_be_learnt_on_training_reals_by_encoders_that_did_not_see_them(tmp_path):
    _, questions, _ = leaky_case()
    method, tools, _ = fitted("moco-resnet50", tmp_path, threshold="training", epochs=1)
    prediction = method.score(questions, tools)
    folds = [key for key in tools._made if key.startswith("training without")]
    assert len(folds) == 5
    flagged = prediction.scores[prediction.labels == 1]
    rest = prediction.scores[prediction.labels == 0]
    assert not len(flagged) or not len(rest) or flagged.min() > rest.max()
    again = method.score(questions, tools)
    assert again.labels.tolist() == prediction.labels.tolist()


def test_fewer_reals_than_are_drawn_are_said(tmp_path):
    one = leaky_case()[0].used.pixels[:1]
    _, tools, _ = fitted("moco-resnet50", tmp_path, with_used(one))
    assert tools.said[:1] == ["training.used: 1 instead of 2 are drawn; there are no more"]


def test_the_coded_optimiser_leaves_two_heads_as_drawn(tmp_path):
    method, tools, _ = fitted("moco-moe-as-coded", tmp_path, momentum=0.0)
    encoder = method._encoder  # with momentum 0 the follower is what was trained
    torch.manual_seed(0)
    drawn = method._build(tools)
    for unify, fresh in zip(encoder.unify[1:], drawn.unify[1:], strict=True):
        assert torch.equal(unify.weight, fresh.weight)
    assert not torch.equal(encoder.gate[0].weight, drawn.gate[0].weight)
    moved = fitted("moco-moe", tmp_path / "described")[0]._encoder
    assert not torch.equal(moved.unify[1].weight, drawn.unify[1].weight)


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "moco-resnet50": (RESNET50, 2, 5, 0.6, 0.6, 50),
        "moco-resnet50-config2": (RESNET50, 1, 1, 0.65, 0.65, 50),
        "moco-resnet50-config3": (RESNET50, 5, 10, 0.6, 0.6, 100),
        "moco-efficientnet": (EFFICIENTNET, 1, 1, 0.6, 0.6, 50),
        "moco-vit": (VIT, 1, 1, 0.6, 0.63, 50),
        "moco-moe": ((RESNET50, EFFICIENTNET, VIT), 1, 1, 0.65, 0.62, 50),
    }.items(),
)
def test_the_paper_budget_is_table_1(name, expected):
    for twin in (name, f"{name}-as-coded"):
        if twin not in METHODS:
            continue
        method = METHODS[twin].within(Budget.PAPER)
        networks = method.backbones if "moe" in name else method.backbone
        given = (networks, method.positives, method.negatives, method.similarity)
        assert (*given, method.threshold, method.epochs) == expected
        assert (method.alpha, method.batch, method.learning_rate) == (0.7, 128, 3e-4)
        assert (method.momentum, method.queue, method.side) == (0.999, 65_536, 224)


def test_one_variant_stands_for_the_family():
    assert [name for name, method in METHODS.items() if method.headline] == ["moco-moe"]


def few(training: Training, questions: Questions) -> tuple[Training, Questions]:
    sets = {name: getattr(training, name)[:6] for name in ("used", "not_used", "generated")}
    asked = {name: getattr(questions, name)[:6] for name in ("unknown", "generated")}
    return Training(sets), Questions(asked)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moco-resnet50", "moco-moe", "moco-moe-as-coded"])
def test_the_papers_networks_train_and_answer_in_the_papers_shapes(tmp_path, name):
    training, questions = few(*leaky_case()[:2])
    single = {"backbone": "resnet50@random:0"}
    mixed = {
        "backbones": (
            "resnet50@random:0", "efficientnet_b0@random:0", "vit_base_patch16_224@random:0",
        ),
    }  # fmt: skip
    method = METHODS[name].within(
        Budget.PAPER, {**(mixed if "moe" in name else single), "epochs": 2}
    )
    seen = {}
    learn = method._learn

    def watched(*arguments):
        import bench_moco_moe.method as module

        class Watched(module.Contrast):
            def __init__(self, *parts):
                super().__init__(*parts)
                seen["contrast"] = self

        original, module.Contrast = module.Contrast, Watched
        try:
            return learn(*arguments)
        finally:
            module.Contrast = original

    object.__setattr__(method, "_learn", watched)
    tools = TrainingTools(tmp_path)
    method.fit(training, tools)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == prediction.labels.shape == (6,)
    assert np.isfinite(prediction.scores).all()
    contrast = seen["contrast"]
    assert contrast.queue.keys.shape == (65_536, 256)
    linear = [layer for layer in contrast.online.projection.layers if isinstance(layer, nn.Linear)]
    assert (linear[0].in_features, linear[-1].out_features) == (2048, 256)
    if "moe" in name:
        gate = [layer for layer in contrast.online.gate if isinstance(layer, nn.Linear)]
        assert [(g.in_features, g.out_features) for g in gate] == [(6144, 512), (512, 3)]
        assert isinstance(contrast.online.gate[1], nn.GELU)
        assert isinstance(contrast.online.gate[3], nn.Softmax)
        assert contrast.online.attention.num_heads == 8
        assert contrast.online.attention.head_dim == 256
