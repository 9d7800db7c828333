"""The methods in this process, on small networks and on the paper's with random weights."""

import numpy as np
import pytest
import torch

from bench_subset_features.method import bench_methods
from harness.method import Access, Budget, ImageSet

METHODS = {method.name: method for method in bench_methods()}
CLUSTERS = ("subset-kmeans-resnet50", "subset-agglomerative-resnet50")
SMALL = {"backbone": "small"}
TUNED = SMALL | {"side": 32, "epochs": 8, "batch": 8, "rate": 0.003}


def answer(name, case, tools, rows=slice(None), **changes):
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(case.training, tools)
    return method.score(case.questions(rows), tools)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("subset-svm-resnet50", {}),
        ("subset-svm-densenet121-as-coded", SMALL | {"side": 32}),
        ("subset-svm-mobilenetv2-as-coded", SMALL | {"side": 32}),
        ("subset-svm-resnet50-fine-tuned", TUNED),
        ("subset-kmeans-resnet50", {}),
        ("subset-agglomerative-resnet50", {}),
    ],
)
def test_bands_tell_the_subsets_apart(case, tools, name, changes):
    prediction = answer(name, case, tools, **changes)
    assert prediction.scores.shape == (len(case.truth), len(case.real))
    assert (prediction.labels == case.truth).mean() > 0.9
    assert (prediction.scores.argmax(1) == prediction.labels).all()


@pytest.mark.parametrize("name", [name for name in METHODS if "svm" in name])
def test_a_question_asked_alone_gets_the_same_answer(case, tools, name):
    changes = TUNED if "tuned" in name else SMALL | {"side": 32} if "coded" in name else {}
    among = answer(name, case, tools, **changes)
    for path in tools.checkpoints.glob("*.pt"):
        path.unlink()
    torch.manual_seed(0)
    alone = answer(name, case, tools, [5], **changes)
    assert alone.scores[0] == pytest.approx(among.scores[5], abs=1e-4)


def test_lost_contrast_moves_the_features_together(case, tools):
    def spread(name):
        torch.manual_seed(0)
        method = METHODS[name].within(Budget.PAPER, SMALL | {"side": 32})
        method.fit(case.training, tools)
        return method._describe(case.asked, tools).std(0).mean()

    right = spread("subset-svm-densenet121-as-coded")
    assert spread("subset-svm-resnet50-as-coded") < right / 20
    assert spread("subset-svm-efficientnet-b0-as-coded") < right / 20


def test_a_tenth_of_the_patients_evaluates_and_is_not_learnt_from(case, tools):
    answer("subset-svm-resnet50-fine-tuned", case, tools, **TUNED | {"epochs": 1})
    [path] = tools.checkpoints.glob("*.pt")
    steps = len(torch.load(path, weights_only=True)["losses"])
    assert steps == 18 * len(case.real) // 8  # of 10 patients with 2 images, one is held out
    assert tools.said[-1].startswith("held-out reals: accuracy ")


def test_fine_tuning_changes_the_features(case, tools):
    method = METHODS["subset-svm-resnet50-fine-tuned"].within(Budget.PAPER, TUNED)
    torch.manual_seed(0)
    drawn = tools.network("small").body[1].weight.clone()
    torch.manual_seed(0)
    method.fit(case.training, tools)
    assert not torch.equal(method._network.body[1].weight, drawn)


def test_clusters_are_named_by_the_reals_and_not_by_their_numbers(case, tools):
    classes = len(case.real)
    case.real = case.real[::-1]  # whatever the clusters' numbers are, they cannot fit both ways
    turned = answer("subset-kmeans-resnet50", case, tools)
    assert (turned.labels == classes - 1 - case.truth).mean() > 0.9


@pytest.mark.parametrize("name", CLUSTERS)
def test_one_real_and_flat_questions_are_answered(case, tools, name):
    case.real = [images[:1] for images in case.real]
    case.asked = ImageSet(np.zeros((4, 32, 32), np.uint8), "questions.generated")
    prediction = answer(name, case, tools)
    assert np.isfinite(prediction.scores).all()
    assert len(set(prediction.labels)) == 1


def test_clustering_the_questions_is_declared_and_the_svm_sees_reals_alone():
    told = {name for name, method in METHODS.items() if Access.TRANSDUCTIVE in method.access}
    assert told == set(CLUSTERS)
    assert all(Access.POOL not in method.access for method in METHODS.values())
    assert [n for n, method in METHODS.items() if method.headline] == ["subset-svm-resnet50"]


def test_each_published_run_is_one_methods():
    runs = {run: name for name, method in METHODS.items() for run in method.reference.runs}
    assert runs == {
        "1267": "subset-svm-mobilenetv2",
        "1268": "subset-svm-resnet50",
        "1269": "subset-svm-efficientnet-b0",
        "1271": "subset-svm-densenet121",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "architecture", "width"),
    [
        ("resnet50", "resnet50", 2048),
        ("efficientnet-b0", "tf_efficientnet_b0", 1280),
        ("densenet121", "densenet121", 1024),
        ("mobilenetv2", "mobilenetv2_100", 1280),
    ],
)
def test_the_papers_networks_train_and_answer(case, tools, name, architecture, width):
    assert METHODS[f"subset-svm-{name}"]().backbone.startswith(f"{architecture}.")
    case.real = [images[:4] for images in case.real]
    for kind in ("as-coded", "fine-tuned"):
        method = METHODS[f"subset-svm-{name}-{kind}"].within(
            Budget.PAPER, {"backbone": f"{architecture}@random:0", "side": 64}
        )
        if kind == "fine-tuned":
            method = method.model_copy(update={"epochs": 1})
        method.fit(case.training, tools)
        assert method._describe(case.asked[:2], tools).shape == (2, width)
        assert len(method.score(case.questions([0, 1]), tools).labels) == 2
