"""The results page of a study, and the files beside it."""

import base64
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from metalyra import __version__
from metalyra.core.resources import RESOURCES
from metalyra.core.statuses import describe_status
from metalyra.core.tables import replace_when_complete
from metalyra.products.reproduction import count_verdicts
from metalyra.products.results_page.light_curves import (
    choose_stars,
    number_parts,
    pack_light_curves,
)
from metalyra.products.results_page.parts import (
    CHOSEN_BY,
    CURVES_OF,
    PLOTTED,
    arrange_stars,
    describe_columns,
    pack_column,
    write_json,
)
from metalyra.products.results_page.plots import draw_plots, read_scripts
from metalyra.products.results_page.summaries import (
    count_metallicities,
    group_ledger,
    summarise_models,
    summarise_samples,
)

PAGES = RESOURCES / "pages"

MOST_IN_PAGE = 5000
"""Stars up to which a page is one file; the parts of larger ones are files beside it."""

_LIBRARIES = ("numpy", "scipy", "pandas", "astropy", "scikit-learn", "bokeh")


@dataclass(frozen=True)
class StudyResults:
    """What a results page is made of.

    Attributes
    ----------
    study
        Name of the study.
    samples
        Settings of the samples: survey, band, and `lister`, the survey of the star list.
    catalogue
        See `metalyra.products.catalogue.make_catalogue`.
    ledger
        See `metalyra.products.ledger.make_ledger`.
    fits, folded
        Files of the chunks of each sample.
    cards
        Of the models, by the study's names.
    figures
        Images of the out-of-fold predictions of models.
    costs
        See `metalyra.products.results_page.summaries.read_costs`.
    configuration
        The complete configuration.
    citation
        What CITATION.cff says.
    sources
        Citations of the data, each once.
    published
        Published numbers beside ours: see `metalyra.products.reproduction`; None if the study
        reproduces no paper.
    recovery
        Accuracy by the simulated truth: see `metalyra.products.catalogue.compare_with_truth`;
        None if the sky is the real one.
    """

    study: str
    samples: Mapping[str, Mapping[str, Any]]
    catalogue: pd.DataFrame
    ledger: pd.DataFrame
    fits: Mapping[str, Sequence[Path | str]]
    folded: Mapping[str, Sequence[Path | str]]
    costs: pd.DataFrame
    configuration: Mapping[str, Any]
    citation: Mapping[str, Any]
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Mapping[str, Path | str] = field(default_factory=dict)
    sources: Sequence[str] = ()
    published: pd.DataFrame | None = None
    recovery: pd.DataFrame | None = None


def write_results_page(results: StudyResults, page: Path | str, parts: Path | str) -> None:
    """Write the results page of a study, complete or not at all.

    Parameters
    ----------
    results
        What it is made of.
    page
        The file to be opened, in HTML.
    parts
        Folder beside it with its larger parts, each a script that hands its data over: a page
        that is opened as a file may not read other files. They are in a folder named by what is
        in them, so that a page has its own parts whenever the work stops: those of the page
        before are removed last. It is empty for up to `MOST_IN_PAGE` stars.
    """
    page, parts = Path(page), Path(parts)
    stars = arrange_stars(results.catalogue)
    chosen = choose_stars(stars) if "mean_mag" in stars else stars.head(0)
    stars[CURVES_OF] = number_parts(chosen, stars)
    texts = _write_parts(stars, chosen, results)
    first = {*PLOTTED, *CHOSEN_BY, CURVES_OF}
    unfinished = parts / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        inside, edition = _split(texts, first, unfinished, in_page=len(stars) <= MOST_IN_PAGE)
        text = _render(results, stars, inside, f"{parts.name}/{edition}")
        if not (parts / edition).exists():
            unfinished.rename(parts / edition)
        with replace_when_complete(page) as complete:
            complete.write_text(text, encoding="utf-8")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in parts.iterdir():
        if other.is_dir() and other.name != edition:
            shutil.rmtree(other)


def _write_parts(
    stars: pd.DataFrame, chosen: pd.DataFrame, results: StudyResults
) -> Iterator[tuple[str, str]]:
    """Give the names and the JSON of the parts of a page."""
    for name in map(str, stars):
        yield name, write_json(pack_column(name, stars[name]))
    for number, part in enumerate(pack_light_curves(chosen, results.fits, results.folded)):
        yield f"{CURVES_OF}_{number}", write_json(part)


def _split(
    texts: Iterator[tuple[str, str]], first: set[str], folder: Path, *, in_page: bool
) -> tuple[dict[str, Markup], str]:
    """Return the parts that are in the page; write the others to a folder, and return its name."""
    inside, digest = {}, hashlib.sha256()
    for name, text in texts:
        if in_page or name in first:
            # JSON of `write_json` has no letter that means anything to HTML.
            inside[name] = Markup(text)  # noqa: S704
        else:
            script = f'page.receive("{name}",{text});\n'.encode()
            (folder / f"{name}.js").write_bytes(script)
            digest.update(script)
    return inside, digest.hexdigest()[:12]


def _render(
    results: StudyResults, stars: pd.DataFrame, inside: Mapping[str, Markup], beside: str
) -> str:
    """Return the text of the page."""
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = {
        "stars": len(stars),
        "columns": describe_columns(stars),
        "samples": results.samples,
        "simulated": results.recovery is not None,
        "links": yaml.safe_load((PAGES / "star_links.yaml").read_text(encoding="utf-8")),
        "statuses": {name: describe_status(name) for name in stars["status"].unique()},
        "beside": beside,
        "study": results.study,
    }
    configuration = yaml.safe_dump(dict(results.configuration), sort_keys=False, allow_unicode=True)
    return environment.get_template("results.html").render(
        study=results.study,
        version=__version__,
        n_stars=len(stars),
        counts=count_metallicities(stars),
        samples=summarise_samples(stars, results.samples),
        models=summarise_models(results.cards),
        figures={name: _embed(path) for name, path in results.figures.items()},
        ledger=group_ledger(results.ledger),
        recovery=None if results.recovery is None else results.recovery.to_dict("records"),
        published=None if results.published is None else count_verdicts(results.published),
        costs=results.costs.to_dict("records"),
        configuration=configuration,
        versions={name: version(name) for name in _LIBRARIES},
        citation=results.citation,
        sources=results.sources,
        has_positions=bool(stars["longitude"].notna().any()),
        inside=inside,
        data=Markup(write_json(data)),  # noqa: S704
        plots=Markup(write_json(draw_plots(stars))),  # noqa: S704
        style=_read("results.css"),
        script=_read("results.js"),
        bokeh=Markup(read_scripts().replace("</script", "<\\/script")),  # noqa: S704
    )


def _read(name: str) -> Markup:
    """Return a file of the project's own that stands in the page as it is."""
    return Markup((PAGES / name).read_text(encoding="utf-8"))  # noqa: S704


def _embed(path: Path | str) -> str:
    """Return an image as an address that has it."""
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
