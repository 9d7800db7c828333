import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import beta, betabinom, norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct
from sklearn.metrics import roc_auc_score

from bench_whitened_neighbour.calibration import best_by_auc, conformal_threshold
from bench_whitened_neighbour.method import LabelFree, WhitenedNeighbour
from bench_whitened_neighbour.span import explained
from harness.method import ImageSet, Questions, Training
from harness.testing import check_method
from support import InProcessTools, leaky_case


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whitened-neighbour", "whitened-neighbour-label-free"])
def test_it_behaves(name):
    check_method(name)


def answer(training, asked, made=WhitenedNeighbour, **changes):
    method = made(**changes)
    method.fit(training, InProcessTools())
    return method.score(asked, InProcessTools())


def test_copies_in_the_pool_give_their_originals_away():
    training, asked, truth = leaky_case()
    prediction = answer(training, asked)
    assert prediction.labels.tolist() == truth
    assert prediction.scores[:12].min() > prediction.scores[12:].max()


def common_structure(draws, count, side=16):
    """Images that are nearly all one strong pattern, of random strength, and a faint detail."""
    pattern = np.outer(np.hanning(side), np.hanning(side))
    strength = draws.normal(100, 30, (count, 1, 1))
    return strength * pattern + 120 + draws.normal(0, 3, (count, side, side))


def test_a_faint_copy_is_found_below_what_all_images_share():
    draws = np.random.default_rng(4)
    used, not_used, asked, others = (common_structure(draws, 20) for _ in range(4))

    def faint(originals):
        return (
            0.5 * (originals - originals.mean()) + originals.mean() + draws.normal(0, 1, (16, 16))
        )

    pool = np.concatenate([faint(used), faint(asked), common_structure(draws, 160)])

    def images(pixels, name):
        return ImageSet(np.clip(pixels, 0, 255).round().astype(np.uint8), name)

    training = Training(
        {
            "used": images(used, "training.used"),
            "not_used": images(not_used, "training.not_used"),
            "generated": images(pool[:100], "training.generated"),
        }
    )
    questions = Questions(
        {
            "unknown": images(np.concatenate([asked, others]), "questions.unknown"),
            "generated": images(pool[100:], "questions.generated"),
        }
    )

    def found(**changes):
        scores = answer(training, questions, side=16, **changes).scores
        return roc_auc_score(np.repeat([1, 0], 20), scores)

    assert found() > 0.98
    assert found(power=0, rivals=()) < 0.9


@pytest.mark.parametrize("nearest", [1, 4, 9])
def test_what_is_explained_is_how_far_a_gaussian_process_is_narrowed(nearest):
    draws = np.random.default_rng(2)
    images, others = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (draws.normal(size=(n, 12)).astype(np.float32) for n in (300, 9))
    )
    shares = explained(images, others, nearest, InProcessTools())
    for image, share in zip(images[::29], shares[::29], strict=True):
        chosen = others[np.argsort(-(others @ image))[:nearest]]
        process = GaussianProcessRegressor(DotProduct(0, "fixed"), alpha=1, optimizer=None)
        _, sd = process.fit(chosen, np.zeros(nearest)).predict(image[None], return_std=True)
        assert share == pytest.approx(1 - sd[0] ** 2, abs=1e-5)


@pytest.mark.parametrize("generated", [2, 3])
def test_tiny_pools_are_survived(generated):
    training, asked, _ = leaky_case()
    few = Training({**training._sets, "generated": training.generated[:1]})
    little = Questions({**asked._sets, "generated": asked.generated[: generated - 1]})
    assert np.isfinite(answer(few, little).scores).all()


def theory(dimensions, correlation, pool):
    """Return the AUC of the largest cosine with a pool that holds one copy of each member.

    Both are whitened Gaussians. The cosine of strangers is that of random directions. That of a
    copy is a correlation coefficient about a known mean, normal after Fisher's transformation.
    """
    cosine = np.linspace(-1, 1, 20_001)[1:-1]
    stranger = beta.cdf((cosine + 1) / 2, (dimensions - 1) / 2, (dimensions - 1) / 2)
    copy = norm.cdf((np.arctanh(cosine) - np.arctanh(correlation)) * np.sqrt(dimensions - 2))
    best = stranger**pool
    return 1 - trapezoid(copy * best, best)


@pytest.mark.parametrize("correlation", [0.3, 0.5])
@pytest.mark.parametrize("made", [WhitenedNeighbour, LabelFree])
def test_gaussian_images_are_told_as_well_as_theory_has_it(made, correlation):
    side, count, draws = 8, 250, np.random.default_rng(6)
    scales = np.geomspace(30, 3, side**2)
    axes, _ = np.linalg.qr(draws.normal(size=(side**2, side**2)))

    def gaussian(number):
        return draws.normal(size=(number, side**2))

    def images(whitened, name):
        grey = 128 + (whitened * scales) @ axes.T
        return ImageSet(grey.clip(0, 255).round().astype(np.uint8).reshape(-1, side, side), name)

    members = gaussian(count)
    copies = correlation * members + np.sqrt(1 - correlation**2) * gaussian(count)
    unused = images(gaussian(200), "training.not_used")
    training = Training(
        {
            "used": images(gaussian(200), "training.used"),
            "not_used": unused,
            "reference": unused,
            "generated": images(gaussian(2000), "training.generated"),
        }
    )
    questions = Questions(
        {
            "unknown": images(np.concatenate([members, gaussian(count)]), "questions.unknown"),
            "generated": images(copies, "questions.generated"),
        }
    )

    def auc(**changes):
        scores = answer(training, questions, made, side=side, power=1.0, **changes).scores
        return roc_auc_score(np.repeat([1, 0], count), scores)

    found = auc(nearest=1, span=0)
    error = np.sqrt(found * (1 - found) / count)
    assert abs(found - theory(side**2, correlation, 2000 + count)) < 3 * error
    assert auc() > found - 3 * error  # spans have little to say where each copy is one image


def test_without_used_images_copies_are_found_and_false_alarms_kept():
    training, asked, truth = leaky_case(n=40)
    given = {"reference": training.not_used, "generated": training.generated}
    labels = answer(Training(given), asked, LabelFree).labels
    assert labels[:40].tolist() == truth[:40]
    assert labels[40:].sum() <= 6  # 2 expected; 1 % of draws have more


def test_few_patients_promise_nothing():
    scores, patients = np.arange(38.0), np.repeat(np.arange(19), 2)
    assert conformal_threshold(scores, patients, 0.05) == 37
    assert conformal_threshold(scores[2:], patients[2:], 0.05) == np.inf
    assert conformal_threshold(scores, patients, 0.1) == 35


def test_the_first_rival_stays_unless_another_is_better_by_far():
    labels = np.repeat([0, 1], 20)
    draws = np.random.default_rng(0)
    noise = [draws.normal(size=40) for _ in range(2)]
    assert best_by_auc([noise[0], noise[0] + 0.1 * labels], labels) == 0
    assert best_by_auc([noise[0], noise[1] + 3 * labels], labels) == 1


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_without_a_leak_as_many_patients_are_called_used_as_promised(rate):
    sets, known, side = 40, 100, 8
    draws = np.random.default_rng(9)
    flagged = 0
    for _ in range(sets):
        patients = draws.normal(size=(known + 20, 1, side, side))
        pixels = 128 + 25 * (patients + draws.normal(size=(known + 20, 2, side, side)))
        reals = pixels.clip(0, 255).round().astype(np.uint8)
        pool = (128 + 35 * draws.normal(size=(100, side, side))).clip(0, 255).astype(np.uint8)
        reference = ImageSet(
            reals[:known].reshape(-1, side, side),
            "training.reference",
            groups=np.repeat(np.arange(known), 2),
        )
        training = Training(
            {"reference": reference, "generated": ImageSet(pool[:50], "training.generated")}
        )
        asked = Questions(
            {
                "unknown": ImageSet(reals[known:].reshape(-1, side, side), "questions.unknown"),
                "generated": ImageSet(pool[50:], "questions.generated"),
            }
        )
        labels = answer(training, asked, LabelFree, side=side, false_alarms=rate).labels
        flagged += labels.reshape(-1, 2).max(1).sum()
    # Patients of a set share a threshold, an order statistic: their number is beta-binomial.
    above = known + 1 - np.ceil((known + 1) * (1 - rate))
    law = betabinom(20, above, known + 1 - above)
    assert abs(flagged - sets * law.mean()) < 3 * np.sqrt(sets) * law.std()
