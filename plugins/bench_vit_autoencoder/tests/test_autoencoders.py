from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench_vit_autoencoder.autoencoder import augment
from bench_vit_autoencoder.method import bench_methods
from harness.method import Access, Budget, ImageSet, Questions, Training
from harness.testing import check_method
from harness.thresholds import best_kappa_threshold
from support import InProcessTools

METHODS = {method.name: method for method in bench_methods()}
TINY = {"side": 32, "patch": 14, "width": 8, "depth": 1, "heads": 1, "latent": 16, "batch": 8}
SMALL_FILTERS = {"filters": (4, 4, 8, 8)}
QUICK = {"epochs": 1, "pretraining_epochs": 1}


class TrainingTools(InProcessTools):
    precision = "fp32"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.checkpoints = folder
        self.said: list[str] = []

    def log(self, text):
        self.said.append(text)


def smooth(draws, count, side=32):
    """Images of three soft spots each: as different as patients, and easy to give back."""
    y, x = np.mgrid[:side, :side]
    images = np.zeros((count, side, side))
    for _ in range(3):
        at = draws.uniform(4, side - 4, (2, count, 1, 1))
        images += 90 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 30)
    return np.clip(images + 20, 0, 255).astype(np.uint8)


def sets(part, **pixels):
    return {
        name: ImageSet(images, f"{part}.{name}", None, groups)
        for name, (images, groups) in pixels.items()
    }


def inverted(images):
    return ImageSet(255 - images.pixels, images.name)


def case(used=8, not_used=8, groups=None, auxiliary=True):
    """Return a case whose pool is its used images alone, questions of eight used and eight not."""
    draws = np.random.default_rng(0)
    members, others = smooth(draws, used + 8), smooth(draws, not_used + 8)
    given = groups or (None, None)
    training = sets(
        "training",
        used=(members[:used], given[0]),
        not_used=(others[:not_used], given[1]),
        generated=(np.repeat(members, 2, 0), None),
    )
    if auxiliary:
        dark, bright = smooth(draws, 8) // 4, smooth(draws, 8) // 2 + 120
        training |= sets("training", **{"auxiliary/0": (dark, None), "auxiliary/1": (bright, None)})
    asked = np.concatenate([members[used:], others[not_used:]])
    questions = sets("questions", unknown=(asked, None), generated=(members, None))
    return Training(training), Questions(questions)


def fitted(name, folder, training=None, **changes):
    """Return a fitted method of a small size, the questions, and the tools that it used."""
    torch.manual_seed(0)
    given, questions = case()
    tools = TrainingTools(folder)
    small = {key: value for key, value in TINY.items() if key in METHODS[name].model_fields}
    method = METHODS[name].within(Budget.PAPER, {**small, **changes})
    method.fit(training or given, tools)
    return method, questions, tools


def weights(method):
    return torch.cat([weight.flatten() for weight in method._autoencoder.parameters()])


@pytest.mark.parametrize(
    ("name", "like_the_pool"), [("vit-autoencoder", True), ("vit-autoencoder-as-coded", False)]
)
def test_what_is_like_the_images_learnt_from_comes_back_best(tmp_path, name, like_the_pool):
    training, questions = case()
    bright = {f"auxiliary/{c}": inverted(s) for c, s in enumerate(training.auxiliary.sets)}
    training = Training({**training._sets, **bright})
    method, _, tools = fitted(
        name, tmp_path, training, pretraining_epochs=0, epochs=30, learning_rate=3e-3
    )
    similar = method.score(questions, tools).scores
    different = method.score(Questions({"unknown": inverted(questions.unknown)}), tools).scores
    assert (similar.min() > different.max()) == like_the_pool
    assert (different.min() > similar.max()) != like_the_pool


def test_the_score_is_the_negative_error_and_the_label_its_side_of_the_best_kappa(tmp_path):
    training, questions = case()
    method, _, tools = fitted("vit-autoencoder", tmp_path, **QUICK)

    def negative_errors(images):
        greys = images.tensor(normalise=(0.5, 0.5))
        with torch.no_grad():
            return -((method._autoencoder(greys) - greys) ** 2).mean((1, 2, 3)).numpy()

    known = np.concatenate([negative_errors(training.used), negative_errors(training.not_used)])
    threshold = best_kappa_threshold(known, np.repeat([1, 0], 8))
    prediction = method.score(questions, tools)
    assert prediction.scores == pytest.approx(negative_errors(questions.unknown), rel=1e-5)
    assert prediction.labels.tolist() == (prediction.scores > threshold).astype(int).tolist()


@pytest.mark.parametrize("name", ["vit-autoencoder", "autoencoder-spectral"])
def test_pretraining_learns_to_tell_the_classes_of_the_auxiliary_set(tmp_path, name):
    size = SMALL_FILTERS if name == "autoencoder-spectral" else {}
    changes = {"pretraining_epochs": 15, "epochs": 0, "learning_rate": 3e-3}
    _, _, tools = fitted(name, tmp_path, **size, **changes)
    [told] = [text for text in tools.said if text.startswith("pretraining: loss")]
    first, last = (float(word) for word in told.split() if word[0].isdigit())
    assert last < first / 2


def test_without_an_auxiliary_set_the_encoder_starts_untrained_and_the_log_says_so(tmp_path):
    alone, _ = case(auxiliary=False)
    method, _, tools = fitted("vit-autoencoder", tmp_path, alone, epochs=0)
    assert any("--auxiliary" in text and "encoder" in text for text in tools.said)
    torch.manual_seed(0)
    start, _, _ = fitted("vit-autoencoder", tmp_path / "2", epochs=0, pretraining_epochs=0)
    assert torch.equal(weights(method), weights(start))


def test_as_coded_reads_no_generated_image(tmp_path):
    assert METHODS["vit-autoencoder-as-coded"].access == {Access.LABELS, Access.AUXILIARY}
    training, _ = case()
    names = ("used", "not_used", "auxiliary/0", "auxiliary/1")
    without_pool = Training({name: training._sets[name] for name in names})
    method, questions, tools = fitted("vit-autoencoder-as-coded", tmp_path, without_pool, epochs=1)
    assert np.isfinite(method.score(questions, tools).scores).all()
    untrained, _, _ = fitted("vit-autoencoder-as-coded", tmp_path / "2", epochs=0)
    assert not torch.equal(weights(method), weights(untrained))


def test_as_coded_without_an_auxiliary_set_keeps_its_random_weights_and_says_so(tmp_path):
    alone, _ = case(auxiliary=False)
    method, questions, tools = fitted("vit-autoencoder-as-coded", tmp_path, alone, epochs=3)
    untrained, _, _ = fitted("vit-autoencoder-as-coded", tmp_path / "2", epochs=0)
    assert torch.equal(weights(method), weights(untrained))
    assert any("random weights" in text and "--auxiliary" in text for text in tools.said)
    assert np.isfinite(method.score(questions, tools).scores).all()


def test_the_variants_differ_from_the_paper_where_they_say():
    paper = METHODS["vit-autoencoder"].within(Budget.PAPER)
    assert (paper.side, paper.epochs, paper.pretraining_epochs, paper.batch) == (256, 10, 100, 64)
    assert (paper.learning_rate, paper.weight_decay) == (1e-4, 1e-5)
    coded = METHODS["vit-autoencoder-as-coded"].within(Budget.PAPER)
    assert (coded.weight_decay, coded.pretraining_epochs, coded.learns_from) == (0, 0, "auxiliary")
    spectral = METHODS["autoencoder-spectral"].within(Budget.PAPER)
    assert (spectral.epochs, spectral.filters) == (100, (32, 64, 128, 256))


def test_the_regression_finds_its_threshold_on_patients_it_has_not_learnt_from(tmp_path):
    one_each = (np.zeros(8, int), np.ones(8, int))
    training, _ = case(groups=one_each)
    _, _, tools = fitted("vit-autoencoder-latent", tmp_path, training, **QUICK)
    assert any("too few patients" in text for text in tools.said)
    method, questions, tools = fitted("vit-autoencoder-latent", tmp_path / "2", **QUICK)
    assert not any("too few patients" in text for text in tools.said)
    prediction = method.score(questions, tools)
    ordered = prediction.labels[np.argsort(prediction.scores)]
    assert (np.diff(ordered) >= 0).all()


def test_swapped_labels_turn_the_clusters_round(tmp_path):
    changes = {**QUICK, **SMALL_FILTERS}
    training, _ = case()
    method, questions, tools = fitted("autoencoder-spectral", tmp_path, training, **changes)
    swapped = Training({**training._sets, "used": training.not_used, "not_used": training.used})
    other, _, _ = fitted("autoencoder-spectral", tmp_path / "2", swapped, **changes)
    first, second = method.score(questions, tools), other.score(questions, tools)
    assert first.labels.tolist() == (1 - second.labels).tolist()


def test_augmented_images_keep_their_shape_and_differ_at_each_draw():
    image = torch.rand(1, 64, 64)
    torch.manual_seed(0)
    drawn = [augment(image) for _ in range(4)]
    assert all(changed.shape == (1, 64, 64) for changed in drawn)
    assert all(-1 <= changed.min() <= changed.max() <= 1 for changed in drawn)
    assert len({changed.sum().item() for changed in drawn}) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"patch": 15}, "does not divide"), ({"heads": 5}, "do not divide"), ({"side": 100}, "32")],
)
def test_sizes_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        METHODS["vit-autoencoder"].within(Budget.PAPER, changes)


@pytest.mark.slow
def test_the_papers_vit_autoencoder_trains_and_answers(tmp_path):
    paper = {**METHODS["vit-autoencoder"].within(Budget.PAPER).model_dump(), **QUICK, "batch": 4}
    method, questions, tools = fitted("vit-autoencoder", tmp_path, **paper)
    assert method._autoencoder.encoder.projection.weight.shape == (512, 768)
    assert np.isfinite(method.score(questions, tools).scores).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_behaves(name):
    check_method(name)
