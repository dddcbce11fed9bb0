"""The documentation is built without a warning; test_notebooks.py runs its notebooks."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[2]
PARTS = ("workflow", "resources", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff")
"""What the documentation shows of the rest of the repository."""

pytestmark = pytest.mark.slow


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a folder as the Makefile does, with notebooks as they are."""
    [line] = re.findall(r"sphinx-build (.*)", (ROOT / "Makefile").read_text())
    *options, source, output = line.split()
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-D", "nb_execution_mode=off", *options, source, output],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A copy of the documentation, built; in it nothing else of the repository can be changed."""
    folder = tmp_path_factory.mktemp("repository")
    left = shutil.ignore_patterns("_build", "api")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=left)
    for name in PARTS:
        (folder / name).symlink_to(ROOT / name)
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def read(site: Path, name: str) -> str:
    return (site / "docs/_build/html" / f"{name}.html").read_text(encoding="utf-8")


def test_every_page_is_there(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    built = {path.stem for path in (site / "docs/_build/html").glob("*.html")}
    assert pages <= built


def test_pages_need_no_network(site):
    for path in (site / "docs/_build/html").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img)[^>]*\ssrc=\"(?:https?:)?//[^\"]*", text)
        loaded += re.findall(r"<link[^>]*rel=\"stylesheet\"[^>]*href=\"(?:https?:)?//[^\"]*", text)
        assert loaded == [], path.name


def test_formulas_are_mathml(site):
    page = read(site, "how_it_works")
    formula = (
        '<div class="formula"><math xmlns="http://www.w3.org/1998/Math/MathML" display="block">'
    )
    assert page.count(formula) >= 6
    # Browsers need a font for formulas, which the sheet of the site names.
    assert "_static/site.css" in page
    assert (site / "docs/_build/html/_static/site.css").is_file()
    assert "$" not in re.sub(r"<(script|style|pre|code).*?</\1>", "", page, flags=re.DOTALL)


def find_numbers(text: str) -> set[str]:
    """Return the numbers of a text, without those that are part of a name."""
    plain = re.sub(r"`[^`]*`|\bDR\d", "", text)
    return set(re.findall(r"−?\d(?:[\d,.]*\d)?[⁻⁰¹²³⁴-⁹]*", plain))


def test_captions_have_the_numbers_that_are_in_their_figures_and_no_others():
    """`make illustrations` writes them into the files."""
    page = (ROOT / "docs/how_it_works.md").read_text(encoding="utf-8")
    captions = dict(
        re.findall(r"\]\((illustrations/\S+\.png)\)\n\n\*(.*?)\*\n\n", page + "\n", re.DOTALL)
    )
    drawn = {f"illustrations/{path.name}" for path in ROOT.glob("docs/illustrations/*.png")}
    assert set(captions) == drawn
    for name, caption in captions.items():
        with Image.open(ROOT / "docs" / name) as image:
            said = json.loads(image.text["Description"]).values()
        caption = " ".join(caption.split())
        missing = [value for value in said if value not in caption]
        assert missing == [], name
        assert find_numbers(caption) == find_numbers(" ".join(said)), name


def test_the_reference_has_what_users_call_and_every_room(site):
    page = read(site, "api")
    for name in ("fit", "predict", "models"):
        assert re.search(rf'<span class="pre">{name}</span></span><span class="sig-paren">', page)
    # A package that can be called is described without its call, and the call without it.
    assert page.count("Fit the light curve of one star") == 1
    assert "From a light curve to its shape" not in page.partition("The rooms</a>")[0][:20000]
    for stub in (ROOT / "workflow/metalyra").glob("*/__init__.pyi"):
        room = stub.parent.name
        listed = read(site, f"api/metalyra.{room}")
        functions = re.findall(r" as ([a-z]\w*)$", stub.read_text(), re.MULTILINE)
        missing = [name for name in functions if f'id="metalyra.{room}.{name}"' not in listed]
        assert missing == [], room


def test_the_papers_to_cite_are_those_of_citation_cff(site):
    page = read(site, "citing")
    for work in yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]:
        if "doi" in work:
            assert f'href="https://doi.org/{work["doi"]}"' in page


def test_a_link_that_leads_nowhere_is_an_error(site):
    page = site / "docs/faq.md"
    page.write_text(page.read_text() + "\nSee [this](no_such_page.md).\n")
    done = build(site)
    assert done.returncode != 0
    assert "no_such_page.md" in done.stderr
