"""The results page in a browser: Debian's Chromium, without a network."""

import html
import re
import shutil
import subprocess

import pytest

from metalyra.products import write_results_page
from tests.results import make_catalogue, make_results

CHROMIUM = shutil.which("chromium")
NAME = '<script>document.title="taken over"</script>'
FORMULA = '=HYPERLINK("https://example.org")'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def open_page(page):
    """Return the document as the browser has it when the page's scripts have run."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return shown.stdout


@pytest.mark.parametrize("stars", [1, 60])
def test_names_are_shown_as_text(tmp_path, stars):
    catalogue = make_catalogue(stars)
    names = [NAME, FORMULA][:stars]
    catalogue.loc[range(len(names)), "star_id"] = names
    page = tmp_path / "index.html"
    write_results_page(make_results(tmp_path, catalogue), page, tmp_path / "pages")
    document = open_page(page)
    body = re.search(r"<table id=\"catalogue\">.*?<tbody>(.*?)</tbody>", document, re.DOTALL)
    assert body is not None
    assert len(re.findall(r"<tr", body[1])) == min(stars, 25)
    for name in names:
        assert html.escape(name, quote=False) in body[1]
    assert "taken over" not in re.search(r"<title>.*?</title>", document, re.DOTALL)[0]
