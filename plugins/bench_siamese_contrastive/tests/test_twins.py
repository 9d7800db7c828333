from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from bench_siamese_contrastive.method import bench_methods
from bench_siamese_contrastive.network import Branch
from harness.features.neighbours import row_statistics
from harness.method import Budget, ImageSet, Questions, Training
from harness.testing import check_method
from harness.thresholds import best_kappa_threshold
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
MEMBERSHIP = ["siamese-contrastive", "siamese-contrastive-mean"]
ATTRIBUTION = ["subset-siamese", "subset-siamese-as-coded"]
SMALL = {"side": 16, "filters": (4, 8), "width": 16, "epochs": 20, "learning_rate": 3e-3}


class TrainingTools(InProcessTools):
    """Tools of a cell in which networks are trained."""

    precision = "fp32"
    classes = 3
    folder: Path  # set for every test

    def __init__(self):
        super().__init__()
        self.checkpoints = Path(mkdtemp(dir=self.folder))
        self.said = []
        self.made = {}

    def row_statistics(self, queries, pool, metric="cosine", radius=None):
        return row_statistics(queries, pool, metric, radius)

    def cached(self, key, make):
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def log(self, text):
        self.said.append(text)


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingTools, "folder", tmp_path, raising=False)


def gratings(kind, count, draws, side=16):
    """Return noisy stripes of a direction of their own for each kind, at any phase."""
    y, x = np.mgrid[:side, :side]
    across = (x, y, x + y)[kind]
    waves = np.sin(across * 1.6 + draws.uniform(0, 7, (count, 1, 1)))
    noisy = 120 + 70 * waves + draws.normal(0, 15, (count, side, side))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def sets(part, **pixels):
    return {name: ImageSet(p, f"{part}.{name}") for name, p in pixels.items()}


def membership_case(used=0, not_used=1, count=16):
    """Used and not-used reals of two kinds, and a generator that shows a third."""
    draws = np.random.default_rng(0)
    known = {"used": gratings(used, count, draws), "not_used": gratings(not_used, count, draws)}
    training = sets("training", **known, generated=gratings(2, 24, draws))
    asked = np.concatenate([gratings(kind, 12, draws) for kind in (used, not_used)])
    questions = sets("questions", unknown=asked, generated=gratings(2, 20, draws))
    return Training(training), Questions(questions), np.repeat([1, 0], 12)


def attribution_case(count=12):
    draws = np.random.default_rng(0)
    training = {}
    for kind in range(3):
        for name, number in (("real", count), ("generated", 20)):
            images = gratings(kind, number, draws)
            training[f"{name}/{kind}"] = ImageSet(images, f"training.{name}/{kind}")
    asked = np.concatenate([gratings(kind, 8, draws) for kind in range(3)])
    return Training(training), Questions(sets("questions", generated=asked)), np.repeat(range(3), 8)


def case_of(name):
    return membership_case() if name in MEMBERSHIP else attribution_case()


def fitted(name, case, **changes):
    method, tools = METHODS[name].within(Budget.PAPER, {**SMALL, **changes}), TrainingTools()
    method.fit(case[0], tools)
    return method, tools


def answer(name, case, questions=None, **changes):
    method, tools = fitted(name, case, **changes)
    return method.score(questions or case[1], tools)


def embedded(method, images):
    """Return the embeddings of images, white being 1."""
    with torch.no_grad():
        return method._branch(images.tensor(method.side)).numpy()


@pytest.mark.parametrize("used", [0, 1])
def test_it_learns_from_the_labels_which_reals_belong_to_the_generator(used):
    case = membership_case(used, 1 - used)  # an untrained branch favours one kind in both cases
    prediction = answer("siamese-contrastive", case)
    assert roc_auc_score(case[2], prediction.scores) > 0.85
    assert (prediction.labels == case[2]).mean() > 0.85


@pytest.mark.parametrize("name", ATTRIBUTION)
def test_it_learns_the_subsets(name):
    case = attribution_case()
    prediction = answer(name, case, epochs=80)
    assert prediction.scores.shape == (24, 3)
    assert (prediction.labels == case[2]).mean() > 0.85
    assert prediction.labels.tolist() == prediction.scores.argmax(1).tolist()


def test_copies_of_used_images_are_near_before_and_after_training():
    case = leaky_case()
    for epochs in (0, 10):
        prediction = answer("siamese-contrastive", case, epochs=epochs)
        assert roc_auc_score(case[2], prediction.scores) > 0.9


@pytest.mark.parametrize(("name", "over"), [(MEMBERSHIP[0], np.min), (MEMBERSHIP[1], np.mean)])
def test_the_score_is_the_negative_distance_to_the_pool(name, over):
    case = membership_case()
    method, tools = fitted(name, case, epochs=3)
    questions = case[1]
    distances = cdist(*(embedded(method, s) for s in (questions.unknown, questions.generated)))
    expected = -over(distances, axis=1)
    assert method.score(questions, tools).scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ATTRIBUTION)
def test_the_score_of_a_subset_is_the_negative_distance_to_its_reals(name):
    case = attribution_case()
    method, tools = fitted(name, case, epochs=3)
    asked = embedded(method, case[1].generated)
    reals = [embedded(method, images) for images in case[0].real_by_class.sets]
    if name == "subset-siamese":
        expected = np.column_stack([cdist(asked, rows).mean(1) for rows in reals])
    else:
        expected = cdist(asked, [rows.mean(0) for rows in reals])
    assert method.score(case[1], tools).scores == pytest.approx(-expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "least", "most"), [(ATTRIBUTION[0], 0, 1), (ATTRIBUTION[1], 200, 255)]
)
def test_as_coded_the_branch_learns_from_greys_of_0_to_255(name, least, most, monkeypatch):
    seen, forward = [], Branch.forward

    def watched(branch, images):
        seen.append(float(images.max()))
        return forward(branch, images)

    monkeypatch.setattr(Branch, "forward", watched)
    method, tools = fitted(name, attribution_case(), epochs=1)
    assert least < max(seen) <= most
    seen.clear()
    method.score(attribution_case()[1], tools)
    assert max(seen) <= 1


def test_the_threshold_is_the_best_for_reals_scored_by_twins_that_have_not_seen_them():
    case = membership_case()
    method, tools = fitted("siamese-contrastive", case, folds=2, epochs=3)
    prediction = method.score(case[1], tools)
    assert sum("fold" in text for text in tools.said) == 2
    held_out = method._held_out(case[1].generated, tools)
    threshold = best_kappa_threshold(held_out, method._reals.labels)
    assert prediction.labels.tolist() == (prediction.scores > threshold).tolist()
    fitted_scores = method._nearness(method._branch, case[0].reals.sets, case[1].generated, tools)
    assert not np.allclose(held_out, fitted_scores)


def test_a_single_used_image_is_scored_by_twins_that_have_seen_it_and_the_log_says_so():
    training, questions, _ = case = membership_case()
    single = Training({**training._sets, "used": training.used[:1]})
    method, tools = fitted("siamese-contrastive", (single, *case[1:]), epochs=2)
    assert np.isfinite(method.score(questions, tools).scores).all()
    assert any("too few patients" in text for text in tools.said)


@pytest.mark.parametrize("name", METHODS)
def test_a_question_asked_alone_or_in_another_order_gets_the_same_answer(name):
    _, questions, _ = case = case_of(name)
    asked = "unknown" if name in MEMBERSHIP else "generated"
    rows = np.random.default_rng(1).permutation(24)
    method, tools = fitted(name, case, epochs=3)
    together = method.score(questions, tools)
    for chosen in (rows, rows[:1]):
        part = Questions({**questions._sets, asked: questions._sets[asked][chosen]})
        some = method.score(part, tools)
        assert some.scores == pytest.approx(together.scores[chosen], abs=1e-5)
        assert some.labels.tolist() == together.labels[chosen].tolist()


@pytest.mark.parametrize("name", METHODS)
def test_there_are_as_many_steps_as_the_reals_fill_batches(name):
    case = case_of(name)
    steps = []
    learn = torch.optim.Adam.step
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.optim.Adam, "step", lambda *a: steps.append(1) or learn(*a))
        fitted(name, case, epochs=2, batch=8)
    reals = 32 if name in MEMBERSHIP else 36
    assert len(steps) == 2 * (reals // 8)


def test_no_training_depends_on_those_before_it():
    case = membership_case()
    first = answer("siamese-contrastive", case, epochs=2)
    torch.manual_seed(99)
    torch.rand(7)
    second = answer("siamese-contrastive", case, epochs=2)
    assert first.scores.tolist() == second.scores.tolist()


def test_a_side_that_the_convolutions_use_up_is_refused():
    with pytest.raises(ValidationError, match="the smallest is 46"):
        METHODS["subset-siamese"].within(Budget.PAPER, {"side": 45})
    assert METHODS["subset-siamese"].within(Budget.PAPER, {"side": 46}).side == 46


def test_each_task_has_one_headline():
    headlines = [name for name, method in METHODS.items() if method.headline]
    assert headlines == ["siamese-contrastive", "subset-siamese"]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_papers_network_trains_and_answers(name):
    case = case_of(name)
    changes = {"epochs": 2} | ({"folds": 2} if name in MEMBERSHIP else {})
    method, tools = METHODS[name].within(Budget.PAPER, changes), TrainingTools()
    method.fit(case[0], tools)
    assert embedded(method, case[1].generated[:2]).shape == (2, 256)
    prediction = method.score(case[1], tools)
    assert np.isfinite(prediction.scores).all()
    assert len(prediction.labels) == 24


@pytest.mark.slow
@pytest.mark.parametrize("name", ["siamese-contrastive", "subset-siamese"])
def test_it_behaves(name):
    check_method(name)
