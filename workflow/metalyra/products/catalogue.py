"""The metallicity catalogue: one row per star of every sample, and its four files."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits as fits_format
from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys, Info
from astropy.table import Table
from pandas.api.types import is_numeric_dtype

from metalyra.core.metrics import (
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from metalyra.core.statuses import OK, STATUSES, describe_status, restore_star_id
from metalyra.core.tables import (
    BY,
    GIVEN,
    align_to,
    describe,
    replace_when_complete,
    write_csv,
    write_table,
)
from metalyra.fit.columns import PERIOD_BANDS, PERIOD_COLUMNS
from metalyra.predict.uncertainty import BOUNDS, ERROR_PARTS, normal_bounds

_IDENTITY = ("sample", "star_id", "band")

ESTIMATED = (
    *("feh", "feh_err", *ERROR_PARTS, *BOUNDS, "feh_std"),
    *("relation", "model", "in_training", "shape_distance", "out_of_domain"),
)
"""What an estimate says of a star."""

COLUMNS = (
    *_IDENTITY,
    *("ra", "dec", "ref_epoch", "period", "pulsation_type"),
    *ESTIMATED,
    *("mean_mag", "amplitude", "n_epochs", "phase_coverage", "snr"),
    *("reference_id", "status", "reason"),
)
"""Columns of the catalogue."""

ESTIMATE_COLUMNS = (*_IDENTITY, *ESTIMATED, "preferred", "status", "reason")
"""Columns of the table of all estimates."""

TEXT_COLUMNS = (
    *_IDENTITY,
    *("period_status", "type_status", PERIOD_BANDS),
    *("pulsation_type", "relation", "model", "out_of_domain"),
    *("reference_id", "status", "reason"),
)

_LABELS = ("archive_feh", "archive_feh_err")
_TRUTHS = ("in_training", "preferred")
_FITTED = ("period", "mean_mag", "amplitude", "n_epochs", "phase_coverage", "snr")

_ROWS_AT_ONCE = 57 * 64
"""Of a VOTable; whole lines of 57 bytes, which base64 writes in 76 letters."""

READ = ("star_id", "status", "reason", *_FITTED, *ESTIMATED)
"""Columns of fits, labels and predictions that a catalogue is made of, where they have them."""

NAME = "metallicities"
DESCRIPTION = "Metallicities of RR Lyrae stars from the shapes of their light curves"


@dataclass(frozen=True)
class Estimate:
    """Metallicities of one sample from one model or relation.

    Attributes
    ----------
    table
        Columns star_id, status, and those of `ESTIMATED` and reason that it has.
    relation
        The relation on whose scale the metallicities are; a table's own column
        `relation` has precedence.
    model
        The model that predicted them; empty for a relation.
    """

    table: pd.DataFrame
    relation: str = ""
    model: str = ""


def list_estimates(
    config: Mapping[str, Any],
    sample: str,
    labels: pd.DataFrame | None,
    predictions: Mapping[str, pd.DataFrame],
) -> list[Estimate]:
    """Return a sample's estimates, those with the first claim to the catalogue first.

    Models come in the order of the config key `predict`, then the relation of the key
    `labels`.

    Parameters
    ----------
    config
        The study's configuration.
    sample
        Name of the sample.
    labels
        The sample's labels, None if the study makes none.
    predictions
        The sample's predictions by model.
    """
    relations = config.get("labels", {})
    estimates = []
    for model in (item["model"] for item in config.get("predict", ()) if item["sample"] == sample):
        settings = config["models"][model]
        relation = settings.get("relation") or relations.get(settings.get("labels"), "")
        estimates.append(Estimate(predictions[model], relation, model))
    if labels is not None:
        bounds = normal_bounds(labels["feh"].to_numpy(float), labels["feh_err"].to_numpy(float))
        bounded = pd.concat([labels.reset_index(drop=True), bounds], axis="columns")
        estimates.append(Estimate(bounded, relations.get(sample, "")))
    return estimates


def list_sample_estimates(
    sample: str,
    band: str,
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    estimates: Sequence[Estimate],
) -> pd.DataFrame:
    """Return all metallicities of one sample, one row a star and estimate.

    Parameters
    ----------
    sample, band
        Name and photometric band of the sample.
    stars
        The star list, matched where the sample is.
    fits
        Fits of the light curves, one row per star.
    estimates
        The metallicities, those with the first claim first. Without any, each star has
        the status ``no_model``.

    Returns
    -------
    pandas.DataFrame
        Columns `ESTIMATE_COLUMNS`, and `row`, the star's place in its list; star by star
        in the order of the list, then in that of the estimates. The status is the first
        that is not ok among star list, fit and estimate; `reason` says in words why. A
        status that the estimate itself gave leaves its value. `preferred` is true for one
        row a star: its first estimate of status ok, else the first that has a value, else
        the first by a model that was not trained, else the first.

    Raises
    ------
    ValueError
        If an estimate is ok but has no finite metallicity.
    """
    keys = stars["star_id"].reset_index(drop=True)
    fitted = fits.set_index("star_id").reindex(keys)["status"]
    before = _first_not_ok(stars["status"].reset_index(drop=True), fitted)
    known = _reasons_before(stars.reset_index(drop=True), fits.set_index("star_id").reindex(keys))
    tables = []
    for estimate in estimates or [Estimate(_without_model(keys))]:
        table = estimate.table.set_index("star_id").reindex(keys).reset_index()
        unfounded = (table["status"] == OK) & (before == OK)
        unfounded &= ~np.isfinite(table["feh"].astype(float))
        if unfounded.any():
            names = ", ".join(keys[unfounded][:5])
            source = estimate.model or estimate.relation
            raise ValueError(f"sample {sample}: no finite [Fe/H] from {source} for: {names}")
        if "relation" not in table:
            table["relation"] = estimate.relation
        table["model"] = estimate.model
        table["status"] = before.where(before != OK, table["status"])
        table = table.reindex(columns=["star_id", *ESTIMATED, "status", "reason"])
        values = [name for name in ESTIMATED if name not in ("relation", "model")]
        table[values] = table[values].where(before == OK)
        explained = table["status"].map(_describe_unless_ok)
        silent = table["reason"].isna() | ((table["reason"] == "") & (table["status"] != OK))
        table["reason"] = table["reason"].mask(silent, explained).mask(known != "", known)
        tables.append(table.assign(row=np.arange(len(keys))))
    rows = pd.concat(tables, ignore_index=True).sort_values("row", kind="stable")
    rows = rows.assign(sample=sample, band=band).reset_index(drop=True)
    # That a star's own model was not trained says more than that another is not for its type.
    empty = np.where(rows["status"] == "no_model", 2, 3)
    rank = np.where(rows["status"] == OK, 0, np.where(rows["feh"].notna(), 1, empty))
    first = rows.assign(rank=rank).sort_values(["row", "rank"], kind="stable")
    rows["preferred"] = False
    rows.loc[first.drop_duplicates("row").index, "preferred"] = True
    # The key of a repeated row was unique within the study only.
    rows["star_id"] = restore_star_id(rows)
    return rows


def make_sample_rows(
    sample: str,
    band: str,
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    estimates: Sequence[Estimate],
) -> pd.DataFrame:
    """Return the catalogue rows of one sample, in the order of its star list.

    Each star has its preferred metallicity; parameters, and what is raised, are those of
    `list_sample_estimates`.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, and those of `PERIOD_COLUMNS` and `PERIOD_BANDS` that the star list
        has; text that is missing is empty, a number NaN, n_epochs 0.
    """
    stars = stars.reset_index(drop=True)
    fitted = align_to(fits, stars)
    fitted["period"] = fitted["period"].fillna(stars["period"])
    every = list_sample_estimates(sample, band, stars, fits, estimates)
    values = every[every["preferred"]].reset_index(drop=True)
    nameless = values["feh"].isna()
    values[["relation", "model"]] = values[["relation", "model"]].mask(nameless, None)
    own = (*_IDENTITY, *ESTIMATED, "status", "reason")
    sources = {**dict.fromkeys(_FITTED, fitted), **dict.fromkeys(own, values)}
    of_periods = [column for column in (*PERIOD_COLUMNS, PERIOD_BANDS) if column in stars]
    columns = (*COLUMNS, *of_periods)
    rows = {column: sources.get(column, stars).get(column) for column in columns}
    return _with_plain_types(pd.DataFrame(rows), columns)


def make_estimates(
    config: Mapping[str, Any],
    stars: Mapping[str, pd.DataFrame],
    fits: Mapping[str, pd.DataFrame],
    labels: Mapping[str, pd.DataFrame],
    predictions: Mapping[tuple[str, str], pd.DataFrame],
) -> pd.DataFrame:
    """Return all metallicities of a study: one row per sample, star, and model or relation.

    Parameters are those of `make_catalogue`.

    Returns
    -------
    pandas.DataFrame
        Columns `ESTIMATE_COLUMNS`; see `list_sample_estimates`.
    """
    parts = [
        list_sample_estimates(sample, settings["band"], stars[sample], fits[sample], estimates)
        for sample, settings, estimates in _list_samples(config, labels, predictions)
    ]
    return _with_plain_types(pd.concat(parts, ignore_index=True), ESTIMATE_COLUMNS)


def make_catalogue(
    config: Mapping[str, Any],
    stars: Mapping[str, pd.DataFrame],
    fits: Mapping[str, pd.DataFrame],
    labels: Mapping[str, pd.DataFrame],
    predictions: Mapping[tuple[str, str], pd.DataFrame],
) -> pd.DataFrame:
    """Return the catalogue of a study: one row per sample and star.

    Parameters
    ----------
    config
        The study's configuration; samples keep its order.
    stars
        Star list by sample, the matched one where the sample has a match.
    fits
        Fits by sample.
    labels
        Labels by sample, for the samples that have them.
    predictions
        Predictions by (model, sample).

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, and `PERIOD_COLUMNS` if the periods of a sample were found or
        checked, with `PERIOD_BANDS` if in several bands; see `make_sample_rows`.
    """
    catalogue = pd.concat(
        [
            make_sample_rows(sample, settings["band"], stars[sample], fits[sample], estimates)
            for sample, settings, estimates in _list_samples(config, labels, predictions)
        ],
        ignore_index=True,
    )
    return _with_plain_types(catalogue, catalogue.columns.tolist())


def _list_samples(
    config: Mapping[str, Any],
    labels: Mapping[str, pd.DataFrame],
    predictions: Mapping[tuple[str, str], pd.DataFrame],
) -> Iterator[tuple[str, Mapping[str, Any], list[Estimate]]]:
    """Give the name, settings and estimates of every sample, in the order of the study."""
    for sample, settings in config["samples"].items():
        own = {model: table for (model, name), table in predictions.items() if name == sample}
        yield sample, settings, list_estimates(config, sample, labels.get(sample), own)


def describe_flags(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what a catalogue says of the samples whose study goes without the archive's flags.

    Parameters
    ----------
    config
        The study's configuration.

    Returns
    -------
    dict
        For the metadata of `write_catalogue`; empty if there is no such sample.
    """
    samples = [
        name
        for name, settings in config["samples"].items()
        if settings["survey"].endswith("_without_flags")
    ]
    if not samples:
        return {}
    return {
        "epoch_flags": f"not used for {', '.join(samples)}: every transit counts, also those that "
        "the archive's variability analysis has rejected"
    }


def write_catalogue(
    catalogue: pd.DataFrame, directory: Path | str, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the catalogue as Parquet, VOTable, FITS and CSV, each complete or not at all.

    The four files hold the same rows to the last bit, and the same catalogue makes the
    same bytes. Units, descriptions and UCDs are in all but the CSV file, whose texts are those
    of `metalyra.core.tables.write_csv`.

    Parameters
    ----------
    catalogue
        Table as `make_catalogue` returns it.
    directory
        Where ``metallicities.{parquet,vot,fits,csv}`` go.
    metadata
        What the catalogue is of: study, version and the like.
    """
    stem = Path(directory) / NAME
    write_formats(catalogue, stem, DESCRIPTION, metadata)
    write_csv(catalogue, stem.with_suffix(".csv"), float_format=None)


def write_formats(
    table: pd.DataFrame,
    stem: Path,
    description: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a table of stars as Parquet, VOTable and FITS, each complete or not at all.

    The three files hold the same rows to the last bit, with the units, descriptions and UCDs of
    all columns, and the same table makes the same bytes.

    Parameters
    ----------
    table
        Of the columns of a catalogue, or of some of them by model or relation.
    stem
        Path of the files, without their suffixes.
    description
        What the table is.
    metadata
        What it is of: study, version and the like.
    """
    metadata = dict(metadata or {})
    write_table(table, stem.with_suffix(".parquet"), metadata)
    with replace_when_complete(stem.with_suffix(".vot")) as temporary:
        write_votable(table, temporary, stem.name, description, metadata)
    with replace_when_complete(stem.with_suffix(".fits")) as temporary:
        _write_fits(table, temporary, stem.name, description, metadata)


def pair_with_truth(
    catalogue: pd.DataFrame, truth: pd.DataFrame, surveys: Mapping[str, str]
) -> pd.DataFrame:
    """Return the metallicities of a simulated sky beside the true ones.

    Parameters
    ----------
    catalogue
        Table as `make_catalogue` returns it.
    truth
        What was simulated: survey, star_id, feh_true.
    surveys
        The survey of every sample.

    Returns
    -------
    pandas.DataFrame
        sample, band, star_id, source (the model or relation), stars (``out of fold`` of a
        model that has been trained on the star, ``held out`` of another, ``all`` of a
        relation), feh and feh_true of every star of status ok, in the order of the
        catalogue.
    """
    measured = catalogue[catalogue["status"] == OK]
    measured = measured.assign(survey=measured["sample"].map(surveys))
    pairs = measured.merge(
        truth[["survey", "star_id", "feh_true"]], on=["survey", "star_id"], validate="many_to_one"
    )
    predicted = pairs["model"] != ""
    pairs["source"] = pairs["model"].where(predicted, pairs["relation"])
    kind = np.where(pairs["in_training"], "out of fold", "held out")
    pairs["stars"] = np.where(predicted, kind, "all")
    return pairs[["sample", "band", "star_id", "source", "stars", "feh", "feh_true"]]


def compare_with_truth(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return how well the metallicities of a simulated sky agree with the true ones.

    Parameters
    ----------
    pairs
        Table as `pair_with_truth` returns it.

    Returns
    -------
    pandas.DataFrame
        By sample, band, source and kind of stars: their number n, bias (measured minus
        true), median absolute error medae, RMSE and MAE (all dex) and R2, which is NaN
        for a single star.
    """
    rows = []
    groups = ["sample", "band", "source", "stars"]
    for group, stars in pairs.groupby(groups, sort=False):
        true, measured = stars["feh_true"].to_numpy(), stars["feh"].to_numpy()
        rows.append(
            {
                **dict(zip(groups, group, strict=True)),
                "n": len(stars),
                "bias": float(np.mean(measured - true)),
                "medae": median_absolute_error(true, measured),
                "rmse": root_mean_squared_error(true, measured),
                "mae": mean_absolute_error(true, measured),
                "r2": r2_score(true, measured) if np.ptp(true) > 0 else np.nan,
            }
        )
    columns = [*groups, "n", "bias", "medae", "rmse", "mae", "r2"]
    return pd.DataFrame(rows, columns=columns)


def append_given(catalogue: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return the catalogue rows of a user's own stars with what their list has besides.

    Parameters
    ----------
    catalogue
        Rows of one sample, as `make_sample_rows` returns them.
    stars
        Its star list, with the columns ``given_<name>`` of `metalyra.surveys.own.read_stars`.

    Returns
    -------
    pandas.DataFrame
        After the columns of the catalogue those of the list, under the names that they have
        there, or with the prefix where the catalogue has such a column: given_feh and
        given_feh_err are the list's [Fe/H] and its error, n_spectra how many rows it is of.
    """
    labels = {name: name.removeprefix("archive_") for name in _LABELS if name in stars}
    others = {
        name: name.removeprefix(GIVEN)
        for name in map(str, stars)
        if name.startswith(GIVEN) and name not in catalogue
    }
    counted = {"n_spectra": "n_spectra"} if labels and "n_spectra" in stars else {}
    names: dict[str, str] = {}
    for source, name in (labels | others | counted).items():
        while name in catalogue or name in names.values():
            name = GIVEN + name
        names[source] = name
    passed = stars[[*names]].rename(columns=names).set_axis(catalogue.index)
    return pd.concat([catalogue, passed], axis="columns")


def summarise_output(output: Path) -> str:
    """Return how many stars of an output are of each status, one line a status.

    Parameters
    ----------
    output
        CSV file of a user's own stars.

    Returns
    -------
    str
        With the reason of the first star of each status.
    """
    columns = ["star_id", "feh", "status", "reason"]
    catalogue = pd.read_csv(
        output, usecols=columns, dtype=str, keep_default_na=False, encoding="utf-8"
    )
    counts = catalogue["status"].value_counts(sort=False)
    order = [OK, *(status for status in STATUSES if status != OK)]
    order += sorted(set(counts.index) - set(order))
    lines = [f"{len(catalogue)} stars in {output}"]
    for status in order:
        if (count := int(counts.get(status, 0))) or status == OK:
            text = f"{count:7d} {status}"
            if status != OK:
                first = catalogue[catalogue["status"] == status].iloc[0]
                text += f": such as {first['star_id']}, {first['reason']}"
            elif has_value := int((catalogue["feh"] != "").sum() - count):
                text += f" ({has_value} more have a value, and a caveat)"
            lines.append(text)
    return "\n".join(lines)


def _without_model(keys: pd.Series) -> pd.DataFrame:
    """Return the estimate of a sample that has none."""
    return pd.DataFrame({"star_id": keys, "feh": np.nan, "status": "no_model"})


def _describe_unless_ok(status: str) -> str:
    return "" if status == OK else describe_status(status)


def _reasons_before(stars: pd.DataFrame, fits: pd.DataFrame) -> "pd.Series[str]":
    """Return what star list and fits say of why stars are not ok; nothing of most samples."""
    known = pd.Series("", index=stars.index, dtype="str")
    for table in (fits, stars):
        if "reason" in table:
            reasons = table["reason"].reset_index(drop=True).fillna("")
            failed = (table["status"].reset_index(drop=True) != OK) & (reasons != "")
            known = known.mask(failed, reasons)
    return known


def _first_not_ok(*statuses: pd.Series) -> pd.Series:
    """Return, star by star, the first status that is not ok, else ok."""
    first = statuses[0].astype(object)
    for status in statuses[1:]:
        first = first.where(first != OK, status.to_numpy(dtype=object))
    return first


def _with_plain_types(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the columns with the types that every file format keeps."""
    plain: dict[str, pd.Series[Any]] = {}
    for column in columns:
        if column in TEXT_COLUMNS:
            plain[column] = rows[column].astype(object).where(rows[column].notna(), "").astype(str)
        elif column in _TRUTHS:
            known = rows[column].astype(object).where(rows[column].notna(), False)
            plain[column] = known.astype(bool)
        elif column == "n_epochs":
            plain[column] = rows[column].astype(float).fillna(0).astype(np.int32)
        else:
            plain[column] = rows[column].astype(float)
    return pd.DataFrame(plain)


def is_text(column: str) -> bool:
    """Say whether a column of a catalogue, or of a model's estimates in it, is text."""
    return column.partition(BY)[0] in TEXT_COLUMNS


def _to_astropy(catalogue: pd.DataFrame) -> Table:
    """Return the catalogue as an astropy table with units, descriptions and UCDs."""
    table = Table()
    for name in map(str, catalogue):
        values = catalogue[name]
        if not is_text(name) and is_numeric_dtype(values):
            table[name] = values.to_numpy()
        else:
            # One byte a letter where that is enough: it is what most readers expect.
            table[name] = values.to_numpy(
                dtype="S" if values.map(str.isascii).all() else _wide(values)
            )
        column = describe(name)
        table[name].unit = column.unit or None
        table[name].description = column.description
        table[name].meta = {"ucd": column.ucd} if column.ucd else {}
    return table


def _wide(values: pd.Series) -> str:
    """Return the type of texts with two bytes a letter, and four for some."""
    return f"U{max(len(text.encode('utf-16-be')) // 2 for text in values)}"


def write_votable(
    table_of_stars: pd.DataFrame,
    path: Path,
    name: str,
    description: str,
    metadata: Mapping[str, str],
) -> None:
    """Write a VOTable with units, descriptions and UCDs, whose positions refer to the ICRS.

    Astropy writes all but the rows, which take it a millisecond each.

    Parameters
    ----------
    table_of_stars
        Columns of numbers, of truths, and of text.
    path
        Of the file.
    name, description, metadata
        Of the table.
    """
    table = _to_astropy(table_of_stars)
    document = from_table(table[:1], table_id=name)
    document.description = description
    [resource] = document.resources
    if "ra" in table.columns:
        resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    resource.infos.extend(Info(name=key, value=text) for key, text in sorted(metadata.items()))
    for field in resource.tables[0].fields:
        if field.name in ("ra", "dec"):
            field.ref = "icrs"
        if field.datatype == "bit":
            # Astropy's bits are not where the standard has them; letters are the same to all.
            field.datatype = "boolean"
    writeto(document, str(path), tabledata_format="binary2")
    if not len(table):
        return
    header, start, stream = path.read_bytes().partition(b'<STREAM encoding="base64">')
    with path.open("wb") as file:
        file.write(header + start + b"\n")
        for first in range(0, len(table), _ROWS_AT_ONCE):
            rows = _to_binary(table[first : first + _ROWS_AT_ONCE])
            file.write(base64.encodebytes(rows.tobytes()))
        file.write(b"".join(stream.partition(b"</STREAM>")[1:]))


def _to_binary(table: Table) -> np.ndarray:
    """Return rows as the format BINARY2 of VOTables has them, each after its flags of nulls."""
    columns: dict[str, np.ndarray] = {
        "nulls": np.zeros((len(table), math.ceil(len(table.columns) / 8)), np.uint8)
    }
    for name, column in table.columns.items():
        values = column.data
        if values.dtype.kind == "b":
            columns[name] = np.where(values, b"T", b"F")
        elif values.dtype.kind == "U":
            width = values.dtype.itemsize // 2
            columns[name] = np.strings.encode(values, "utf-16-be").astype(f"S{width}")
        else:
            columns[name] = values.astype(values.dtype.newbyteorder(">"))
    types = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    binary = np.empty(len(table), types)
    for name, values in columns.items():
        binary[name] = values
    return binary


def _write_fits(
    catalogue: pd.DataFrame, path: Path, name: str, description: str, metadata: Mapping[str, str]
) -> None:
    """Write a FITS binary table with TCOMM and TUCD cards as TOPCAT reads them."""
    # A FITS table holds ASCII text only; anything else is kept as an escape sequence.
    ascii_only = catalogue.assign(
        **{
            column: catalogue[column].map(
                lambda text: text.encode("ascii", "backslashreplace").decode()
            )
            for column in filter(is_text, map(str, catalogue))
        }
    )
    table = _to_astropy(ascii_only)
    cards = [(column.description, column.meta.get("ucd")) for column in table.columns.values()]
    for column in table.columns.values():
        column.description, column.meta = None, {}
    hdu = fits_format.table_to_hdu(table, name=name.upper())
    for number, (comment, ucd) in enumerate(cards, start=1):
        hdu.header[f"TCOMM{number}"] = comment
        if ucd:
            hdu.header[f"TUCD{number}"] = ucd
    hdu.header["RADESYS"] = "ICRS"
    hdu.header["COMMENT"] = description
    for key, text in sorted(metadata.items()):
        hdu.header["COMMENT"] = f"{key}: {text}"
    fits_format.HDUList([fits_format.PrimaryHDU(), hdu]).writeto(path, output_verify="exception")
