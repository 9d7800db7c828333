"""What a site shows beside figures: published runs and verdicts, doses, seeds, p values."""

from dataclasses import replace

import pytest

from harness.board.comparison import FORM, Comparison, Standing, comparison_file
from harness.board.published import read_published
from harness.files import write_json
from harness.method import Budget
from harness.running.calibration import FIDELITIES, Calibration, Tried, calibration_file
from harness.site.site import make_site
from world import World, figure, record

pytest.importorskip("plotly")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("further")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        yield World(folder)


@pytest.fixture(scope="module")
def files(world):
    """The site of a world whose first data set was calibrated on and is comparable to 2025."""
    folder = world.published.root / "shown"
    [finds] = [r for r in world.published.of("shown") if r.method.name == "finds"]
    fingerprint = finds.dataset.fingerprint
    for seed in (1, 2):
        made = record("shown", "guesses", 0.03 * seed, fingerprint=fingerprint, seed=seed)
        world.write(made.model_copy(update={"key": str(seed)}))
    tried = [Tried(fidelity=None, share=0.0, draw=draw, z=draw - 1.0) for draw in range(3)]
    tried += [
        Tried(fidelity=name, share=share, draw=draw, z=20 * share + draw)
        for name in FIDELITIES
        for share in (0.1, 0.4)
        for draw in range(3)
    ]
    held = Calibration(
        key="0", method="finds", source_digest="0" * 64, parameters={"k": 1}, budget=Budget.DEMO,
        fingerprint=fingerprint, tried=tuple(tried),
    ).concluded()  # fmt: skip
    write_json(calibration_file(folder, "demo", "finds"), held.model_dump(mode="json"))
    told = Standing(
        answers=finds.predictions.sha256, rank=1, rank_in_access=1, p=0.001, adjusted=0.004,
        thresholds={"kappa_prior": figure(0.5, 0.4, 0.6)},
    )  # fmt: skip
    comparison = Comparison(
        standings={finds.predictions.path: told}, blind=0.1, best_p=0.01, draws=2000, form=FORM
    )
    path = comparison_file(folder, "official", "demo")
    write_json(path, comparison.model_dump(mode="json"))
    runs = [run for run in read_published() if run.edition == "2025" and run.source == "official"]
    own = [replace(run, method="finds") if run.run == "1878" else run for run in runs]
    entry = world.entries["shown"].model_copy(update={"comparable_to": ("2025-membership",)})
    entries = {**world.entries, "shown": entry}
    return make_site(world.sources(runs=tuple(own), entries=entries))


def test_the_board_has_p_ranks_in_access_limits_and_seeds(files):
    page = files["boards/shown.html"].decode()
    for title in ("p", "in access", "LoD", "seeds", "looks"):
        assert f">{title}</button>" in page, title
    assert '<td class="number" data-key="0.004">0.004</td>' in page
    assert "3 (sd 0.030)" in page
    assert page.count('aria-label="record of guesses, seed ') == 3
    assert "Kappa at other thresholds" in page


def test_every_seed_has_its_record_in_the_site(files):
    names = [name for name in files if name.startswith("records/shown/guesses@official-demo-")]
    assert len(names) == 3


def test_published_runs_stand_on_the_board_of_their_images_alone(files):
    assert "Neural Nexus, run 1878 (2025)" in files["boards/shown.html"].decode()
    assert "Neural Nexus" not in files["boards/secret.html"].decode()


def test_the_page_of_published_runs_has_every_run_with_its_verdict(files):
    page = files["published.html"].decode()
    assert page.count('<th scope="row" class="name">') == 44
    assert "<td>differs</td>" in page
    assert "<td>not comparable</td>" in page
    assert "<td>differs</td>" in files["methods/finds.html"].decode()


def test_the_page_of_a_method_draws_its_dose_response(files):
    page = files["methods/finds.html"].decode()
    assert "Limit of detection" in page
    assert "Dose-response of finds." in page
    assert 'id="dose-' in page
