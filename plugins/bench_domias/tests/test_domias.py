import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde, multivariate_normal, norm, spearmanr
from sklearn.metrics import roc_auc_score

from bench_domias.densities import kernels, mixture
from bench_domias.flow import Flow, flow
from bench_domias.method import bench_methods, projection
from harness.method import Budget, ImageSet, Questions, Training
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
WIDTH = 3
MEAN = np.array([1.0, 0.5, 0.0])  # of the generator; the population's is nought


class TrainingTools(InProcessTools):
    precision = "fp32"

    def __init__(self, folder):
        super().__init__()
        self.checkpoints = folder


def draw(count, seed, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, (count, WIDTH))


def in_theory(points):
    """The logarithm of the ratio of the two Gaussians."""
    return points @ MEAN - MEAN @ MEAN / 2


def learn(how, points, what, folder):
    if how == "kernels":
        return kernels(points)
    return mixture(points, 0) if how == "mixture" else flow(points, 15, what, TrainingTools(folder))


@pytest.mark.parametrize(
    "how", ["kernels", "mixture", pytest.param("flow", marks=pytest.mark.slow)]
)
def test_of_two_gaussians_the_ratio_is_what_theory_says(how, tmp_path):
    asked = np.concatenate([draw(400, 3, MEAN), draw(400, 4)])
    generated = learn(how, draw(1500, 1, MEAN), "generated", tmp_path)
    population = learn(how, draw(1500, 2), "population", tmp_path)
    found = generated(asked) - population(asked)
    assert spearmanr(found, in_theory(asked)).statistic > 0.93
    error = np.abs(found - in_theory(asked)).mean()
    assert error < 0.35
    best = norm.cdf(np.linalg.norm(MEAN) / 2**0.5)  # the AUC that no other score exceeds
    truth = np.repeat([1, 0], 400)
    ideal = roc_auc_score(truth, in_theory(asked))
    assert ideal == pytest.approx(best, abs=0.03)
    assert roc_auc_score(truth, found) == pytest.approx(ideal, abs=0.02)


def test_kernels_are_those_of_scipy():
    points, asked = draw(200, 5) * [1, 20, 5], draw(50, 6) * [1, 20, 5]
    assert kernels(points)(asked) == pytest.approx(gaussian_kde(points.T).logpdf(asked.T), abs=0.01)


def test_a_mixture_of_one_gaussian_is_that_gaussian():
    points = draw(2000, 7)
    exact = multivariate_normal(points.mean(0), np.cov(points.T)).logpdf(points)
    assert mixture(points, 0)(points) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_flow_is_a_density(width):
    """Its logarithm is that of the normal density of where a point comes to, and of the volume."""
    torch.manual_seed(0)
    network = Flow(width)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    point = torch.randn(width)

    def moved(point):
        point = point[None]
        for coupling in network.couplings:
            point, _ = coupling(point)
        return point[0]

    jacobian = torch.autograd.functional.jacobian(moved, point)
    normal = torch.distributions.Normal(0, 1).log_prob(moved(point)).sum()
    expected = normal + torch.linalg.slogdet(jacobian).logabsdet
    assert network(point[None])[0].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("how", ["kernels", "mixture"])
@pytest.mark.parametrize("points", [draw(1, 0), draw(2, 0), np.zeros((5, WIDTH))])
def test_few_or_equal_points_have_a_density(how, points, tmp_path):
    assert np.isfinite(learn(how, points, "few", tmp_path)(draw(9, 1))).all()


def test_the_projection_scales_the_pool_and_leaves_out_what_does_not_vary():
    pool = np.random.default_rng(0).normal(size=(50, 2)) @ np.random.default_rng(1).normal(
        size=(2, 30)
    )
    points = projection(pool, 8, 0)(pool)
    assert points.shape == (50, 2)
    assert points.var(0, ddof=1) == pytest.approx(1)
    assert projection(np.ones((4, 30)), 8, 0)(np.ones((3, 30))).shape == (3, 1)


def common_and_rare(folder, name):
    """A generator that repeats one cluster of the population; its members lie there."""
    draws = np.random.default_rng(8)
    middle = draws.normal(0, 30, 16)

    def of(count, mean, spread):
        return 128 + mean + draws.normal(0, spread, (count, 16))

    def images(vectors, what):
        pixels = np.clip(vectors, 0, 255).round().astype(np.uint8).reshape(-1, 4, 4)
        return ImageSet(pixels, what)

    training = Training(
        {
            "used": images(of(40, middle, 8), "training.used"),
            "not_used": images(of(60, 0, 25), "training.not_used"),
            "generated": images(of(120, middle, 8), "training.generated"),
        }
    )
    questions = Questions(
        {
            "unknown": images(
                np.concatenate([of(25, middle, 8), of(25, 0, 25)]), "questions.unknown"
            ),
            "generated": images(of(120, middle, 8), "questions.generated"),
        }
    )
    method = METHODS[name].within(Budget.PAPER, {"epochs": 20, "components": 4})
    method.fit(training, TrainingTools(folder))
    return method.score(questions, TrainingTools(folder))


@pytest.mark.parametrize("name", METHODS)
def test_members_lie_where_the_pool_is_denser_than_the_reference(name, tmp_path):
    prediction = common_and_rare(tmp_path, name)
    truth = np.repeat([1, 0], 25)
    assert roc_auc_score(truth, prediction.scores) > 0.95
    assert (prediction.labels == truth).mean() > 0.85


def test_a_reference_of_other_patients_is_learnt_for_every_fold(tmp_path):
    training, asked, _ = leaky_case()
    method = METHODS["domias-flow"].within(Budget.PAPER, {"epochs": 1, "folds": 3})
    method.fit(training, TrainingTools(tmp_path))
    method.score(asked, TrainingTools(tmp_path))
    assert len(list(tmp_path.glob("*reference*.pt"))) == 4  # three folds, and all
    assert len(list(tmp_path.glob("*pool*.pt"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_behaves(name):
    check_method(name)
