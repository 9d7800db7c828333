"""The pages of a site in a browser: quiet, asking nobody, used by mouse and by keyboard."""

import os
import shutil

import pytest

from harness.site.site import write_site
from world import EVIL

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("BENCH_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 760}
BOARD = "boards/shown.html"


@pytest.fixture(scope="module")
def site(world):
    folder = world.folder / "pages"
    write_site(world.sources(), folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(site, browser):
    """Open pages, and in the end require that they were quiet and asked nobody for anything."""
    complaints, contexts = [], []

    def show(name, size=DESKTOP, **options):
        for context in contexts:
            context.close()
        contexts[:] = [browser.new_context(viewport=size, **options)]
        page = contexts[0].new_page()
        page.on("console", lambda said: complaints.append(f"{name}: {said.type} {said.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{name}: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"{name}: {dialog.message}"))
        page.on("request", lambda request: _leaving(request.url, complaints))
        page.goto((site / name).as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


def _leaving(url, complaints):
    if not url.startswith(("file://", "data:", "blob:")):
        complaints.append(f"asked for {url}")


def walk(page):
    """Go down a page until every chart of it is drawn."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.querySelectorAll('.chart')].every(c => c.data)")


def shown(page):
    """Return the names of the rows that are seen, from the top down."""
    names = page.locator("table.sortable tbody tr:not([hidden]) th a")
    return [name.strip() for name in names.all_inner_texts()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_is_quiet_and_does_not_scroll_sideways(site, visit, size):
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert len(pages) > 10
    for name in pages:
        page = visit(name, size)
        walk(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], name


def test_charts_are_drawn_in_the_light_and_in_the_dark(visit):
    for scheme, ink in (("light", "rgb(28, 33, 39)"), ("dark", "rgb(228, 231, 235)")):
        page = visit(BOARD, color_scheme=scheme)
        walk(page)
        label = page.locator("#forest-0 .ytick text").first
        assert label.evaluate("t => getComputedStyle(t).fill") == ink
        names = page.locator("#forest-0 .ytick text").all_text_contents()
        assert EVIL in names
        image = page.locator(".gallery img").first
        image.scroll_into_view_if_needed()
        assert image.evaluate("async i => (await i.decode(), i.naturalWidth)") == 16


def test_a_column_is_sorted_by_mouse_and_by_keyboard(visit):
    page = visit(BOARD)
    first = shown(page)
    head = page.locator("th", has=page.get_by_role("button", name="kappa", exact=True))
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert shown(page) == ["finds", "blind", EVIL, "guesses", "fails"]
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown(page) == ["guesses", EVIL, "blind", "finds", "fails"]  # without a figure: last
    page.get_by_role("button", name="method").focus()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "none"
    assert sorted(shown(page)) == sorted(first)


def test_rows_are_filtered_by_words_and_come_back(visit):
    page = visit(BOARD)
    field = page.get_by_role("searchbox")
    everything = shown(page)
    field.click()
    page.keyboard.type("made find")
    assert shown(page) == ["finds"]
    assert page.get_by_role("status").inner_text() == "1 of 5 rows"
    page.keyboard.press("Escape")
    assert shown(page) == everything
    field.fill("control")
    assert shown(page) == ["blind"]
    field.fill("nobody is called so")
    assert shown(page) == []


def test_the_first_thing_that_a_keyboard_reaches_leads_to_the_content(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


@pytest.mark.parametrize("name", ["index.html", BOARD])
def test_the_first_screen_says_what_is_found_how_sure_and_on_what_data(visit, name):
    page = visit(name)
    for said in ("detected", "0.600 [0.50, 0.70]", "sound"):
        place = page.get_by_text(said, exact=False).first.bounding_box()
        assert place["y"] + place["height"] < DESKTOP["height"], said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(visit, scheme):
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5, and of 3 for what is not text (1.4.11)."""
    page = visit(BOARD, color_scheme=scheme)
    needs = {"--ink": 4.5, "--ink-soft": 4.5, "--link": 4.5, "--good": 4.5, "--bad": 4.5,
             "--unsure": 4.5, "--used": 4.5, "--other": 4.5}  # fmt: skip
    needs |= {f"--series-{n}": 3.0 for n in range(1, 8)}
    for ground in ("--paper", "--raised"):
        for name, least in needs.items():
            assert contrast(colour(page, name), colour(page, ground)) >= least, (name, ground)


def colour(page, name):
    """Return a colour of the style sheet as red, green and blue in 0..1."""
    written = page.evaluate(
        "n => getComputedStyle(document.documentElement).getPropertyValue(n).trim()", name
    )
    return [int(written[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(a, b):
    """Return the contrast ratio of two sRGB colours, from 1 to 21, as WCAG defines it."""

    def luminance(parts):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, (a, b)))
    return (light + 0.05) / (dark + 0.05)
