"""The page that shows papers' numbers and figures beside ours, in one file."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from metalyra import __version__
from metalyra.core.resources import RESOURCES
from metalyra.core.tables import replace_when_complete, write_csv
from metalyra.products.published_values import Paper, PublishedFigure, read_paper
from metalyra.products.reproduction import (
    VERDICTS,
    compare_with_paper,
    count_verdicts,
    read_product,
)


@dataclass(frozen=True)
class PaperComparison:
    """What is shown of one paper.

    Attributes
    ----------
    paper
        What it prints.
    comparison
        Its numbers beside ours: see `metalyra.products.reproduction.compare_with_paper`.
    images
        Files by the names that its figures have of them.
    """

    paper: Paper
    comparison: pd.DataFrame
    images: Mapping[str, Path]


def reproduce_paper(published: Path | str, results: Path | str, *, effort: str) -> PaperComparison:
    """Compare what a paper prints with the products in the results of its study.

    Parameters
    ----------
    published
        File of `resources/published`.
    results
        Folder of the study's results.
    effort
        Of the study's trainings.
    """
    paper, folder = read_paper(published), Path(results)
    products = {name: read_product(folder / name) for name in paper.list_products()}
    return PaperComparison(
        paper,
        compare_with_paper(paper, products, effort=effort),
        {name: folder / name for name in paper.list_images()},
    )


def write_reproduction(
    parts: Sequence[PaperComparison], page: Path | str, table: Path | str, *, effort: str
) -> None:
    """Write the numbers of papers beside ours: a page with the figures, and a CSV table."""
    title = "Reproduction of " + (parts[0].paper.paper if len(parts) == 1 else "the papers")
    write_reproduction_page(parts, page, title=title, effort=effort)
    comparison = pd.concat([part.comparison for part in parts], ignore_index=True)
    write_csv(comparison, table, float_format="%.6g")


def write_reproduction_page(
    parts: Sequence[PaperComparison], path: Path | str, *, title: str, effort: str
) -> None:
    """Write the page of one or more papers, with its images in it; complete or not at all."""
    pages = Environment(
        loader=FileSystemLoader(RESOURCES / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = pages.get_template("reproduction.html").render(
        title=title,
        effort=effort,
        version=__version__,
        verdicts=VERDICTS,
        parts=[_describe_part(part) for part in parts],
    )
    with replace_when_complete(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _describe_part(part: PaperComparison) -> dict[str, Any]:
    """Return what the page says of a paper."""
    records = part.comparison.to_dict("records")
    rows = iter([{str(name): value for name, value in record.items()} for record in records])
    blocks = []
    for table in part.paper.tables:
        of_table = [next(rows) for row in table.rows for _ in row.printed]
        blocks.append(
            {
                "table": table,
                "rows": [row | _write_numbers(row) for row in of_table],
                "reasons": list(
                    dict.fromkeys(row["explanation"] for row in of_table if row["explanation"])
                ),
                "command": of_table[0]["command"],
            }
        )
    return {
        "paper": part.paper,
        "counts": count_verdicts(part.comparison),
        "blocks": blocks,
        "figures": [_show_figure(figure, part.images) for figure in part.paper.figures],
    }


def _write_numbers(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers of a row with one digit more than is printed."""
    decimals = len(row["published"].partition(".")[2])
    written = {}
    for name, sign in (("ours", ""), ("difference", "+"), ("tolerance", "")):
        digits = decimals + (1 if decimals or name == "tolerance" else 0)
        number = float(row[name])
        written[f"{name}_text"] = "" if math.isnan(number) else f"{number:{sign}.{digits}f}"
    return written


def _show_figure(figure: PublishedFigure, images: Mapping[str, Path]) -> dict[str, Any]:
    """Return a figure with its images as data of the page."""
    shown = []
    for name in figure.products:
        data = base64.b64encode(Path(images[name]).read_bytes()).decode("ascii")
        shown.append({"name": name, "data": f"data:image/png;base64,{data}"})
    return {"figure": figure, "images": shown}
