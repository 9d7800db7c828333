import numpy as np
import pytest
import torch
from sklearn import covariance, ensemble

from bench_handcrafted_forest.method import bench_methods
from harness.method import Budget, ImageSet, Questions
from support import leaky_case

METHODS = {method.name: method for method in bench_methods()}
TINY = {"side": 16, "width": 4, "epochs": 1, "batch": 16, "trees": 20, "ranking_trees": 20}


def fitted(name, tools, n=12, **changes):
    """A method after its training part, and the questions that go with it."""
    torch.manual_seed(0)
    training, given, _ = leaky_case(n=n, side=16)
    generated = given.generated[np.arange(len(given.generated))]  # as a worker has it, in one piece
    questions = Questions({"unknown": given.unknown, "generated": generated})
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training, tools)
    return method, questions


@pytest.mark.parametrize("name", METHODS)
def test_a_question_asked_alone_gets_the_same_answer(name, tools):
    method, questions = fitted(name, tools, **TINY)
    among = method.score(questions, tools)
    alone = Questions({"unknown": questions.unknown[[3]], "generated": questions.generated})
    single = method.score(alone, tools)
    assert single.scores[0] == among.scores[3]
    assert single.labels[0] == among.labels[3]
    assert 0 <= among.scores.min() <= among.scores.max() <= 1


def test_the_code_labels_by_the_majority_of_the_trees(tools):
    method, questions = fitted("handcrafted-forest-as-coded", tools, **TINY)
    prediction = method.score(questions, tools)
    assert prediction.labels.tolist() == (prediction.scores > 0.5).tolist()


@pytest.fixture
def grown(monkeypatch):
    """What the forests and covariances of scikit-learn are fitted on, in order."""
    seen = []

    class Forest(ensemble.RandomForestClassifier):
        def fit(self, rows, labels):
            seen.append((self.n_estimators, self.criterion, self.random_state, rows.shape))
            return super().fit(rows, labels)

    class Covariance(covariance.EmpiricalCovariance):
        def fit(self, rows):
            seen.append(rows.shape)
            return super().fit(rows)

    monkeypatch.setattr(ensemble, "RandomForestClassifier", Forest)
    monkeypatch.setattr(covariance, "EmpiricalCovariance", Covariance)
    return seen


FEW = {"n": 1, "epochs": 1, "batch": 4}  # everything else as in the paper


def test_the_paper_budget_as_described(grown, tools):
    method, questions = fitted("handcrafted-forest", tools, **FEW)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == (2,)
    assert (method.side, method.learning_rate, method.rectified) == (128, 1e-4, False)
    ranking, distances, deciding = grown[-3:]  # those after the folds
    assert ranking == (100, "gini", 0, (2, 512 + 48))
    assert distances == (2 * 4, 20)
    assert deciding == (100, "gini", 0, (2, 512 + 48 + 1))


def test_the_paper_budget_as_coded(grown, tools):
    method, questions = fitted("handcrafted-forest-as-coded", tools, **FEW)
    prediction = method.score(questions, tools)
    assert prediction.scores.shape == (2,)
    assert (method.side, method.learning_rate, method.rectified) == (128, 1e-3, True)
    assert grown == [
        (200, "gini", 42, (2, 512 + 48)),
        (2 * 4, 20),
        (100, "gini", 42, (2, 3)),
    ]


def test_the_defaults_are_the_papers():
    method = METHODS["handcrafted-forest"].within(Budget.PAPER)
    assert (method.epochs, method.batch, method.width, method.top) == (50, 32, 32, 20)


def test_the_features_are_ranked_anew_within_each_fold(grown, tools):
    method, questions = fitted("handcrafted-forest", tools, folds=3, **TINY)
    method.score(questions, tools)
    rankings = [seen[-1] for seen in grown if seen[-1] == (16, 560) or seen[-1] == (24, 560)]
    assert rankings == [(16, 560)] * 3 + [(24, 560)]  # two thirds of 24 reals, then all


def test_images_are_resized_with_antialiasing_or_to_their_nearest_pixels():
    pixels = np.kron(np.arange(256).reshape(16, 16), np.array([[1, 1], [1, 0]])).astype(np.uint8)
    images = ImageSet(pixels[None], "training.used")
    nearest = METHODS["handcrafted-forest-as-coded"](side=16)._resized(images)
    assert set(np.unique(nearest)) <= set(np.unique(pixels))
    smooth = METHODS["handcrafted-forest"](side=16)._resized(images)
    assert smooth.mean() == pytest.approx(pixels.mean(), rel=0.02)
    assert nearest.shape == smooth.shape == (1, 16, 16)
