"""``bench audit`` from the command line, on patients made of smooth noise."""

import base64
import csv
import hashlib
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import betabinom

from harness.forge.copies import Fidelity, degrade
from support import method_source

EVIL = "<script>alert(1)</script>"
CLOSE = """
pool = np.concatenate([self._training.generated.pixels, questions.generated.pixels])
flat = [x.reshape(len(x), -1).astype(np.float32) for x in (questions.unknown.pixels, pool)]
scores = tools.neighbours(*flat, "correlation")[0][:, 0]
return Prediction(scores, np.zeros(len(scores), np.int64))
"""
CHROMIUM = os.environ.get("BENCH_CHROMIUM") or shutil.which("chromium")


@pytest.fixture
def hospital(bench):
    """A method without labels, and folders of drawn patients; the pool copies some of them."""

    def make(asked=10, reference=40, members=0, copied=1.0):
        bench.plugin("closest", method_source("closest", CLOSE))
        rng = np.random.default_rng(7)
        drawn = {
            name: draw(rng, count, slices)
            for name, count, slices in [
                ("asked", asked, 2), ("others", reference, 3), ("members", members, 2),
                ("strangers", 100, 1),
            ]
            if count
        }  # fmt: skip
        rows = []
        for name in set(drawn) - {"strangers"}:
            for patient, images in enumerate(drawn[name]):
                for number, pixels in enumerate(images):
                    file = f"{name}-{patient}-{number}.png"
                    save(bench.folder / name / file, pixels)
                    known = EVIL if (name, patient) == ("asked", 0) else f"{name} {patient}"
                    rows.append([file, known])
        with (bench.folder / "patients.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
        source = np.concatenate(drawn["members" if members else "asked"])
        copies = degrade(
            source[: round(copied * len(source))],
            Fidelity(blur=0.3, noise=3.0),
            np.random.default_rng(0),
        )
        for number, pixels in enumerate([*np.concatenate(drawn["strangers"]), *copies]):
            save(bench.folder / "pool" / f"{number}.png", pixels)
        return bench

    return make


def draw(rng, patients, slices):
    """Return smooth random images, (slices, 32, 32) of each patient, one patient's alike."""
    fields = gaussian_filter(rng.normal(size=(patients, slices + 1, 32, 32)), (0, 0, 3, 3))
    fields /= fields.std()
    mixed = 0.8 * fields[:, :1] + 0.6 * fields[:, 1:]
    return list(np.clip(128 + 45 * mixed, 0, 255).astype(np.uint8))


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


PLAIN = ("audit", "asked", "--generated", "pool", "-m", "closest", "--patients", "patients.csv")
WITH_REFERENCE = (*PLAIN, "--reference", "others")


def test_copied_patients_are_detected_and_the_report_is_one_quiet_page(hospital):
    bench = hospital()
    done = bench.json(*WITH_REFERENCE, "--report", "audit.html", "--json")
    [judgement] = done["judgements"]
    finding = judgement["finding"]
    assert judgement["verdict"] == "detected"
    assert (finding["patients"], finding["others"]) == (10, 40)
    assert finding["smallest_p"] == pytest.approx(1 / 41)
    assert finding["together"] <= 0.025
    assert min(one["p"] for one in judgement["patients"]) >= 1 / 41
    exact, *_, bent = judgement["limits"]
    assert exact["copies"]["name"] == "exact copies"
    assert exact["planted"] == 12  # a tenth of the pool
    assert exact["singly"] == 1
    assert 1 <= exact["fewest"] <= 10
    assert bent["likeness"] < exact["likeness"] == pytest.approx(1)
    page = (bench.folder / "audit.html").read_text()
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"<script|https?://|<img|javascript:", page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}" in page or f"style-src 'sha256-{digest}" in page
    assert " style=" not in page
    for folder in done["folders"]:
        assert folder["digest"] in page
    kept = [path.name for path in (bench.folder / "cache").rglob("*audit*")]
    assert kept == []


def test_without_a_reference_there_are_scores_and_no_error_rate(hospital):
    bench = hospital(reference=0)
    said = bench(*PLAIN, "--images", "--report", "audit.html").stdout
    assert said.startswith("IMAGES: Scores only.")
    page = (bench.folder / "audit.html").read_text()
    assert "no more" in page
    assert "can be told singly" not in page
    assert page.count("data:image/png;base64") == 2 * 6
    [judgement] = bench.json(*PLAIN, "--json")["judgements"]
    assert judgement["finding"] is None
    assert {one["p"] for one in judgement["patients"]} == {None}


@pytest.mark.slow
def test_before_a_release_members_are_counted(hospital):
    bench = hospital(asked=0, members=30, reference=120, copied=0.5)
    release = ("audit", "--generated", "pool", "--members", "members", "--holdout", "others",
               "--patients", "patients.csv")  # fmt: skip
    found = bench.json(*release, "-m", "closest", "--json")
    assert found["release"]["rate"] == 0.01
    assert found["release"]["members"] == 30
    assert 10 <= found["release"]["identified"] <= 20
    assert found["release"]["upper"] < 0.9
    [judgement] = found["judgements"]
    assert judgement["role"] == "--members"
    assert judgement["verdict"] == "detected"
    learnt = bench.json(*release, "-m", "nearest-pixel", "--json")
    assert learnt["learnt"] == {"used": 15, "not_used": 60}
    assert learnt["release"]["members"] == 15
    assert learnt["release"]["rate"] == pytest.approx(1 / 61)
    assert "99 held-out patients" in learnt["notes"][0]


@pytest.mark.slow
def test_methods_that_learn_from_members_are_taught_and_nothing_is_found_where_nothing_is(hospital):
    bench = hospital(asked=60, reference=160, copied=0.0)
    for method in ("closest", "nearest-pixel"):
        said = bench.json(*WITH_REFERENCE[:4], "-m", method, *WITH_REFERENCE[6:], "--json")
        if method == "closest":
            assert said["learnt"] == {}
        else:
            assert said["taught"]
            assert said["learnt"]["not_used"] == 40
            assert 1 <= said["learnt"]["used"] <= 10  # of whom a copy each, in a tenth of the pool
        [judgement] = said["judgements"]
        assert judgement["verdict"] == "not detected"
        assert "been copied into this pool" in judgement["limit"]
        m = judgement["finding"]["others"]
        assert m == (160 if method == "closest" else 80)
        ps = np.array([one["p"] for one in judgement["patients"]])
        for level in (0.05, 0.01):  # they share those they are compared with
            k = int(level * (m + 1))
            if k:
                assert (ps <= level).sum() <= betabinom.ppf(0.999, 60, k, m + 1 - k)


def test_bad_input_is_one_line(hospital):
    bench = hospital(asked=2, reference=9)
    refused = bench.refused
    assert "9 patients; 10 are needed" in refused(*WITH_REFERENCE)
    assert "nowhere: there is no such file" in refused(*PLAIN[:-1], "nowhere")
    assert "nowhere: there is no such folder" in refused(*PLAIN, "--reference", "nowhere")
    assert "share 4 images" in refused(*PLAIN, "--reference", "asked")
    (bench.folder / "empty").mkdir()
    assert "holds no images" in refused(*PLAIN, "--reference", "empty")
    assert "go together" in refused(*PLAIN, "--members", "others")
    assert "--generated is missing" in refused("audit", "asked")
    assert "does not ask generated images" in refused(*PLAIN, "-m", "blind")
    assert "finds no patient" in refused(*PLAIN[:-2], "--patient-name", "([0-9]+)_x")
    (bench.folder / "patients.csv").write_text("image,group\nasked-0-0.png,a\n")
    assert "3 of 4 images have no group" in refused(*PLAIN)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium")
@pytest.mark.parametrize("width", [375, 1280])
def test_a_browser_asks_nobody_and_a_phone_shows_the_whole_width(hospital, width):
    sync_api = pytest.importorskip("playwright.sync_api")
    bench = hospital()
    bench(*WITH_REFERENCE, "--images", "--report", "audit.html")
    complaints = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda said: complaints.append(said.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda asked: complaints.append(asked.url))
        page.goto((bench.folder / "audit.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        assert page.locator("svg.strip").count() == 2
        assert page.locator(".verdict .word").inner_text() == "Detected"
        assert page.locator("img").count() == 2 * 6
        browser.close()
    asked = [said for said in complaints if not said.startswith(("data:", "file:"))]
    assert asked == []
