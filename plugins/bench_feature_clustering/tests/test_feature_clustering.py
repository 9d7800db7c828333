import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench_feature_clustering.method import bench_methods
from harness.clustering import cluster
from harness.method import Access, AccessError, Budget, ImageSet, Questions, Training
from harness.thresholds import best_kappa_threshold
from support import InProcessTools, leaky_case

METHODS = {method.name: method for method in bench_methods()}
TOGETHER = [name for name in METHODS if name.startswith("feature-clustering")]
UNSUPERVISED = [name for name in TOGETHER if name != "feature-clustering-by-label"]
DARK, BRIGHT = 40, 200


def images(*greys, seed=0):
    """8 x 8 images about the given greys, no two alike."""
    draws = np.random.default_rng([seed, *greys])
    noise = draws.normal(0, 3, (len(greys), 8, 8))
    return np.clip(np.array(greys)[:, None, None] + noise, 0, 255).astype(np.uint8)


def part(of, **pixels):
    return {name: ImageSet(rows, f"{of}.{name}") for name, rows in pixels.items()}


def case(used=(BRIGHT,) * 5, not_used=(DARK,) * 5):
    """Most generated images are bright, and so are the questions 0 to 4 of ten."""
    made = images(*[BRIGHT] * 12, *[DARK] * 4, seed=1)
    training = part("training", used=images(*used, seed=2), not_used=images(*not_used, seed=3))
    asked = images(*[BRIGHT] * 5, *[DARK] * 5, seed=4)
    return Training(training), Questions(part("questions", unknown=asked, generated=made))


def answer(name, training=None, questions=None, **changes):
    given, asked = case()
    method = METHODS[name].within(Budget.PAPER, changes)
    method.fit(training or given, InProcessTools())
    return method.score(questions or asked, InProcessTools())


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_the_cluster_with_the_larger_share_of_generated_images_is_used(name):
    prediction = answer(name)
    assert prediction.labels.tolist() == [1] * 5 + [0] * 5
    if "dbscan" not in name:  # five questions among 12 generated images, and five among 4
        assert prediction.scores == pytest.approx([12 / 17] * 5 + [4 / 9] * 5)


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_no_label_and_no_training_image_is_asked_for(name):
    assert METHODS[name].access == {Access.POOL, Access.TRANSDUCTIVE}
    with_nothing = answer(name, Training({}))
    assert with_nothing.scores.tolist() == answer(name).scores.tolist()


def test_what_dbscan_calls_noise_is_not_used():
    _, questions = case()
    apart = np.where(np.indices((8, 8)).sum(0) % 2, 255, 0).astype(np.uint8)  # a chessboard
    asked = np.concatenate([questions.unknown.pixels, apart[None]])
    with_it = part("questions", unknown=asked, generated=questions.generated.pixels)
    prediction = answer("feature-clustering-dbscan", questions=Questions(with_it))
    assert (prediction.scores[-1], prediction.labels[-1]) == (0, 0)
    assert prediction.scores[:5].min() > 0


def test_a_pool_that_is_spread_as_the_questions_are_tells_nothing():
    made = images(*[BRIGHT] * 5, *[DARK] * 5, seed=5)
    asked = part("questions", unknown=case()[1].unknown.pixels, generated=made)
    prediction = answer("feature-clustering", questions=Questions(asked))
    assert prediction.scores.tolist() == [0.5] * 10
    assert prediction.labels.sum() == 0


@pytest.mark.parametrize("flipped", [False, True])
def test_by_label_the_cluster_with_more_used_training_reals_is_used(flipped):
    kinds = [(BRIGHT,) * 4 + (DARK,), (DARK,) * 5]
    used, not_used = kinds[::-1] if flipped else kinds
    prediction = answer("feature-clustering-by-label", case(used, not_used)[0])
    bright, dark = (0, 5 / 6) if flipped else (1, 1 / 6)
    assert prediction.scores == pytest.approx([bright] * 5 + [dark] * 5)
    assert prediction.labels.tolist() == [int(not flipped)] * 5 + [int(flipped)] * 5


def test_a_cluster_without_training_reals_has_the_share_of_all_and_is_not_used():
    training, _ = case(used=(DARK,) * 3, not_used=(DARK,))
    prediction = answer("feature-clustering-by-label", training)
    assert prediction.scores == pytest.approx([0.75] * 10)
    assert prediction.labels.sum() == 0


@pytest.mark.parametrize("name", METHODS)
def test_two_generated_images_and_one_question_are_enough(name):
    _, questions = case()
    few = Questions({"unknown": questions.unknown[[0]], "generated": questions.generated[[0, 1]]})
    prediction = answer(name, questions=few)
    assert np.isfinite(prediction.scores).all()
    assert prediction.labels.tolist() in ([0], [1])


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("name", METHODS)
def test_images_that_are_all_the_same_are_answered(name):
    flat = np.full((6, 8, 8), 90, np.uint8)
    training = Training(part("training", used=flat[:2], not_used=flat[:3]))
    questions = Questions(part("questions", unknown=flat[:4], generated=flat))
    prediction = answer(name, training, questions)
    assert np.isfinite(prediction.scores).all()
    assert len(np.unique(prediction.labels)) == 1


def rows(images):
    return np.sqrt(images.pixels.reshape(len(images), -1) / 255)


def test_the_score_is_the_distance_to_the_nearest_centre_of_the_generated_images():
    training, questions, _ = leaky_case()
    pool = rows(questions.generated)
    found = cluster(pool, "kmeans", 4, seed=0)
    centres = np.stack([pool[found == index].mean(0) for index in range(4)])

    def closeness(images):
        return -np.linalg.norm(rows(images)[:, None] - centres, axis=2).min(1)

    prediction = answer("feature-centroids", training, questions, count=4)
    assert prediction.scores == pytest.approx(closeness(questions.unknown), abs=1e-4)
    reals = training.reals
    threshold = best_kappa_threshold(reals.gather(closeness), reals.labels)
    assert prediction.labels.tolist() == (prediction.scores > threshold).astype(int).tolist()


@pytest.mark.parametrize("clustering", ["kmeans", "gmm", "agglomerative"])
def test_with_a_centre_for_every_generated_image_copies_give_their_originals_away(clustering):
    training, questions, truth = leaky_case()
    count = len(questions.generated)
    prediction = answer(
        "feature-centroids", training, questions, count=count, clustering=clustering
    )
    assert roc_auc_score(truth, prediction.scores) == 1
    assert prediction.labels.tolist() == truth


def test_a_question_asked_alone_is_as_far_from_the_centres_as_among_others():
    _, questions = case()
    alone = Questions({"unknown": questions.unknown[[7]], "generated": questions.generated})
    among, single = answer("feature-centroids"), answer("feature-centroids", questions=alone)
    assert single.scores[0] == pytest.approx(among.scores[7], rel=1e-4)
    assert single.labels[0] == among.labels[7]


def test_the_threshold_needs_the_labels():
    assert METHODS["feature-centroids"].access == {Access.POOL, Access.LABELS}
    with pytest.raises(AccessError, match="LABELS"):
        answer("feature-centroids", Training({}))


@pytest.mark.parametrize("name", METHODS)
def test_the_paper_budget_has_the_described_features_and_the_demo_the_packaged_ones(name):
    lbp = name == "feature-centroids-lbp"
    paper, demo = (METHODS[name].within(budget).backbone for budget in (Budget.PAPER, Budget.DEMO))
    assert paper == ("lbp" if lbp else "resnet50.tv_in1k")
    assert demo == ("lbp" if lbp else "tf_efficientnet_lite0")


def test_each_algorithm_that_is_named_has_a_variant_and_kmeans_stands_for_the_package():
    named = {METHODS[name].within(Budget.PAPER).clustering for name in UNSUPERVISED}
    assert named == {"kmeans", "gmm", "agglomerative", "dbscan"}
    assert [name for name, method in METHODS.items() if method.headline] == ["feature-clustering"]
    assert METHODS["feature-clustering"].within(Budget.PAPER).clustering == "kmeans"


def test_only_the_runs_that_the_overview_lists_are_claimed():
    runs = {name: method.reference.runs for name, method in METHODS.items()}
    assert {name: given for name, given in runs.items() if given} == {
        "feature-clustering": ("1778", "1779"),
        "feature-centroids": ("1776",),
    }
