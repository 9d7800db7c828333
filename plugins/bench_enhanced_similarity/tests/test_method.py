"""The methods in this process: what they compare, by which rule, and what they find."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch import nn

from bench_enhanced_similarity.autoencoder import Autoencoder
from bench_enhanced_similarity.enhancement import views
from bench_enhanced_similarity.method import bench_methods
from bench_enhanced_similarity.similarity import binarised
from harness.features.networks import from_seed
from harness.method import Budget, ImageSet, Questions, Training
from harness.network import Backbone
from harness.thresholds import best_kappa_threshold
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
RESNETS = [name for name in METHODS if "resnet" in name]
CNNS = [name for name in METHODS if "cnn" in name]
SMALL = {"side": 16, "filters": (8,), "epochs": 2, "batch": 16}
FILTERS = ("gaussian", "laplacian", "hessian", "bilateral")


class Pixels(nn.Module):
    """Stands for a backbone: the features of an image are its pixels."""

    side = 16

    def forward(self, grey):
        return grey.flatten(1)


class TrainingTools(InProcessTools):
    """Tools for networks in this process: pixels, or timm's with random weights."""

    precision = "fp32"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.checkpoints = folder

    def network(self, backbone):
        if backbone == "pixels":
            return Pixels()
        architecture, seed = backbone.split("@random:")
        body = from_seed(architecture, int(seed))
        path = self.checkpoints / f"{architecture}.safetensors"
        save_file(body.state_dict(), path)
        return Backbone(
            path=str(path), architecture=architecture, any_side=False, side=224,
            mean=[0.5] * 3, deviation=[0.5] * 3,
        )  # fmt: skip


def fitted(name, folder, training=None, **changes):
    """Return a small fitted method and its tools; the features of a ResNet's are pixels."""
    folder.mkdir(exist_ok=True)
    small = {"backbone": "pixels"} if name in RESNETS else SMALL
    method = METHODS[name].within(Budget.PAPER, {**small, **changes})
    method.fit(training or leaky_case()[0], tools := TrainingTools(folder))
    return method, tools


def answer(name, folder, asked=None, **changes):
    method, tools = fitted(name, folder, **changes)
    return method.score(asked or leaky_case()[1], tools)


@pytest.mark.parametrize("name", METHODS)
def test_copies_in_the_pool_rank_their_originals_first(tmp_path, name):
    truth = leaky_case()[2]
    assert roc_auc_score(truth, answer(name, tmp_path).scores) > 0.95


def test_the_score_is_the_largest_jaccard_index_and_the_label_its_side_of_the_best_kappa(tmp_path):
    training, questions, _ = leaky_case()

    def bits(images):
        prepare = views(FILTERS, side=16, sigma=1, contrast=0.1, device="cpu")
        return binarised(prepare(images).numpy(), 0.5) > 0

    def largest(images):
        pool = bits(questions.generated)
        return np.array([((one & pool).sum(1) / (one | pool).sum(1)).max() for one in bits(images)])

    known = np.concatenate([largest(training.used), largest(training.not_used)])
    threshold = best_kappa_threshold(known, np.repeat([1, 0], 12))
    prediction = answer("enhanced-resnet-jaccard", tmp_path)
    assert prediction.scores == pytest.approx(largest(questions.unknown), abs=1e-4)
    assert prediction.labels.tolist() == (prediction.scores > threshold).astype(int).tolist()


def test_several_nearest_images_are_averaged(tmp_path):
    _, questions, _ = leaky_case()
    changes = {"enhancements": ("original",), "nearest": 3}

    def unit(images):
        rows = images.pixels.reshape(len(images), -1) / 255
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    cosines = unit(questions.unknown) @ unit(questions.generated).T
    expected = np.sort(cosines, axis=1)[:, -3:].mean(1)
    found = answer("enhanced-resnet-cosine", tmp_path, **changes).scores
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["enhanced-resnet-jaccard", "enhanced-cnn-ssim"])
def test_each_enhancement_counts(tmp_path, name):
    one, other = (
        answer(name, tmp_path / how, enhancements=("gaussian", how)).scores
        for how in ("laplacian", "hessian")
    )
    assert not np.allclose(one, other)


@pytest.mark.parametrize("name", [*RESNETS, "enhanced-cnn-ssim"])
def test_a_question_asked_alone_gets_the_same_answer(tmp_path, name):
    _, questions, _ = leaky_case()
    alone = Questions({"unknown": questions.unknown[[5]], "generated": questions.generated})
    among, single = answer(name, tmp_path / "1"), answer(name, tmp_path / "2", alone)
    assert single.scores[0] == pytest.approx(among.scores[5], rel=1e-4)
    assert single.labels[0] == among.labels[5]


def test_more_candidates_find_a_pair_that_is_at_least_as_similar(tmp_path):
    few, all_of_them = (
        answer("enhanced-cnn-ssim", tmp_path / str(count), candidates=count).scores
        for count in (1, 1000)
    )
    assert (few <= all_of_them + 1e-6).all()
    assert (few < all_of_them - 1e-6).any()


def test_the_cnn_learns_to_give_generated_images_back(tmp_path):
    training, _, _ = leaky_case()
    errors = []
    for epochs in (0, 20):
        changes = {"epochs": epochs, "rate": 1e-2}
        method, tools = fitted("enhanced-cnn-ssim", tmp_path / str(epochs), **changes)
        seen = torch.from_numpy(method._viewed(training.generated, tools))
        with torch.no_grad():
            errors.append(float(method._network.loss(seen)))
    assert errors[1] < 0.7 * errors[0]


def test_the_labels_of_the_reals_do_not_reach_the_cnn(tmp_path):
    training, _, _ = leaky_case()
    turned = Training(
        {
            "used": training.not_used, "not_used": training.used, "generated": training.generated,
        }
    )  # fmt: skip
    one, other = (
        fitted("enhanced-cnn-ssim", tmp_path / str(i), given)[0]._network.state_dict()
        for i, given in enumerate((training, turned))
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", METHODS)
def test_one_used_and_two_generated_flat_images_are_enough(tmp_path, name):
    def flat(place, *levels):
        return ImageSet(np.repeat(np.array(levels, np.uint8), 144).reshape(-1, 12, 12), place)

    training = Training(
        {
            "used": flat("training.used", 90),
            "not_used": flat("training.not_used", 0, 255),
            "generated": flat("training.generated", 10, 200),
        }
    )
    questions = Questions(
        {"unknown": flat("questions.unknown", 5), "generated": flat("questions.generated", 7, 9)}
    )
    method, tools = fitted(name, tmp_path, training)
    assert np.isfinite(method.score(questions, tools).scores).all()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"side": 36, "filters": (8, 8, 8)}, "no multiple of 8"),
        ({"window": 9, "side": 16, "filters": (8,)}, "exceeds the maps, 8 a side"),
        ({"nearest": 5, "candidates": 4}, "exceeds candidates 4"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, complaint):
    with pytest.raises(ValidationError, match=complaint):
        METHODS["enhanced-cnn-ssim"](**changes)


def test_the_published_runs_are_two_and_the_better_one_is_the_headline():
    assert {name: m.reference.runs for name, m in METHODS.items() if m.reference.runs} == {
        "enhanced-resnet-jaccard": ("1427",),
        "enhanced-cnn-ssim": ("1355",),
    }
    assert [name for name, m in METHODS.items() if m.headline] == ["enhanced-resnet-jaccard"]


def test_the_maps_of_the_autoencoder_and_its_images_lie_between_0_and_1():
    autoencoder = Autoencoder((4, 6, 5)).eval()
    seen = torch.rand(2, 3, 16, 16)
    maps = autoencoder.maps(seen)
    assert maps.shape == (2, 3, 5, 2, 2)
    assert 0 < maps.min() < maps.max() < 1
    assert autoencoder.decoder(maps.flatten(0, 1)).shape == (6, 1, 16, 16)


@pytest.mark.slow
def test_the_paper_budget_describes_views_by_resnet50(tmp_path):
    training, questions, truth = leaky_case(n=2)
    method = METHODS["enhanced-resnet-jaccard"].within(
        Budget.PAPER, {"backbone": "resnet50@random:0"}
    )
    method.fit(training, tools := TrainingTools(tmp_path))
    assert method._describe(training.used, tools).shape == (2, 4, 2048)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == prediction.labels.shape == (len(truth),)
    assert np.isfinite(prediction.scores).all()


@pytest.mark.slow
def test_the_paper_budget_trains_the_cnn(tmp_path):
    training, questions, truth = leaky_case(n=2)
    method = METHODS["enhanced-cnn-ssim"].within(Budget.PAPER)
    method.fit(training, tools := TrainingTools(tmp_path))
    assert method._describe(training.used, tools).shape == (2, 4, 32, 16, 16)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == prediction.labels.shape == (len(truth),)
    assert np.isfinite(prediction.scores).all()
