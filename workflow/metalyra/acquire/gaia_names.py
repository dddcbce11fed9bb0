"""What a release of Gaia calls what is asked for, as the settings of a product.

At first these are the names that a release is thought to have; once the archive has said
which columns its tables have, those that are there.
"""

from collections.abc import Collection, Mapping
from typing import Any

from metalyra.surveys.formats.gaia_releases import Columns, Release, Table

_IDENTIFIER = "source_id"


def name_product(release: Release, schema: str | None = None) -> dict[str, Any]:
    """Return the names of a release that it is thought to have.

    Parameters
    ----------
    release
        See `metalyra.surveys.formats.gaia_releases`.
    schema
        Of its tables at a service that calls it otherwise.

    Returns
    -------
    dict
        Names of tables and columns (see `metalyra.acquire.queries.select_rr_lyrae`), `rows`,
        and for the DataLink service `release`, `structures`, `flag_columns` and `flag_product`.
    """
    schema = schema or release.schema
    product = release.flag_product
    neighbours = release.neighbours
    return {
        "schema": schema,
        "table": f"{schema}.{release.stars.name}",
        "source_table": f"{schema}.{release.sources.name}",
        "rows": release.rows,
        **name_columns(
            release, _first_names(release.stars.columns), _first_names(release.sources.columns)
        ),
        "fallbacks": [],
        "neighbours": neighbours
        and {
            "table": f"{schema}.{neighbours.name}",
            "columns": _first_names(neighbours.columns),
        },
        "release": release.data_release,
        "structures": list(release.structures),
        "flag_columns": [
            name
            for flags in release.flags
            if flags.where == "column"
            for name in Columns({"flag": flags.names}, frozenset()).all_names()
        ],
        "flag_product": product.retrieval_type if product else "",
    }


def name_columns(
    release: Release, stars: Mapping[str, str], sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return the settings of a product that are columns of the list of stars.

    Parameters
    ----------
    release
        The release.
    stars, sources
        Columns of its RR Lyrae stars and of its sources, by role.
    """
    return {
        "identifier": stars[_IDENTIFIER],
        "type": stars["pulsation_type"],
        "magnitude": sources.get("phot_g_mean_mag", "phot_g_mean_mag"),
        "random_index": sources.get("random_index"),
        "columns": list(stars.values()),
        "source_identifier": sources[_IDENTIFIER],
        "source_columns": [name for role, name in sources.items() if role != _IDENTIFIER],
    }


def name_fallback(
    table: Table, schema: str, found: Collection[str], sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return a table that has what the table of sources has not.

    Parameters
    ----------
    table
        The table.
    schema
        Its schema.
    found
        The columns that it has.
    sources
        Columns of the table of sources, by role.

    Returns
    -------
    dict
        `table`, `identifier`, and `columns`: its columns by those of the table of sources.
    """
    here = table.columns.resolve(f"{schema}.{table.name}", found)
    return {
        "table": f"{schema}.{table.name}",
        "identifier": here[_IDENTIFIER],
        "columns": {
            sources[role]: name
            for role, name in here.items()
            if role in sources and role != _IDENTIFIER
        },
    }


def _first_names(columns: Columns) -> dict[str, str]:
    return {role: names[0] for role, names in columns.names.items()}
