import numpy as np
import pytest

from bench_autoencoder_outlier.replacement import PatchReplacement

from .conftest import asked, smooth


def scaled(pixels):
    return pixels.astype(np.float64) / 127.5 - 1


def pairs(reals, donors):
    """Mean squared change of each image when it takes a patch of each donor, by the definition."""
    found = np.zeros((len(reals), len(donors)))
    for i, real in enumerate(scaled(reals)):
        for j, donor in enumerate(scaled(donors)):
            changed = real.copy()
            changed[16:, 8:24] = donor[16:, 8:24]
            found[i, j] = np.square(real - changed).mean()
    return found


@pytest.fixture
def case():
    draws = np.random.default_rng(0)
    reals = smooth(draws, 70)
    pool = smooth(draws, 9)
    pool[4, 16:, 8:24] = reals[3, 16:, 8:24]  # a patch of one question
    return asked(reals, pool)


@pytest.fixture(autouse=True)
def perfect(monkeypatch):
    """An autoencoder that gives everything back as it came."""
    monkeypatch.setattr(PatchReplacement, "_learn", lambda *_: lambda images: images)


def test_used_is_what_a_generated_patch_fits_better_than_those_of_other_questions(case, tools):
    reals, pool = case.unknown.pixels, case.generated.pixels
    usual = pairs(reals, reals)
    np.fill_diagonal(usual, usual.mean(1))
    least = pairs(reals, pool).min(1)
    prediction = PatchReplacement(side=32, alpha=1).score(case, tools)
    assert prediction.scores == pytest.approx(-least, abs=1e-6)
    threshold = usual.mean() - usual.std()
    assert prediction.labels.tolist() == (least < threshold).tolist()
    assert prediction.scores.argmax() == 3
    assert 0 < prediction.labels.sum() < len(reals)


def test_of_a_perfect_autoencoder_the_nearest_patch_is_the_best_one(case, tools):
    every = PatchReplacement(side=32).score(case, tools)
    nearest = PatchReplacement(side=32, candidates=1).score(case, tools)
    assert nearest.scores == pytest.approx(every.scores, abs=1e-6)
    assert any("nearest patches of 9" in text for text in tools.said)


def test_some_questions_may_stand_for_all_in_the_threshold(case, tools):
    method = PatchReplacement(side=32, donors=20)
    found = method._among_questions(lambda images: images, case.unknown, tools)
    every = pairs(case.unknown.pixels, case.unknown.pixels)
    assert found.shape == (70, 20)
    columns = [np.abs(every - column[:, None]).sum(0).argmin() for column in found.T]
    assert len(set(columns)) == 20
    for place, donor in enumerate(columns):
        others = np.delete(np.arange(70), donor)
        assert found[others, place] == pytest.approx(every[others, donor], abs=1e-6)
        assert found[donor, place] > 0  # not the patch that was there before
    assert any("20 of 70" in text for text in tools.said)


@pytest.mark.parametrize(("too", "learnt"), [(False, 9), (True, 79)])
def test_the_questions_teach_where_that_is_asked_for(case, tools, monkeypatch, too, learnt):
    seen = []

    def learn(self, images, tools):
        seen.append(len(images))
        return lambda given: given

    monkeypatch.setattr(PatchReplacement, "_learn", learn)
    PatchReplacement(side=32, learns_from_questions=too).score(case, tools)
    assert seen == [learnt]
