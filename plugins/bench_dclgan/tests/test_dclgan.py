from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench_dclgan.method import bench_methods
from bench_dclgan.overlap import Overlap
from harness.method import Budget, ImageSet, Questions, Training
from harness.testing import check_method
from harness.thresholds import best_kappa_threshold
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
TINY = {"side": 32, "channels": 2, "blocks": 1, "epochs": 1, "batch": 4, "anchors": 8, "folds": 2}
FAST = {"generator_rate": 1e-2, "critic_rate": 1e-2}


class TrainingTools(InProcessTools):
    """Tools of a cell in which networks are trained; they remember what was said and cached."""

    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder
        self.said, self.kept = [], {}

    def log(self, text):
        self.said.append(text)

    def cached(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def row_statistics(self, queries, pool, metric="cosine", radius=None):
        assert metric == "dot"
        return SimpleNamespace(mean=(queries.astype(float) @ pool.T).mean(1))


def fitted(name, folder, training=None, **changes):
    """Return a fitted method of a small size, the questions, and the tools that it used."""
    given, questions, _ = leaky_case(n=6, side=20)
    tools = TrainingTools(folder)
    method = METHODS[name].within(Budget.PAPER, {**TINY, **changes})
    method.fit(training or given, tools)
    return method, questions, tools


def weights(network):
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def overlap(method, questions, tools):
    """What the method's GAN says, put together by hand from the activations of its critic."""

    def attend(images):
        with torch.no_grad():
            activations = method._critic.activations(images.tensor(method.side, (0.5, 0.5)))
        norms = [maps.square().sum(1).sqrt().flatten(1) for maps in activations[-method.layers :]]
        unit = [norm / norm.norm(dim=1, keepdim=True) for norm in norms]
        return (torch.cat(unit, 1) / method.layers**0.5).numpy()

    return Overlap(attend, questions.generated, method.nearest, tools)


@pytest.mark.parametrize(("layers", "nearest"), [(3, None), (1, None), (3, 2)])
def test_the_score_is_the_overlap_of_the_last_activations(tmp_path, layers, nearest):
    changes = {"layers": layers, "nearest": nearest}
    method, questions, tools = fitted("dclgan-as-coded", tmp_path, **changes)
    expected = overlap(method, questions, tools)(questions.unknown)
    assert method.score(questions, tools).scores == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_an_image_like_the_pool_has_more_overlap_than_one_that_is_not(tmp_path):
    method, _, tools = fitted("dclgan", tmp_path)
    across, down = (np.zeros((6, 32, 32), np.uint8) for _ in range(2))
    across[:, 8:16] = down[:, :, 8:16] = np.arange(200, 206)[:, None, None]
    asked = np.concatenate([across[:3], down[:3]])
    sets = {"unknown": asked, "generated": across[3:]}
    scores = method.score(Questions({k: ImageSet(v, k) for k, v in sets.items()}), tools).scores
    assert scores[:3].min() > scores[3:].max()


def test_the_threshold_of_a_gan_of_generated_images_is_learnt_on_all_training_reals(tmp_path):
    method, questions, tools = fitted("dclgan-as-coded", tmp_path)
    prediction = method.score(questions, tools)
    reals = method._training.reals
    known = reals.gather(overlap(method, questions, tools))
    threshold = best_kappa_threshold(known, reals.labels)
    assert prediction.labels.tolist() == (prediction.scores > threshold).astype(int).tolist()
    assert not tools.kept


def test_where_reals_train_the_gan_the_threshold_comes_from_gans_without_them(tmp_path):
    method, questions, tools = fitted("dclgan", tmp_path)
    first = method.score(questions, tools)
    critics = list(tools.kept.values())
    assert len(critics) == 2
    assert not torch.equal(weights(critics[0]), weights(critics[1]))
    assert all(not torch.equal(weights(c), weights(method._critic)) for c in critics)
    again = method.score(questions, tools)
    assert again.labels.tolist() == first.labels.tolist()
    assert list(tools.kept.values()) == critics  # trained once a cell


def inverted(images):
    return ImageSet(255 - images.pixels, images.name)


@pytest.mark.parametrize(
    ("domain", "reads"), [("used", {"used"}), ("reals", {"used", "not_used"}), ("generated", set())]
)
def test_the_domain_says_which_reals_the_gan_learns_from(tmp_path, domain, reads):
    training, _, _ = leaky_case(n=6, side=20)
    plain, _, _ = fitted("dclgan", tmp_path / "plain", training, domain=domain)
    for name in ("used", "not_used"):
        changed = Training({**training._sets, name: inverted(training._sets[name])})
        other, _, _ = fitted("dclgan", tmp_path / name, changed, domain=domain)
        assert torch.equal(weights(plain._critic), weights(other._critic)) == (name not in reads)


def test_anchors_are_the_generated_images_that_are_learnt_from(tmp_path):
    training, _, _ = leaky_case(n=6, side=20)
    plain, _, _ = fitted("dclgan", tmp_path / "0", training)
    for name, rows_changed, same in (("1", slice(8, None), True), ("2", slice(0, 8), False)):
        pixels = training.generated.pixels.copy()
        pixels[rows_changed] = 255 - pixels[rows_changed]
        changed = Training({**training._sets, "generated": ImageSet(pixels, "training.generated")})
        other, _, _ = fitted("dclgan", tmp_path / name, changed)
        assert torch.equal(weights(plain._critic), weights(other._critic)) == same


def test_the_way_back_has_networks_and_a_loss_of_its_own(tmp_path):
    losses = []
    for dual in (True, False):
        _, _, tools = fitted("dclgan", tmp_path / str(dual), dual=dual)
        [said] = [text for text in tools.said if text.startswith("GAN: loss")]
        losses.append(float(said.split()[2]))
        saved = torch.load(tmp_path / str(dual) / "GAN.pt", weights_only=True)["parts"]
        assert ("back" in saved) == dual
    assert losses[0] > 1.5 * losses[1]


def test_the_two_time_scales_and_schedules_are_those_of_paper_and_code():
    paper = METHODS["dclgan"].within(Budget.PAPER)
    coded = METHODS["dclgan-as-coded"].within(Budget.PAPER)
    for method, rates in ((paper, (1e-4, 4e-4)), (coded, (2e-4, 2e-4))):
        groups = method._optimiser([method._translation(InProcessTools())]).param_groups
        assert tuple(group["lr"] for group in groups) == rates
        assert [group["betas"] for group in groups] == [(0.5, 0.9), (0.5, 0.999)]
    assert [paper._cosine(e) for e in (0, 100, 200)] == pytest.approx([1, 0.5, 0])
    assert [paper._critic_share(e) for e in (0, 100, 200)] == pytest.approx([1, 0.5, 0])
    assert [coded._critic_share(e) for e in (0, 49, 50, 59)] == [1, 1, 0.5, 0.5]
    assert coded._cosine(30) == pytest.approx(0.5)


def test_paper_and_code_differ_where_the_readme_says():
    paper, coded = (METHODS[n].within(Budget.PAPER) for n in ("dclgan", "dclgan-as-coded"))
    assert (paper.epochs, paper.batch, paper.blocks, paper.dual) == (200, 1, 8, True)
    assert (coded.epochs, coded.batch, coded.blocks, coded.dual) == (60, 16, 6, False)
    assert (paper.domain, paper.histogram) == ("used", "soft")
    assert (coded.domain, coded.histogram) == ("generated", "hard")


def test_an_interrupted_training_ends_the_same(tmp_path):
    class Stopped(TrainingTools):
        def progress(self, steps, what):
            for step in steps:
                if step == 3:
                    raise KeyboardInterrupt
                yield step

    training, _, _ = leaky_case(n=6, side=20)
    small = METHODS["dclgan"].within(Budget.PAPER, {**TINY, **FAST, "epochs": 2})
    (tmp_path / "whole").mkdir()
    whole, _, _ = fitted("dclgan", tmp_path / "whole", training, **FAST, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.learning.SAVED_EVERY", 0)
        with pytest.raises(KeyboardInterrupt):
            small.fit(training, Stopped(tmp_path))
    method, _, tools = fitted("dclgan", tmp_path, training, **FAST, epochs=2)
    assert any("goes on after 3 steps" in text for text in tools.said)
    assert torch.equal(weights(method._critic), weights(whole._critic))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_papers_networks_train_and_answer(tmp_path, name):
    paper = METHODS[name].within(Budget.PAPER).model_dump()
    tiny = {"side": 32, "epochs": 1, "anchors": 2, "folds": 2}
    method, questions, tools = fitted(name, tmp_path, **{**paper, **tiny})
    assert method._critic.verdict.weight.shape == (1, 512, 4, 4)
    assert np.isfinite(method.score(questions, tools).scores).all()


@pytest.mark.slow
def test_it_behaves():
    check_method("dclgan")
