"""The methods in this process, on small networks and on the paper's with random weights."""

import numpy as np
import pytest
import torch
from torch import nn

from bench_subset_classifier.method import bench_methods
from bench_subset_classifier.reals import BestEpoch, SubsetResNet18Reals
from harness.method import Access, Budget, ImageSet, Prediction

METHODS = {method.name: method for method in bench_methods()}
SMALL = {"backbones": ("small",), "rates": (0.02,), "batches": (8,), "epochs": 12, "side": 32}
FEW = SMALL | {"epochs": 3, "copies": 2}
REALS = {"backbone": "small", "rate": 0.02, "batch": 8, "epochs": 12, "side": 32}


def fitted(name, training, tools, **changes):
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, tools)
    return method


def losses(tools, name="*"):
    [path] = tools.checkpoints.glob(f"{name}.pt")
    return torch.load(path, weights_only=True)["losses"]


def well_formed(prediction: Prediction, asked: int) -> bool:
    assert prediction.scores.shape == (asked, 3)
    assert np.isfinite(prediction.scores).all()
    return prediction.labels.tolist() == prediction.scores.argmax(1).tolist()


@pytest.mark.parametrize(
    "name", ["subset-efficientnet", "subset-efficientnet-vote", "subset-efficientnet-pseudo"]
)
def test_bands_tell_the_subsets_apart(case, tools, name):
    method = fitted(name, case.training, tools, **SMALL)
    prediction = method.score(case.questions(), tools)
    assert well_formed(prediction, 36)
    assert (prediction.labels == case.truth).mean() > 0.9


def test_real_images_are_a_class_of_their_own(case, tools):
    method = fitted("subset-efficientnet", case.training, tools, **SMALL)
    [member] = method._members
    reals = torch.cat([images.tensor() for images in case.real.values()])
    with torch.no_grad():
        assert (member.network(reals).argmax(1) == 3).float().mean() > 0.9


def test_what_is_held_out_is_not_learnt_from(case, tools):
    fitted("subset-efficientnet", case.training, tools, **SMALL, validation=0.5)
    first = losses(tools)
    assert len(first) == 12 * (36 // 8)  # half of 36 generated and of 36 real images
    assert any("validation accuracy" in line for line in tools.said)


def test_below_the_bar_the_best_network_answers_alone(case, tools):
    changes = FEW | {"epochs": 1, "rates": (1e-6,), "validation": 0.4}
    method = fitted("subset-efficientnet-vote", case.training, tools, **changes)
    assert len(method._members) == 1
    assert tools.said[-1] == "no network is above 0.98: the best one answers alone"
    assert fitted("subset-efficientnet", case.training, tools, **changes)._members[1:]


def test_copies_differ_and_do_not_depend_on_what_was_trained_before(case, tools):
    method = fitted("subset-efficientnet", case.training, tools, **FEW, validation=0)
    weights = [member.network.head.weight for member in method._members]
    assert not torch.equal(*weights)
    torch.manual_seed(99)
    for path in tools.checkpoints.glob("*.pt"):
        path.unlink()
    again = fitted("subset-efficientnet", case.training, tools, **FEW, validation=0)
    assert torch.equal(again._members[1].network.head.weight, weights[1])


def test_sure_questions_are_learnt_from(case, tools):
    changes = SMALL | {"rounds": 1, "validation": 0.0, "sequestered": 0.0}
    method = fitted("subset-efficientnet-pseudo-all", case.training, tools, **changes, copies=1)
    before = len(losses(tools))
    prediction = method.score(case.questions(), tools)
    assert "round 1: 36 of 36 questions get a pseudo-label" in tools.said
    assert before == 12 * (72 // 8)
    assert len(losses(tools, "round*")) == 12 * (108 // 8)
    assert (prediction.labels == case.truth).mean() > 0.9


def test_nobody_learns_from_questions_that_no_network_is_sure_of(case, tools):
    changes = FEW | {"epochs": 1, "rates": (1e-6,), "confidence": 1.0, "rounds": 2}
    method = fitted("subset-efficientnet-pseudo", case.training, tools, **changes)
    assert well_formed(method.score(case.questions(), tools), 36)
    assert "round 2: 0 of 36 questions get a pseudo-label" in tools.said


def test_the_sequestered_part_is_watched_and_never_learnt_from(case, tools):
    changes = FEW | {"copies": 1, "validation": 0.0, "sequestered": 0.5, "rounds": 1}
    method = fitted("subset-efficientnet-pseudo", case.training, tools, **changes, confidence=1.0)
    assert len(losses(tools)) == 3 * (36 // 8)
    method.score(case.questions(), tools)
    watched = [line for line in tools.said if line.startswith("sequestered")]
    assert len(watched) == 2
    assert "before pseudo-labels" in watched[0]
    assert "after round 1" in watched[1]


@pytest.mark.parametrize("name", ["subset-resnet18-reals", "subset-resnet18-reals-last"])
def test_what_is_learnt_from_reals_carries_over_to_generated_images(case, tools, name):
    method = fitted(name, case.training, tools, **REALS)
    prediction = method.score(case.questions(), tools)
    assert well_formed(prediction, 36)
    assert (prediction.labels == case.truth).mean() > 0.9
    assert np.exp(prediction.scores).sum(1) == pytest.approx(np.ones(36))


def test_the_last_epoch_needs_no_generated_image(case, tools):
    assert METHODS["subset-resnet18-reals-last"].access == {Access.LABELS}
    method = fitted("subset-resnet18-reals-last", case.reals_alone, tools, **REALS)
    assert well_formed(method.score(case.questions(), tools), 36)


def test_the_generated_images_choose_the_epoch(case, tools, monkeypatch):
    right = iter([2, 6, 6, 4])
    seen = []

    def measured(self, network, checked, tools):
        seen.append(network.head.weight.clone())
        return next(right)

    monkeypatch.setattr(SubsetResNet18Reals, "_right", measured)
    method = fitted("subset-resnet18-reals", case.training, tools, **REALS | {"epochs": 4})
    assert len(seen) == 4
    assert torch.equal(method._network.head.weight, seen[2])


def test_generated_images_do_not_train_the_classifier_of_reals(case, tools):
    fitted("subset-resnet18-reals", case.training, tools, **REALS)
    first = losses(tools)
    for path in tools.checkpoints.glob("*.pt"):
        path.unlink()
    torch.manual_seed(0)
    case.generated[0] = ImageSet(case.generated[0].pixels[:2] // 2, "training.generated/0")
    fitted("subset-resnet18-reals", case.training, tools, **REALS)
    assert losses(tools) == first


def test_of_equally_good_epochs_the_last_is_kept():
    network = nn.Linear(1, 1)
    best = BestEpoch(network)
    assert [best.ends_epoch(2) for _ in range(4)] == [False, True, False, True]
    for right, weight in ((5, 1.0), (5, 2.0), (4, 3.0)):
        nn.init.constant_(network.weight, weight)
        best.note(right, network)
    assert best.network.weight.item() == 2.0


def test_the_paper_budget_is_the_overviews():
    single, vote, pseudo, pseudo_all, reals, _ = (m.within(Budget.PAPER) for m in bench_methods())
    assert (single.backbones, single.rates, single.batches) == (
        ("efficientnet_b1",),
        (1e-4,),
        (32,),
    )
    assert [name[-2:] for name in vote.backbones] == ["b0", "b1", "b2"]
    assert vote.above == 0.98
    assert pseudo.most == 26
    assert len(pseudo.backbones) * len(pseudo.rates) * len(pseudo.batches) == 27
    assert pseudo.sequestered > 0
    assert (pseudo_all.validation, pseudo_all.sequestered) == (0, 0)
    assert set(pseudo_all.backbones) == {"efficientnet_b1"}
    assert reals.backbone.startswith("resnet18")


def test_who_learns_from_questions_says_so_and_one_method_stands_for_all():
    told = {name for name, method in METHODS.items() if Access.TRANSDUCTIVE in method.access}
    assert told == {"subset-efficientnet-pseudo", "subset-efficientnet-pseudo-all"}
    assert [n for n, method in METHODS.items() if method.headline] == ["subset-efficientnet"]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["efficientnet_b0", "efficientnet_b1", "efficientnet_b2"])
def test_efficientnets_train_with_one_class_more_than_there_are_subsets(case, tools, backbone):
    changes = {"backbones": (f"{backbone}@random:0",), "epochs": 1}
    method = fitted("subset-efficientnet", case.training, tools, **changes)
    [member] = method._members
    assert member.network.head.weight.shape == (4, 1408 if backbone.endswith("b2") else 1280)
    assert member.side == 64  # of the weights
    assert well_formed(method.score(case.questions([0, 1]), tools), 2)


@pytest.mark.slow
def test_resnet18_trains_on_a_class_for_each_subset(case, tools):
    changes = {"backbone": "resnet18@random:0", "epochs": 1, "side": 64}
    method = fitted("subset-resnet18-reals", case.training, tools, **changes)
    assert method._network.head.weight.shape == (3, 512)
    assert well_formed(method.score(case.questions([0]), tools), 1)
