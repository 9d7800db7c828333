import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from bench_similarity_rules.comparison import Matrix, moments
from bench_similarity_rules.method import Ensemble, _SimilarityRule, bench_methods
from harness.method import Access, Budget, ImageSet, Questions
from harness.testing import check_method
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
RULES = [name for name in METHODS if not name.endswith("-ssim")]


class Tools(InProcessTools):
    """Tools that keep nothing between two calls."""

    def cached(self, key, make):
        return make()


class Table:
    """A measure that looks similarities up: reals are 0, 1, ..., generated images follow."""

    tile = 2

    def __init__(self, table, reals):
        self.table, self.sets = table, {"unknown": range(reals)}
        self.sets["generated"] = range(reals, len(table))

    def described(self, images):
        return np.array(self.sets[images.name.removeprefix("questions.")])

    def similarities(self, some, others):
        return self.table[np.ix_(some, others)].copy()


def symmetric(reals, generated, seed):
    draws = np.random.default_rng(seed).uniform(0, 0.8, (reals + generated,) * 2)
    table = (draws + draws.T) / 2
    np.fill_diagonal(table, 1)
    return table


def blank(reals, generated):
    sets = {"unknown": reals, "generated": generated}
    return Questions(
        {k: ImageSet(np.zeros((n, 8, 8), np.uint8), f"questions.{k}") for k, n in sets.items()}
    )


def asked_by_table(name, table, reals, monkeypatch, **changes):
    monkeypatch.setattr(_SimilarityRule, "_measure", lambda self, tools: Table(table, reals))
    method = METHODS[name](**changes)
    return method.score(blank(reals, len(table) - reals), Tools())


def by_definition(name, table, reals):
    """Labels of a rule, written from its description on whole matrices."""
    own, between, joint = table[:reals, :reals].copy(), table[reals:, :reals], table.copy()
    np.fill_diagonal(own, own.mean(1))
    np.fill_diagonal(joint, np.r_[np.diag(own), table[reals:, reals:].mean(1)])
    nearest = between.max(0)
    ranks = rankdata(-between, axis=1).mean(0)
    labels = {
        "similarity-threshold-max": nearest > own.max(),
        "similarity-threshold-average": nearest > own.mean() + 3 * own.std(),
        "similarity-clustering": joint[:reals].max(1) > joint.mean() + 3 * joint.std(),
        "similarity-retrieval": np.isin(np.arange(reals), between.argmax(1)),
        "similarity-ranking": ranks < rankdata(-own, axis=1).mean(),
    }
    ensemble = labels["similarity-ranking"].copy()
    ensemble[labels["similarity-threshold-max"]] = True
    ensemble[~labels["similarity-retrieval"]] = False
    return {**labels, "similarity-ensemble": ensemble}[name].astype(int).tolist()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_a_rule_labels_as_it_is_described(name, seed, monkeypatch):
    table = symmetric(7, 5, seed)
    # One real that is copied, one that is close to another real, one nobody is close to.
    table[0, 9] = table[9, 0] = 0.99
    table[1, 2] = table[2, 1] = 0.85
    table[3, 7:] = table[7:, 3] = 0.01
    prediction = asked_by_table(name, table, 7, monkeypatch)
    assert prediction.labels.tolist() == by_definition(name, table, 7)
    assert prediction.labels.tolist() == (prediction.scores > 0).astype(int).tolist()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("name", ["similarity-threshold-average", "similarity-clustering"])
def test_fewer_deviations_flag_more(name, alpha, monkeypatch):
    table = symmetric(30, 20, 3)
    few = asked_by_table(name, table, 30, monkeypatch, alpha=alpha).labels
    assert few.sum() > asked_by_table(name, table, 30, monkeypatch, alpha=3.0).labels.sum()


def test_the_ensemble_overrules_its_ranking(monkeypatch):
    # Rows are generated images: real 0 is copied once but ranked last elsewhere, real 1 is always
    # second, real 2 is first twice, real 3 is third.
    between = np.array([[0.95, 0.5, 0.1, 0.3], [0.0, 0.5, 0.6, 0.3], [0.0, 0.5, 0.6, 0.3]])
    table = np.eye(7)
    table[4:, :4], table[:4, 4:] = between, between.T
    table[0, 1] = table[1, 0] = 0.9
    ranked = asked_by_table("similarity-ranking", table, 4, monkeypatch).labels
    assert ranked.tolist() == [0, 1, 1, 0]
    together = asked_by_table("similarity-ensemble", table, 4, monkeypatch)
    assert together.labels.tolist() == [1, 0, 1, 0]
    assert np.argsort(-together.scores).tolist() == [0, 2, 1, 3]


def test_equal_similarities_share_rank_and_victory():
    matrix = Matrix.of(iter([np.array([[0.5, 0.5, 0.1]]), np.array([[0.2, 0.3, 0.3]])]))
    assert matrix.won.tolist() == [0.5, 1.0, 0.5]
    assert matrix.rank.tolist() == [2.25, 1.5, 2.25]
    assert matrix.highest.tolist() == [0.5, 0.5, 0.3]


def test_moments_are_those_of_all_entries():
    draws = np.random.default_rng(1)
    one, other = draws.normal(0.9, 0.01, (5, 4)), draws.normal(0.5, 0.1, (3, 4))
    found = moments(Matrix.of(iter([one[:2], one[2:]])), Matrix.of(iter([other])))
    everything = np.concatenate([one, other])
    assert found == pytest.approx((everything.mean(), everything.std()))


def answer(name, asked=None):
    _, questions, truth = leaky_case()
    method = METHODS[name].within(Budget.PAPER)
    return method.score(asked or questions, Tools()), truth


@pytest.mark.parametrize("name", [name for name in METHODS if "threshold" in name])
def test_copies_in_the_pool_rank_their_originals_first(name):
    prediction, truth = answer(name)
    assert roc_auc_score(truth, prediction.scores) == 1
    assert prediction.labels[:12].all()


@pytest.mark.parametrize("name", ["similarity-retrieval", "similarity-retrieval-ssim"])
def test_copies_in_the_pool_retrieve_their_originals(name):
    assert answer(name)[0].labels[:12].all()


@pytest.mark.parametrize("name", METHODS)
def test_the_answers_follow_the_order_of_the_questions(name):
    _, questions, _ = leaky_case()
    order = np.random.default_rng(0).permutation(len(questions.unknown))
    turned = ImageSet(questions.unknown.pixels[order], "questions.unknown")
    asked = Questions({"unknown": turned, "generated": questions.generated})
    first, second = answer(name)[0], answer(name, asked)[0]
    assert second.scores == pytest.approx(first.scores[order], abs=1e-6)
    assert second.labels.tolist() == first.labels[order].tolist()


@pytest.mark.parametrize("name", METHODS)
def test_one_question_and_two_generated_images_are_enough(name):
    _, questions, _ = leaky_case()
    few = Questions({"unknown": questions.unknown[[3]], "generated": questions.generated[[0, 1]]})
    assert np.isfinite(answer(name, few)[0].scores).all()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_questions_are_looked_at_together_and_no_label_is(method):
    assert method.access == {Access.POOL, Access.TRANSDUCTIVE}


def test_ssim_asks_for_no_backbone():
    method = METHODS["similarity-ensemble-ssim"].within(Budget.PAPER)
    assert (method.measure, method.backbone, method.side) == ("ssim", None, None)
    demo = METHODS["similarity-ensemble-ssim"].within(Budget.DEMO)
    assert (demo.measure, demo.backbone, demo.side) == ("ssim", None, 32)


def test_the_paper_budget_compares_resnet50():
    method = METHODS["similarity-ensemble"].within(Budget.PAPER)
    assert (method.measure, method.backbone) == ("resnet", "resnet50.tv_in1k")


def test_features_without_a_backbone_are_refused():
    with pytest.raises(ValidationError, match="needs a backbone"):
        Ensemble(backbone=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["similarity-ensemble-ssim"])
def test_it_behaves(name):
    check_method(name)
