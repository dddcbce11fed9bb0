"""The tables of the glossary and of the page on limits, written from what the library has.

The pages around them are written by hand; each such table stands between two comments.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from metalyra.core.statuses import CUT, OK, STATUSES
from metalyra.core.tables import describe
from metalyra.fit.columns import PERIOD_BANDS, PERIOD_COLUMNS, TABLE_COLUMNS
from metalyra.fit.modulation import Variation
from metalyra.predict.shipped import read_shipped_cards
from metalyra.products.catalogue import COLUMNS, ESTIMATE_COLUMNS
from metalyra.products.results_page.summaries import DOUBTFUL

GLOSSARY = Path(__file__).parents[3] / "docs/glossary.md"
LIMITS = GLOSSARY.with_name("limits.md")

SOURCE = "source_id"
"""Column that data releases have besides."""

_TABLE = re.compile(r"(<!-- table of (\w+), [^\n]*-->\n\n).*?(\n<!-- end of the table -->)", re.S)


def write_columns(names: Iterable[str]) -> str:
    """Return a table of columns with their units and meanings, each once, as Markdown."""
    rows = ["| column | unit | meaning |", "|---|---|---|"]
    for name in dict.fromkeys(names):
        column = describe(name)
        rows.append(f"| `{name}` | {column.unit} | {column.description} |")
    return "\n".join(rows) + "\n"


def write_statuses(statuses: Mapping[str, str] = STATUSES) -> str:
    """Return the table of statuses: their meanings, and whether a star has a value; as Markdown."""
    value_of = {OK: "yes", **dict.fromkeys(DOUBTFUL, "with a caveat")}
    rows = ["| status | meaning | [Fe/H] |", "|---|---|---|"]
    rows += [
        f"| `{status}` | {meaning} | {value_of.get(status, 'none')} |"
        for status, meaning in statuses.items()
    ]
    rows.append(f"| `{CUT}<column>` | Outside the selection cut on the column. | with a caveat |")
    return "\n".join(rows) + "\n"


def write_models() -> str:
    """Return the table of the ranges that shipped models were trained in, as Markdown."""
    rows = ["| model | stars | period (d) | amplitude (mag) | epochs | S/N | phase coverage |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, card in read_shipped_cards().items():
        ranges, quality = card["domain"]["ranges"], card["domain"]["quality"]
        period, amplitude = (
            f"{low:.2f} to {high:.2f}" for low, high in (ranges["period"], ranges["amplitude"])
        )
        epochs, snr = (f"{quality[column][0]:.0f}" for column in ("n_epochs", "snr"))
        coverage = f"{quality['phase_coverage'][0]:.2f}"
        stars = f"{card['pulsation_type']} in {card['band']}"
        cells = (
            f"`{name}`",
            stars,
            period,
            amplitude,
            *(f"≥ {at}" for at in (epochs, snr, coverage)),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def write_glossary(page: str) -> str:
    """Return the glossary with its tables as the library has them.

    Parameters
    ----------
    page
        The page, whose tables may be of any age.

    Raises
    ------
    ValueError
        If the page has not each of the tables once; the message names them.
    """
    of_fits = [name for name in TABLE_COLUMNS if name not in (*COLUMNS, *Variation._fields)]
    tables = {
        "columns": write_columns((*COLUMNS, *PERIOD_COLUMNS, *ESTIMATE_COLUMNS, SOURCE)),
        "bands": write_columns([PERIOD_BANDS]),
        "fits": write_columns(of_fits),
        "changes": write_columns(Variation._fields),
        "statuses": write_statuses(),
    }
    return _fill(page, tables)


def write_limits(page: str) -> str:
    """Return the page on limits with its table of models; as `write_glossary`."""
    return _fill(page, {"models": write_models()})


def _fill(page: str, tables: Mapping[str, str]) -> str:
    if sorted(name for _, name, _ in _TABLE.findall(page)) != sorted(tables):
        raise ValueError(f"the page must have the tables {', '.join(tables)}, each once")
    return _TABLE.sub(lambda match: match[1] + tables[match[2]] + match[3], page)
