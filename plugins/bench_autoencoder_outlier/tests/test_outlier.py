import numpy as np
import pytest
import torch

from bench_autoencoder_outlier.decoders import TwoDecoders
from bench_autoencoder_outlier.method import AutoencoderOutlier, bench_methods
from bench_autoencoder_outlier.outliers import from_mean
from harness.method import Access, Budget, Training
from harness.testing import check_method

from .conftest import asked, flat, smooth

METHODS = {method.name: method for method in bench_methods()}
TINY = {"side": 32, "latent": 16, "batch": 8, "epochs": 1}
LEARNING = {"latent": 16, "units": 32, "epochs": 25, "learning_rate": 3e-3}


def answer(name, questions, tools, **changes):
    """Return the answers of a method at the paper's sizes but for ``changes``."""
    torch.manual_seed(0)
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(Training({}), tools)
    return method.score(questions, tools)


class Grey(torch.nn.Module):
    """Stands for an autoencoder: gives everything back as middle grey."""

    def forward(self, images):
        return torch.zeros_like(images)

    as_generated = forward


def grey_errors(pixels):
    return ((np.asarray(pixels, np.float64) / 127.5 - 1) ** 2).mean((1, 2))


def test_the_threshold_is_mean_plus_deviations():
    values = np.array([1.0, 2.0, 6.0])
    assert from_mean(values, 3) == pytest.approx(3 + 3 * values.std())
    assert from_mean(values, -1) == pytest.approx(3 - values.std())


def test_a_twentieth_of_the_generated_images_is_held_out(tools):
    pool = asked(flat(0), flat(*range(60))).generated
    learnt, held = AutoencoderOutlier()._divided(pool, tools)
    assert (len(learnt), len(held)) == (57, 3)
    greys = np.concatenate([learnt.pixels[:, 0, 0], held.pixels[:, 0, 0]])
    assert sorted(greys.tolist()) == list(range(60))
    learnt, held = AutoencoderOutlier()._divided(pool[:2], tools)
    assert (len(learnt), len(held)) == (1, 1)


def test_used_is_what_is_no_outlier_among_the_held_out(tools, monkeypatch):
    monkeypatch.setattr(AutoencoderOutlier, "_learn", lambda *_: Grey())
    questions = asked(flat(128, 110, 90, 70, 50, 0), flat(*range(100, 140)))
    method = AutoencoderOutlier(side=32, held_out=0.5)
    _, held = method._divided(questions.generated, tools)
    usual = grey_errors(held.pixels)
    found = grey_errors(questions.unknown.pixels)
    prediction = method.score(questions, tools)
    assert prediction.scores == pytest.approx(-found, abs=1e-6)
    expected = found <= usual.mean() + 3 * usual.std()
    assert prediction.labels.tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)


def test_an_error_as_large_as_the_threshold_is_no_outlier(tools, monkeypatch):
    monkeypatch.setattr(AutoencoderOutlier, "_learn", lambda *_: Grey())
    questions = asked(flat(40, 41, 39), flat(*[40] * 10))
    assert AutoencoderOutlier(side=32).score(questions, tools).labels.tolist() == [1, 1, 0]


def test_two_decoders_ask_that_of_generated_images(tools, monkeypatch):
    method = METHODS["autoencoder-two-decoders"]
    monkeypatch.setattr(method, "_learn_both", lambda *_: Grey())
    questions = asked(flat(10, 128, 60, 90), flat(*range(20, 120)))
    usual = grey_errors(questions.generated.pixels)
    found = grey_errors(questions.unknown.pixels)
    prediction = method(side=32).score(questions, tools)
    assert prediction.scores == pytest.approx(-found, abs=1e-6)
    expected = found <= usual.mean() + usual.std()
    assert prediction.labels.tolist() == expected.tolist() == [False, True, True, True]


def test_each_kind_is_given_back_by_its_own_decoder():
    network = TwoDecoders(torch.nn.Identity(), torch.zeros_like, lambda latent: latent + 3)
    generated, real = torch.rand(2, 1, 4, 4), torch.rand(3, 1, 4, 4)
    assert float(network.loss(generated, real)) == pytest.approx(
        float((generated**2).mean()) + 9, rel=1e-5
    )
    assert torch.equal(network.as_generated(real), torch.zeros_like(real))


def test_all_parts_of_two_decoders_learn_and_both_kinds_come_back_better(tools):
    draws = np.random.default_rng(0)
    questions = asked(smooth(draws, 32), smooth(draws, 40))
    method = METHODS["autoencoder-two-decoders"](side=32, **LEARNING)
    torch.manual_seed(0)
    network = method._learn_both(questions.unknown, questions.generated, tools)
    torch.manual_seed(0)
    fresh = TwoDecoders(method._encoder(), method._decoder(), method._decoder()).eval()
    for part in ("encoder", "generated", "real"):
        before, after = (next(getattr(n, part).parameters()) for n in (fresh, network))
        assert not torch.equal(before, after)
    [told] = [text for text in tools.said if text.startswith("two decoders: loss")]
    first, last = (float(word) for word in told.split() if word[0].isdigit())
    assert last < first / 2


@pytest.mark.parametrize("name", ["autoencoder-outlier", "autoencoder-two-decoders"])
def test_what_is_like_the_pool_comes_back_best(tools, name):
    draws = np.random.default_rng(0)
    like, unlike = smooth(draws, 16), 255 - smooth(draws, 16)
    questions = asked(np.concatenate([like, unlike]), smooth(draws, 64))
    scores = answer(name, questions, tools, side=32, **LEARNING).scores
    assert scores[:16].min() > scores[16:].max()


@pytest.mark.parametrize("name", METHODS)
def test_one_question_and_one_generated_image_are_enough(tools, name):
    draws = np.random.default_rng(0)
    questions = asked(smooth(draws, 1), smooth(draws, 1))
    prediction = answer(name, questions, tools, **TINY)
    assert prediction.scores.shape == prediction.labels.shape == (1,)
    assert np.isfinite(prediction.scores).all()


def test_the_paper_budget_is_the_published_one():
    for name in METHODS.keys() - {"patch-triplet"}:
        paper = METHODS[name].within(Budget.PAPER)
        assert (paper.side, paper.latent, paper.units, paper.blocks) == (256, 128, 256, "plain")
        assert (paper.batch, paper.epochs, paper.learning_rate) == (32, 200, 1e-4)
    triplet = METHODS["patch-triplet"].within(Budget.PAPER)
    assert (triplet.side, triplet.latent, triplet.margin, triplet.noise) == (256, 128, 0.5, 0.1)
    assert (triplet.batch, triplet.epochs, triplet.learning_rate) == (16, 800, 1e-4)
    alphas = {name: METHODS[name].within(Budget.PAPER).alpha for name in METHODS}
    assert alphas == {
        "autoencoder-outlier": 3,
        "autoencoder-two-decoders": 1,
        "patch-triplet": 1,
        "patch-replacement": 2,
    }


def test_only_what_learns_from_the_questions_or_judges_by_them_is_transductive():
    pool = METHODS["autoencoder-outlier"]
    assert pool.access == {Access.POOL}
    for method in METHODS.values():
        assert (method.access == {Access.POOL, Access.TRANSDUCTIVE}) == (method is not pool)
        assert method.headline == (method is pool)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_papers_networks_train_and_answer(tools, name):
    draws = np.random.default_rng(0)
    questions = asked(smooth(draws, 3, side=64), smooth(draws, 4, side=64))
    prediction = answer(name, questions, tools, epochs=2, batch=2)
    assert prediction.scores.shape == (3,)
    assert np.isfinite(prediction.scores).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_behaves(name):
    check_method(name)
