"""The files of a site: what they hold, what they link to, and what must never be in them."""

import json
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest

from harness.board.board import make_board
from harness.board.export import board_csv
from harness.datasets.dataset import open_dataset
from harness.errors import BenchError
from harness.method import Task
from harness.running.records import RecordStore
from harness.site.finding import Word, find
from harness.site.folder import MANIFEST, write_folder
from harness.site.ladder import find_ladders
from harness.site.names import slug
from harness.site.site import make_site, write_site
from world import EVIL, SCRIPT, figure, record

pytest.importorskip("plotly")
MEGABYTE = 2**20


class Links(HTMLParser):
    """Collects what a page links to, what it loads, and the ids it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids, self.tags = [], [], [], []
        self.labels = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.labels += [given.get("aria-label")] if given.get("role") == "img" else []
        self.labels += [given.get("alt")] if tag == "img" else []
        self.ids += [given["id"]] if "id" in given else []
        for name in ("href", "src", "srcset", "data", "poster", "action"):
            if name in given:
                (self.links if tag == "a" else self.loads).append(given[name])


@pytest.fixture(scope="module")
def files(world):
    return make_site(world.sources())


@pytest.fixture(scope="module")
def pages(files):
    return {n: Links(content.decode()) for n, content in files.items() if n.endswith(".html")}


def target(page, link):
    """Return the file of the site that a link on a page means, and the place in it."""
    path, place = urldefrag(link)
    parts = []
    for part in (PurePosixPath(page).parent / unquote(path)).parts if path else [page]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts), place


def test_every_link_leads_somewhere(files, pages):
    for page, found in pages.items():
        assert len(set(found.ids)) == len(found.ids), page
        for link in [*found.links, *found.loads]:
            if link.startswith(("https://", "data:")):
                continue
            name, place = target(page, link)
            assert name in files, (page, link)
            assert not place or place in pages[name].ids, (page, link)


def test_every_file_is_linked_from_some_page(files, pages):
    linked = {target(p, link)[0] for p, f in pages.items() for link in [*f.links, *f.loads]}
    assert set(files) - linked <= {"index.html"}


def test_nothing_is_loaded_from_elsewhere(files, pages):
    for page, found in pages.items():
        loads = [load for load in found.loads if load != "data:,"]
        assert not [load for load in loads if re.match(r"[a-z]+:|//", load)]
        assert all(re.match(r"https://|[^:]*$", link) for link in found.links), page
    styles = files["assets/site.css"].decode()
    assert "url(" not in styles
    assert "@import" not in styles


def test_what_others_wrote_is_text(files, pages):
    for name, found in pages.items():
        text = files[name].decode()
        assert EVIL not in text
        assert SCRIPT not in text
        assert "<b>boldly</b>" not in text
        assert "javascript:" not in text
        scripts = re.findall(r"<script([^>]*)>", text)
        assert all("src=" in s or "application/json" in s for s in scripts), name
        assert found.tags.count("script") == len(scripts)
    board = files["boards/shown.html"].decode()
    assert board.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2  # a reason, a verdict
    assert "&lt;img src=x onerror=alert(1)&gt;" in board
    assert f"methods/{slug(EVIL)}.html" in files


def test_the_same_records_give_the_same_bytes(world, files):
    assert make_site(world.sources()) == files


def test_of_a_set_that_is_not_published_no_image_and_no_name_leaves(world):
    kept = {name: world.entries[name] for name in ("secret",)}
    store = RecordStore(world.folder / "only-secret")
    for made in world.published.of("secret"):
        store.write(store.root / "secret" / f"{slug(made.method.name)}@official-demo-0", made)
    files = make_site(world.sources(entries=kept, published=store))
    assert not [name for name in files if name.startswith("images/")]
    own = b"".join(content for name, content in files.items() if not name.startswith("assets/"))
    assert b"subject_" not in own
    assert not [name for name in world.names if name.encode() in own]
    digests = open_dataset(kept["secret"], {}).sets["test/unknown"].digests
    assert not [digest for digest in digests if digest[:16].encode() in own]
    page = files["boards/secret.html"].decode()
    assert "no picture of this data set may leave" in page
    assert "application/json" in page  # curves are drawn, for they name nothing


def test_names_of_images_are_in_no_page_of_the_others_either(world, files):
    assert not [n for n, c in files.items() if not n.startswith("assets/") and b"subject_" in c]


def test_an_error_that_names_files_is_told_and_not_shown(world):
    told = []

    def fail(entry):
        raise BenchError(f"{entry.name}: subject_9 is damaged")

    files = make_site(world.sources(open=fail, say=told.append))
    assert "shown: subject_9 is damaged" in told
    assert not [n for n, content in files.items() if b"subject_9" in content]
    assert "cannot be opened" in files["boards/shown.html"].decode()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"entries": {}}, "in no catalogue"),
        ({"working": RecordStore(PurePosixPath("/nowhere"))}, "the answers were not at hand"),
    ],
)
def test_a_page_says_why_its_charts_are_missing(world, changes, why):
    if "working" in changes:
        changes = {"working": RecordStore(world.folder / "nowhere")}
    page = make_site(world.sources(**changes))["boards/shown.html"].decode()
    assert page.count(why) == 2
    assert "<img" not in page


def test_what_the_pools_repeat_stands_with_the_data_where_it_is_known(files):
    shown, older = (files[f"datasets/{name}.html"].decode() for name in ("shown", "secret"))
    assert "What the pools repeat as a whole" in shown
    assert "-1.50 [-2.00, -1.00]" in shown
    assert "What bench check says" in older
    assert "What the pools repeat as a whole" not in older


def test_data_of_another_version_are_not_mixed_with_the_records(world):
    other = world.sources(open=_renamed)
    page = make_site(other)["boards/shown.html"].decode()
    assert "another version than the records" in page


def _renamed(entry):
    from dataclasses import replace

    return replace(open_dataset(entry, {}), fingerprint="other")


def test_a_changed_answer_file_is_not_drawn(world):
    path = world.working.root / "shown" / "finds@official-demo-0.csv"
    text = path.read_text()
    path.write_text(text.replace("0.0,official", "0.5,official", 1) + "\n")
    try:
        assert (
            "the answers were not at hand"
            in make_site(world.sources())["boards/shown.html"].decode()
        )
    finally:
        path.write_text(text)


def test_the_gallery_shows_the_reals_that_score_highest(world, files, pages):
    page = files["boards/shown.html"].decode()
    images = {load for load in pages["boards/shown.html"].loads if load.endswith(".png")}
    assert 12 < len(images) <= 12 * 5
    assert page.count('class="used">used<') == 12  # the scores are perfect
    assert all(files[image.removeprefix("../")].startswith(b"\x89PNG") for image in images)


def test_pictures_and_charts_are_described(pages):
    for page, found in pages.items():
        assert all(label and len(label) > 15 for label in found.labels), page
        assert found.tags.count("main") == 1
        assert found.tags.count("h1") == 1


def test_a_board_is_there_as_csv_and_json_and_its_records_as_they_are(world, files):
    board = make_board(list(world.published.of("shown")))
    assert files["boards/shown@official-demo.csv"].decode() == board_csv([board])
    rows = json.loads(files["boards/shown@official-demo.json"])["rows"]
    assert [row["method"] for row in rows] == [row.method for row in board.rows]
    published = world.published.root / "shown" / "finds@official-demo-0.json"
    assert files["records/shown/finds@official-demo-0.json"] == published.read_bytes()


def test_pages_are_small(files):
    assert (
        max(len(content) for name, content in files.items() if name.endswith(".html"))
        < 3 * MEGABYTE
    )


def test_charts_are_what_plotly_draws(files, pages):
    from plotly.graph_objects import Figure

    drawn = 0
    for name in pages:
        for spec in re.findall(
            r'<script type="application/json">(.*?)</script>', files[name].decode()
        ):
            plain = re.sub(r'"--[a-z0-9-]+"', '"#123456"', spec)
            Figure(json.loads(plain))  # raises for what Plotly does not know
            drawn += 1
    assert drawn > 10


def test_the_roc_curve_has_the_area_that_the_scores_have(world):
    from harness.site.charts import roc_curve
    from harness.site.outcome import Outcome

    draws = np.random.default_rng(1)
    truth, folds = draws.integers(0, 2, 300), np.repeat(np.arange(3), 100)
    scores = truth + draws.normal(0, 1, 300)
    whole = Outcome(truth, scores, np.zeros(300, int), np.arange(300))
    by_fold = Outcome(truth, scores, folds, np.arange(300))
    from sklearn.metrics import auc, roc_auc_score

    assert auc(*roc_curve(whole)) == pytest.approx(roc_auc_score(truth, scores), abs=1e-3)
    mean = np.mean([roc_auc_score(truth[folds == f], scores[folds == f]) for f in range(3)])
    assert auc(*roc_curve(by_fold)) == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(
    ("kappa", "word"), [(0.6, Word.DETECTED), (0.05, Word.NOT_DETECTED), (None, Word.CANNOT_TELL)]
)
def test_a_board_says_what_it_shows(kappa, word):
    made = record("set", "one", kappa or 0.0, control=kappa is None)
    assert find(make_board([made])).word is word


def test_the_figure_is_that_of_a_method_which_detects():
    lucky = record("set", "lucky", 0.8)
    same = dict.fromkeys(("auc", "auc_null_pool"), figure(0.9, 0.8, 1.0))
    lucky = lucky.model_copy(update={"metrics": lucky.metrics | same})
    found = find(make_board([lucky, record("set", "leak", 0.6)]))
    assert [row.method for row in found.who] == ["leak"]
    assert found.best is not None
    assert found.best.method == "leak"


def test_attribution_is_told_by_what_lies_above_every_control():
    def made(name, value, *, control=False):
        metrics = {"accuracy": figure(value, value - 0.05, value + 0.05)}
        return record("set", name, 0, control=control, metrics=metrics, task=Task.ATTRIBUTION)

    rows = [made("same", 0.42), made("content", 0.4, control=True)]
    assert find(make_board(rows)).word is Word.NOT_DETECTED
    found = find(make_board([*rows, made("better", 0.8)]))
    assert [row.method for row in found.who] == ["better"]


def test_ladders_are_stages_and_not_years():
    def boards(*names):
        return [make_board([record(name, "m", 0.1)]) for name in names]

    [ladder] = find_ladders(boards("gan-1", "gan-3", "gan-2", "other"))
    assert [board.dataset for board in ladder.boards] == ["gan-1", "gan-2", "gan-3"]
    assert find_ladders(boards("ct-2023", "ct-2024", "ct-2025")) == []
    assert find_ladders(boards("gan-1", "gan-2")) == []


def test_names_of_files_are_safe_and_distinct():
    names = [
        "nearest-pixel",
        "a/b",
        "a-b",
        "..",
        "",
        "é",
        EVIL,
        SCRIPT,
        "x" * 300,
        "ct64@official-demo-0",
    ]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[A-Za-z0-9+=@._-]+", s) and s.strip(".") for s in slugs)
    assert slugs[0] == "nearest-pixel"


def test_a_folder_is_replaced_only_where_the_site_wrote_it(world, tmp_path):
    folder = tmp_path / "pages"
    assert write_site(world.sources(), folder) > 20
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write_site(world.sources(), folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]
    (folder / "CNAME").write_text("mine")
    with pytest.raises(BenchError, match="holds CNAME, which bench publish --site did not write"):
        write_site(world.sources(), folder)
    assert (folder / "CNAME").read_text() == "mine"


def test_a_folder_of_anything_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match=r"holds thesis\.tex"):
        write_folder(tmp_path, {"index.html": b""})
    file = tmp_path / "thesis.tex"
    with pytest.raises(BenchError, match="is a file"):
        write_folder(file, {"index.html": b""})


def test_a_site_that_cannot_be_written_leaves_the_old_one(tmp_path):
    folder = tmp_path / "pages"
    write_folder(folder, {"index.html": b"old"})
    with pytest.raises(BenchError, match="cannot be written"):
        write_folder(folder, {"index.html": b"new", "index.html/below": b""})
    assert (folder / "index.html").read_bytes() == b"old"
    assert {path.name for path in folder.iterdir()} == {"index.html", MANIFEST}
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]


@pytest.mark.parametrize("library", ["jinja2", "plotly.offline"])
def test_a_missing_library_is_named_with_its_remedy(world, monkeypatch, library):
    import sys

    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BenchError, match=r'pip install "fingerprint-bench\[site\]"'):
        make_site(world.sources())
