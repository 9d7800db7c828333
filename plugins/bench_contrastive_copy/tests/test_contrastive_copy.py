import numpy as np
import pytest
import torch
from torch import nn

from bench_contrastive_copy.method import ContrastiveCopy, contrast
from harness.method import Budget, ImageSet
from harness.testing import check_method
from support import InProcessTools, leaky_case


class Small(nn.Module):
    """A network in place of a backbone."""

    width = 8

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 8))

    def forward(self, grey):
        return self.layers(grey)


class TrainingTools(InProcessTools):
    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder

    def network(self, backbone):
        return Small()


CHANGES = {"side": 32, "width": 16, "epochs": 3, "batch": 6}


def fitted(folder, training, **changes):
    method = ContrastiveCopy.within(Budget.PAPER, {**CHANGES, **changes})
    method.fit(training, TrainingTools(folder))
    return method


def test_the_loss_is_that_of_finding_ones_partner():
    draws = torch.Generator().manual_seed(0)
    embeddings = torch.randn(6, 5, generator=draws)
    cosines = torch.nn.functional.cosine_similarity(embeddings[:, None], embeddings, dim=2)
    expected = []
    for view, partner in enumerate([3, 4, 5, 0, 1, 2]):
        others = [other for other in range(6) if other != view]
        chances = torch.softmax(cosines[view, others] / 0.5, 0)
        expected.append(-chances[others.index(partner)].log().item())
    assert contrast(embeddings, 0.5).item() == pytest.approx(np.mean(expected), abs=1e-5)


def test_one_image_alone_has_nothing_to_be_told_from():
    assert contrast(torch.rand(2, 5), 0.07).item() == pytest.approx(0, abs=1e-6)


def correlations(some, others):
    return np.corrcoef(some, others)[: len(some), len(some) :]


def test_score_and_threshold_are_correlations_of_embeddings(tmp_path):
    training, asked, _ = leaky_case()
    method = fitted(tmp_path, training)
    tools = TrainingTools(tmp_path)

    def embedded(images):
        with torch.no_grad():
            return method._network(images.tensor(32)).numpy()

    unseen = correlations(embedded(training.not_used), embedded(training.used)).max(1)
    pool = np.concatenate([embedded(training.generated), embedded(asked.generated)])
    expected = correlations(embedded(asked.unknown), pool).max(1)
    prediction = method.score(asked, tools)
    assert prediction.scores == pytest.approx(expected, abs=1e-4)
    threshold = np.percentile(unseen, 95)
    assert prediction.labels.tolist() == (prediction.scores > threshold).astype(int).tolist()


def test_copies_are_found_and_others_are_called_copies_seldom(tmp_path):
    training, asked, truth = leaky_case()
    method = fitted(tmp_path, training, width=64, epochs=20)
    labels = method.score(asked, TrainingTools(tmp_path)).labels
    assert labels[:12].mean() > 0.9
    assert (labels == np.array(truth)).mean() > 0.6


def test_the_network_learns_from_the_used_reals_alone(tmp_path):
    training, _, _ = leaky_case()
    weights = []
    for number, name in enumerate((None, "not_used", "generated", "used")):
        sets = dict(training._sets)
        if name:
            sets[name] = ImageSet(255 - sets[name].pixels, sets[name].name)
        (tmp_path / str(number)).mkdir()
        method = fitted(tmp_path / str(number), type(training)(sets))
        weights.append(torch.cat([w.detach().flatten() for w in method._network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])


def test_views_differ_by_a_turn_or_a_mirror(tmp_path):
    method = ContrastiveCopy.within(Budget.PAPER)
    torch.manual_seed(0)
    image = torch.rand(1, 32, 32)
    views = [method._turned(image) for _ in range(40)]
    same = sum(torch.equal(view, image) for view in views)
    mirrored = sum(torch.equal(view, image.flip(2)) for view in views)
    assert 3 <= same <= 20
    assert 3 <= mirrored <= 20
    assert same + mirrored < 40


@pytest.mark.slow
def test_it_behaves():
    check_method("contrastive-copy")
