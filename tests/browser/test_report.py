"""The pages in a real browser: they draw, they fit, they can be used by everybody."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qsmflow.reports.group import write_group_report
from qsmflow.reports.subject import write_subject_report
from tests.reports.cohort import cohort
from tests.reports.tree import head, orientations, save

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    with playwright.sync_playwright() as engine:
        made = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open a page; what it says on the console, asks of the network or throws fails the test."""
    contexts, said = [], []

    def visit(path: Path, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 3000}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url))
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("subject")
    orientations(root, 2)
    labels = np.where(head()["tkd"] > 0.05, 2, 1).astype(np.int16)
    save(root, {"sub": "01", "acq": "ori1"}, "rois", labels, Labels={"1": "rest", "2": "nuclei"})
    return write_subject_report(root, "01")


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("group")
    cohort(root, 1000)
    return write_group_report(root)


def accessible(page: Any) -> list[str]:
    """What axe finds wrong, with everything unfolded: the rule and the element."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = axe.run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def test_every_picture_draws_and_every_link_resolves(visit: Open, subject: Path) -> None:
    page = visit(subject)
    images = page.evaluate("[...document.images].map((i) => [i.alt, i.complete && i.naturalWidth > 300])")
    assert len(images) > 15 and all(drawn for _, drawn in images)
    inner = page.evaluate(
        "[...document.links].filter((a) => a.hash && !document.getElementById(a.hash.slice(1))).length"
    )
    assert inner == 0


@pytest.mark.parametrize("width", [600, 1300])
@pytest.mark.parametrize("name", ["subject", "group"])
def test_pages_fit_the_window(visit: Open, name: str, width: int, request: pytest.FixtureRequest) -> None:
    page = visit(request.getfixturevalue(name), viewport={"width": width, "height": 900})
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0


def test_the_flicker_swaps(visit: Open, subject: Path) -> None:
    figure = visit(subject).locator(".flicker").first
    assert figure.locator("output").inner_text() == "ori1"
    figure.get_by_role("button", name="Swap").press("Enter")
    assert figure.locator("output").inner_text() == "ori2"


def test_the_range_is_chosen_by_keyboard(visit: Open, subject: Path) -> None:
    choice = visit(subject).locator(".choice").first
    shown = choice.locator("figure:visible")
    assert str(shown.get_attribute("id")).endswith("_chi")
    choice.get_by_label("±0.1 ppm").press("ArrowRight")
    assert shown.count() == 1 and str(shown.get_attribute("id")).endswith("_chi_0p2")


def test_a_picture_is_enlarged_by_keyboard(visit: Open, subject: Path) -> None:
    page = visit(subject, viewport={"width": 1000, "height": 900})
    figure = page.locator("figure[id$=_mask]").first
    link, close, image = figure.locator("a.open"), figure.get_by_role("link", name="Close"), figure.locator("img")
    small = image.bounding_box()["width"]
    assert not close.is_visible()
    link.press("Enter")
    assert image.bounding_box()["width"] > 1.4 * small and accessible(page) == []
    close.press("Enter")
    assert image.bounding_box()["width"] == small and not close.is_visible()
    link.press("Enter")
    page.keyboard.press("Escape")
    assert image.bounding_box()["width"] == small


@pytest.mark.parametrize(("width", "hidden"), [(1200, False), (500, True)])
def test_words_are_whole_and_a_shade_says_that_a_table_goes_on(
    visit: Open, subject: Path, width: int, hidden: bool
) -> None:
    page = visit(subject, viewport={"width": width, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    beyond = page.evaluate("[...document.querySelectorAll('.scroll')].map((s) => s.scrollWidth - s.clientWidth)")
    assert any(beyond) is hidden
    assert "linear-gradient" in page.evaluate("getComputedStyle(document.querySelector('.scroll')).backgroundImage")
    first = "[...document.querySelectorAll('tbody th + td')]"
    ends = page.evaluate(first + ".map((d) => (d.offsetLeft + d.offsetWidth) / d.closest('.scroll').clientWidth)")
    assert max(ends) <= 1


def test_the_sides_are_named_in_the_viewer(visit: Open, subject: Path) -> None:
    planes = visit(subject).locator(".viewer .plane")
    assert [planes.nth(i).inner_text().split() for i in range(3)] == [list("LRAP"), list("LRSI"), list("PASI")]
    corner = planes.first.locator(".left").bounding_box()
    assert abs(corner["x"] - planes.first.bounding_box()["x"]) < 1


def test_the_viewer_draws_what_its_sliders_say(visit: Open, subject: Path) -> None:
    figure = visit(subject).locator(".viewer")
    figure.and_(figure.page.locator("[data-drawn]")).wait_for()
    canvas = figure.locator("canvas").first
    before = drawn(canvas)
    assert len(np.unique(before)) > 20
    # the nucleus of 0.15 ppm less 0.02 lies 15 mm to the right, and TKD has 0.8 of it
    figure.get_by_label("x, left to right").evaluate(SLIDE, 5)
    place = figure.locator("output").inner_text()
    assert place.startswith("x 15.0,") and 0.05 < float(place.split("χ ")[1].removesuffix(" ppm")) < 0.15
    figure.get_by_label("z, down to up").press("Home")
    assert not np.array_equal(drawn(canvas), before)
    assert "not known" in figure.locator("output").inner_text()


def drawn(canvas: Any) -> np.ndarray:
    """The pixels of a canvas."""
    png = base64.b64decode(canvas.evaluate("(one) => one.toDataURL()").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(png)))


#: Move a slider by a number of steps from the middle of the head, as a hand would.
SLIDE = """(slider, steps) => {
  slider.value = Number(slider.value) + steps;
  slider.dispatchEvent(new Event("input"));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["subject", "group"])
def test_axe_finds_nothing(visit: Open, name: str, scheme: str, request: pytest.FixtureRequest) -> None:
    page = visit(request.getfixturevalue(name), color_scheme=scheme)
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert accessible(page) == []


def test_a_thousand_subjects_are_searched_sorted_and_leafed_through(visit: Open, group: Path) -> None:
    page = visit(group)
    assert page.evaluate("document.getElementsByTagName('*').length") < 3000
    table = page.locator("#quality_table")
    first = table.locator("tbody th").first
    assert first.inner_text() == "sub-0003" and first.get_by_role("link").get_attribute("href") == "sub-0003.html"
    assert table.locator("output").inner_text() == "Rows 1 to 25 of 1000"
    cue = "getComputedStyle(document.querySelector('#quality_table thead span'), '::before').content"
    assert "↕" in page.evaluate(cue) and table.get_by_role("button", name="Subject", exact=True).count() == 1
    table.get_by_role("button", name="Noise").press("Enter")
    table.get_by_role("button", name="Noise").press("Enter")
    assert first.inner_text() == "sub-0007"
    assert table.locator("thead th[aria-sort=descending]").inner_text().startswith("Noise")
    table.get_by_role("button", name="Next").press("Enter")
    assert table.locator("output").inner_text() == "Rows 26 to 50 of 1000"
    table.get_by_label("Search").fill("sub-0999")
    assert table.locator("output").inner_text() == "Rows 1 to 1 of 1"
    table.get_by_label("Search").fill("0.5")  # a value of one row
    assert table.locator("output").inner_text() == "No row fits"
    table.get_by_label("Search").fill("outlier")
    assert table.locator("output").inner_text() == "Rows 1 to 2 of 2"
    table.get_by_label("Search").fill("")
    table.get_by_label("with outliers only").check()
    assert table.locator("output").inner_text() == "Rows 1 to 2 of 2"


def test_paper_keeps_what_is_folded_and_shows_no_controls(visit: Open, subject: Path) -> None:
    page = visit(subject, viewport={"width": 794, "height": 1123})  # A4
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details[open]").count() == 0 and page.locator(".choice figure:visible").count() > 0
    assert not any(one.is_visible() for one in page.locator("input, select, button").all())
    assert page.locator("nav").is_hidden() and page.locator(".flicker .second").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 794


@pytest.mark.parametrize("width", [794, 1123])  # A4, as a printer has it and as the page asks for it
def test_the_cohort_fits_on_paper(visit: Open, group: Path, width: int) -> None:
    page = visit(group, viewport={"width": width, "height": 1123})
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ends = "[...document.querySelectorAll('.grid th, .grid td')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.evaluate(ends)) <= width


def test_captions_and_distributions_are_read_in_a_narrow_window(visit: Open, subject: Path, group: Path) -> None:
    page = visit(subject, viewport={"width": 420, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    ends = "[...document.querySelectorAll('caption span')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.evaluate(ends)) <= 420
    page = visit(group, viewport={"width": 420, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    heights = "[...document.querySelectorAll('.boxes text')].map((one) => one.getBoundingClientRect().height)"
    assert min(page.evaluate(heights)) > 9


def test_texts_are_copied(visit: Open, subject: Path) -> None:
    page = visit(subject)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    button = page.get_by_role("button", name="Copy LaTeX")
    button.press("Enter")
    assert button.inner_text() == "Copied"
    assert page.evaluate("getSelection().toString()").startswith(r"\section{Methods}")
