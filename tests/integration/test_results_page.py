"""The results page in a browser: Debian's Chromium, driven by Playwright, without a network."""

import html
import os
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from metalyra.products import write_results_page
from metalyra.products.results_page import page as page_module
from metalyra.products.results_page.summaries import COST_COLUMNS
from tests.integration.conftest import Project
from tests.results import fill_catalogue, make_catalogue, make_results

CHROMIUM = shutil.which("chromium")
NAME = '<script>document.title="taken over"</script>'
FORMULA = '=HYPERLINK("https://example.org")'
CATALOGUE = "catalogue/metallicities.csv"
STARS = 60
CARD = {
    "band": "G",
    "relation": "dekany2021",
    "metrics": {"union": {"n": 50, "rmse": 0.2, "mae": 0.15, "r2": 0.8}, "coverage": {"0.68": 0.7}},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open a page and wait for it; none may complain, or ask another machine for anything."""
    complaints: list[str] = []
    requests: list[str] = []
    opened = []

    def open_page(path: Path, width: int = 1440, height: int = 1000, fragment: str = "") -> Page:
        shown = browser.new_page(viewport={"width": width, "height": height})
        opened.append(shown)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("request", lambda request: requests.append(request.url))
        shown.on(
            "console", lambda message: message.type != "log" and complaints.append(message.text)
        )
        shown.goto(path.as_uri() + fragment)
        shown.wait_for_selector("body[data-ready]", state="attached")
        return shown

    yield open_page
    for shown in opened:
        shown.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def write_page(folder: Path, catalogue, **further) -> Path:
    """Write a results page, and return the file to be opened."""
    page = folder / "index.html"
    write_results_page(make_results(folder, catalogue, **further), page, folder / "pages")
    return page


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """The page of a study of sixty stars and a model."""
    folder = tmp_path_factory.mktemp("study")
    return write_page(folder, make_catalogue(STARS), cards={"net": CARD})


def drawn(shown: Page, source: str, column: str = "x") -> list[float]:
    """Return what a layer of a plot draws."""
    script = """([name, column]) => Bokeh.documents.map((known) => known.get_model_by_name(name))
        .filter(Boolean).flatMap((found) => Array.from(found.data[column]))"""
    return shown.evaluate(script, [source, column])


def drag(shown: Page, plot: str, share: tuple[float, float, float, float]) -> list[float]:
    """Drag over a part of a plot, shares of its frame from the top left; return it in its units."""
    script = """([name, [x0, y0, x1, y1]]) => {
        const known = Bokeh.documents.map((known) => known.get_model_by_name(name)).find(Boolean);
        const view = Bokeh.index.get_one(known) ?? Bokeh.index.find_by_id(known.id);
        const box = view.frame.bbox;
        const edge = view.canvas_view.el.getBoundingClientRect();
        const [left, right] = [box.left + x0 * box.width, box.left + x1 * box.width];
        const [top, bottom] = [box.top + y0 * box.height, box.top + y1 * box.height];
        const scale = (values, range, size, start) => values.map((value) =>
            range.start + ((value - start) / size) * (range.end - range.start));
        return {
            pixels: [edge.left + left, edge.top + top, edge.left + right, edge.top + bottom],
            units: [...scale([left, right], known.x_range, box.width, box.left),
                ...[top, bottom].map((value) => known.y_range.end -
                    ((value - box.top) / box.height) * (known.y_range.end - known.y_range.start))],
        };
    }"""
    shown.locator(f"#{plot}").scroll_into_view_if_needed()
    place = shown.evaluate(script, [plot, list(share)])
    left, top, right, bottom = place["pixels"]
    shown.mouse.move(left, top)
    shown.mouse.down()
    shown.mouse.move((left + right) / 2, (top + bottom) / 2, steps=4)
    shown.mouse.move(right, bottom, steps=4)
    shown.mouse.up()
    return place["units"]


def count_chosen(shown: Page) -> int:
    return int(shown.text_content("#chosen").split(" of ")[0].replace(",", ""))


@pytest.mark.parametrize("stars", [1, 60])
def test_names_are_shown_as_text(tmp_path, visit, stars):
    catalogue = make_catalogue(stars)
    names = [NAME, FORMULA][:stars]
    catalogue.loc[range(len(names)), "star_id"] = names
    shown = visit(write_page(tmp_path, catalogue))
    cells = shown.locator("#catalogue tbody td:first-child").all_text_contents()
    assert len(cells) == min(stars, 25)
    assert set(names) <= set(cells)
    for name in names:
        shown.get_by_role("button", name=name, exact=True).click()
        assert shown.text_content("#star-name") == name
        assert html.escape(name, quote=False) in shown.inner_html("#star-name")
        shown.click("#star-close")
    assert shown.title() == "simulated: metallicities of RR Lyrae stars"


@pytest.mark.parametrize("text", [NAME, FORMULA])
def test_every_text_of_a_study_is_shown_as_text(tmp_path, visit, text):
    catalogue = make_catalogue(12)
    texts = ["sample", "star_id", "band", "relation", "model", "reason", "reference_id"]
    catalogue[texts] = text
    catalogue["star_id"] += catalogue.index.astype(str)
    card = CARD | {"relation": text, "band": text, "provenance": {"note": text}}
    results = make_results(tmp_path, catalogue)
    work = {"type": "article", "title": text, "authors": [{"name": text}], "journal": text}
    hostile = replace(
        results,
        study=text,
        samples={text: results.samples["mine"] | {"survey": text, "band": text}},
        fits={text: results.fits["mine"]},
        folded={text: results.folded["mine"]},
        ledger=results.ledger.replace("mine", text),
        costs=pd.DataFrame([[text, 1, 1.0, 1.0, 1.0]], columns=list(COST_COLUMNS)),
        configuration={text: text},
        citation=results.citation
        | {"title": text, "references": [work | {"year": 2022, "volume": 1, "start": 1}]},
        cards={text: card},
        sources=[text],
    )
    write_results_page(hostile, tmp_path / "index.html", tmp_path / "pages")
    shown = visit(tmp_path / "index.html")
    shown.get_by_role("button", name=f"{text}3", exact=True).click()
    shown.wait_for_selector("#star:not([hidden]) dl")
    shown.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    for part in ("#star", "#samples", "#models", "#ledger", "#cost", "#about"):
        assert text in shown.locator(part).text_content(), part
    assert shown.title() == f"{text}: metallicities of RR Lyrae stars"


def test_a_page_shows_all_stars_at_once(study, visit):
    shown = visit(study)
    assert count_chosen(shown) == STARS
    assert shown.locator("#catalogue tbody tr").count() == 25
    assert len(drawn(shown, "sky-points")) == STARS
    assert sum(drawn(shown, "distribution-bars", "top")) == 54


def test_search_finds_a_star(study, visit):
    shown = visit(study)
    shown.fill("#search", "STAR 42")
    shown.wait_for_function("document.querySelectorAll('#catalogue tbody tr').length === 1")
    assert shown.text_content("#catalogue tbody td") == "star 42"
    assert len(drawn(shown, "sky-points")) == len(drawn(shown, "bailey-points")) == 1
    shown.fill("#search", "no such star")
    shown.get_by_text("No star is chosen.").wait_for()
    shown.click("#clear")
    assert count_chosen(shown) == STARS


@pytest.mark.parametrize("plot", ["sky", "bailey", "distribution"])
def test_stars_chosen_in_a_plot_are_chosen_in_all(study, visit, plot):
    shown = visit(study)
    places = {}
    for name in ("sky", "bailey"):
        names, x, y = (drawn(shown, f"{name}-points", column) for column in ("name", "x", "y"))
        places[name] = dict(zip(names, zip(x, y, strict=True), strict=True))
    catalogue = make_catalogue(STARS).set_index("star_id")
    places["distribution"] = {name: (feh, 0) for name, feh in catalogue["feh"].items()}
    left, right, high, low = drag(shown, plot, (0.3, 0.25, 0.62, 0.8))
    shown.wait_for_function("/chosen in the/.test(document.getElementById('chosen').textContent)")
    if plot == "distribution":
        low, high = -1, 1
    chosen = [
        name
        for name in catalogue.index
        if name in places[plot]
        and left <= places[plot][name][0] <= right
        and low <= places[plot][name][1] <= high
    ]
    assert 0 < len(chosen) < STARS
    assert count_chosen(shown) == len(chosen)
    for other in ("sky", "bailey"):
        assert drawn(shown, f"{other}-points", "name") == [
            name for name in chosen if name in places[other]
        ]
    with_feh = int(catalogue.loc[chosen, "feh"].notna().sum())
    assert sum(drawn(shown, "distribution-bars", "top")) == with_feh
    rows = shown.locator("#catalogue tbody td:first-child").all_text_contents()
    assert rows == chosen[:25]
    shown.click("#clear")
    assert count_chosen(shown) == STARS


def test_a_star_is_read_with_the_keyboard_alone(study, visit):
    shown = visit(study)
    keyboard = shown.keyboard
    shown.focus("#search")
    keyboard.type("star 7")
    shown.wait_for_function("document.querySelectorAll('#catalogue tbody tr').length === 1")
    for _ in range(60):
        keyboard.press("Tab")
        if shown.evaluate("document.activeElement.textContent") == "star 7":
            break
    keyboard.press("Enter")
    shown.wait_for_selector("#star:not([hidden]) dl")
    assert shown.evaluate("document.activeElement.id") == "star-name"
    assert shown.locator("#light-curve canvas").count() > 0
    keyboard.press("Escape")
    assert shown.is_hidden("#star")
    assert shown.evaluate("document.activeElement.textContent") == "star 7"


def test_columns_are_sorted_with_missing_values_last(study, visit):
    shown = visit(study)
    shown.get_by_role("button", name="[Fe/H]", exact=True).press("Enter")
    head = shown.locator("th[aria-sort]")
    assert head.get_attribute("aria-sort") == "ascending"
    place = shown.locator("#catalogue thead th").all_text_contents().index(head.text_content())
    cells = shown.locator(f"#catalogue tbody td:nth-child({place + 1})").all_text_contents()
    values = [float(cell.replace("−", "-")) for cell in cells]
    lowest = np.sort(make_catalogue(STARS)["feh"].dropna())[:25]
    np.testing.assert_allclose(values, lowest, atol=5.1e-4)
    for _ in range(2):
        shown.click("#next")
    assert shown.locator(f"#catalogue tbody td:nth-child({place + 1})").last.text_content() == ""


def test_a_star_has_an_address(study, visit):
    shown = visit(study, fragment="#star=mine%2Fstar%203")
    shown.wait_for_selector("#star:not([hidden]) dl")
    assert shown.text_content("#star-name") == "star 3"
    assert shown.get_by_role("link", name="Aladin Lite").get_attribute("href").startswith("https:")


def test_the_map_turns_to_the_bulge(study, visit):
    shown = visit(study)
    whole = len(drawn(shown, "sky-points"))
    shown.click("#view")
    assert 0 < len(drawn(shown, "sky-points")) < whole
    shown.click("#view")
    assert len(drawn(shown, "sky-points")) == whole


@pytest.mark.parametrize("opened", [False, True])
def test_a_narrow_screen_has_all_within_its_width(study, visit, opened):
    shown = visit(study, width=390, height=844, fragment="#star=mine%2Fstar%203" if opened else "")
    if opened:
        shown.wait_for_selector("#star:not([hidden]) dl")
    else:
        box = shown.locator("#sky canvas").first.bounding_box()
        assert 0 <= box["x"] < box["x"] + 300 < box["x"] + box["width"] <= 390
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("opened", [False, True])
def test_axe_finds_nothing_that_hinders_a_reader(study, visit, width, opened):
    shown = visit(study, width=width, fragment="#star=mine%2Fstar%203" if opened else "")
    if opened:
        shown.wait_for_selector("#star:not([hidden]) dl")
    shown.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    found = Axe().run(shown, options={"runOnly": tags}).response
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]
    ] == []


def test_parts_beside_a_page_are_read_when_they_are_needed(tmp_path, visit, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_IN_PAGE", 10)
    page = write_page(tmp_path, make_catalogue(20))
    shown = visit(page)
    shown.get_by_role("button", name="star 3", exact=True).click()
    shown.wait_for_selector("#star:not([hidden]) dl")
    shown.wait_for_function(
        "Bokeh.documents.some((known) => known.get_model_by_name('light-curve'))"
    )
    assert len(drawn(shown, "light-curve-points")) == 2 * 59


def test_a_page_without_its_parts_says_what_is_missing(tmp_path, browser, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_IN_PAGE", 10)
    page = write_page(tmp_path, make_catalogue(20))
    shutil.rmtree(tmp_path / "pages")
    shown = browser.new_page()
    shown.goto(page.as_uri())
    shown.wait_for_selector("body[data-ready]", state="attached")
    assert re.search(r"not complete: .*/star_id\.js is not beside", shown.text_content("#chosen"))
    shown.close()


def test_an_empty_study_says_so(tmp_path, visit):
    shown = visit(write_page(tmp_path, make_catalogue(0)))
    for sentence in ("This study has no stars.", "This study has no model."):
        assert shown.get_by_text(sentence).is_visible()


def test_one_star_without_coordinates_has_a_page(tmp_path, visit):
    catalogue = make_catalogue(1).assign(ra=np.nan, dec=np.nan)
    shown = visit(write_page(tmp_path, catalogue))
    assert shown.get_by_text("No star of this study has coordinates").is_visible()
    assert count_chosen(shown) == len(drawn(shown, "bailey-points")) == 1
    shown.get_by_role("button", name="star 0", exact=True).click()
    shown.wait_for_selector("#star:not([hidden]) dl")
    assert shown.get_by_role("link", name="Aladin Lite").count() == 0


def test_stars_without_a_metallicity_have_a_page(tmp_path, visit):
    catalogue = make_catalogue(12).assign(feh=np.nan, feh_err=np.nan, status="fit_failed")
    shown = visit(write_page(tmp_path, catalogue))
    assert shown.get_by_text("No star of this study has a metallicity").is_visible()
    assert count_chosen(shown) == len(drawn(shown, "sky-points")) == 12


def test_the_page_of_a_survey_is_small_and_soon_there(tmp_path, browser):
    catalogue = fill_catalogue(make_catalogue(300_000))
    page = write_page(tmp_path, catalogue, epochs=300)
    files = [page, *(path for path in (tmp_path / "pages").rglob("*") if path.is_file())]
    assert sum(path.stat().st_size for path in files) < 50e6
    shown = browser.new_page(viewport={"width": 1440, "height": 1000})
    # Time of the processor, which the first view takes whatever else a machine does meanwhile,
    # and that of a clock, as far as other work leaves the processors to the browser.
    measured = shown.context.new_cdp_session(shown)
    measured.send("Performance.enable", {"timeDomain": "threadTicks"})
    shown.goto(page.as_uri(), wait_until="commit")
    shown.wait_for_selector("body[data-shown]", state="attached", timeout=120_000)
    waited = shown.evaluate("performance.now()") / 1000
    assert waited < 3.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    metrics = measured.send("Performance.getMetrics")["metrics"]
    assert 0.1 < next(row["value"] for row in metrics if row["name"] == "TaskDuration") < 3.0
    shown.wait_for_selector("body[data-ready]", state="attached", timeout=120_000)
    assert count_chosen(shown) == 300_000
    assert drawn(shown, "sky-points") == []
    assert len(drawn(shown, "sky-cells", "left")) > 1000
    shown.fill("#search", "4000000000000123456")
    shown.wait_for_function("document.querySelectorAll('#catalogue tbody tr').length === 1")
    assert len(drawn(shown, "sky-points")) == 1
    shown.close()


def test_the_report_keeps_tables_as_text(tmp_path, demo, browser):
    """Snakemake's report gives a table as a file of text, in which a name is no program."""
    project = Project(tmp_path / "project", demo.folder)
    tables = [project.path(f"results/demo/{name}") for name in ("ledger.csv", CATALOGUE)]
    for table in tables:
        with table.open("a") as file:
            file.write(f"{NAME}\n{FORMULA}\n")
    project.run("--cores", "1", "--report", "hostile.html")
    shown = browser.new_page()
    shown.goto(project.path("hostile.html").as_uri())
    shown.get_by_text("Catalogue", exact=True).click()
    links = shown.locator("a[href^='data:']")
    links.first.wait_for()
    given = [links.nth(number).get_attribute("href") for number in range(links.count())]
    assert [url.startswith("data:text/csv;") for url in given] == [True, True]
    texts = [b64decode(url.partition("base64,")[2]).decode() for url in given]
    assert sorted(texts) == sorted(table.read_text() for table in tables)
    assert shown.title() == "Snakemake Report"
    shown.close()
