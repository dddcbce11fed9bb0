"""The metallicity catalogue: one row per star of every sample, and its four files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits as fits_format
from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys, Info
from astropy.table import Table

from metalyra.ledger import OK, restore_star_id
from metalyra.metrics import (
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from metalyra.tables import describe, replace_when_complete, write_table

TEXT_COLUMNS = (
    "sample",
    "star_id",
    "band",
    "pulsation_type",
    "relation",
    "model",
    "out_of_domain",
    "reference_id",
    "status",
)

COLUMNS = (
    "sample",
    "star_id",
    "band",
    "ra",
    "dec",
    "period",
    "pulsation_type",
    "feh",
    "feh_std",
    "feh_error",
    "feh_err",
    "relation",
    "model",
    "out_of_domain",
    "mean_mag",
    "amplitude",
    "n_epochs",
    "phase_coverage",
    "snr",
    "reference_id",
    "status",
)

_FITTED = ("period", "mean_mag", "amplitude", "n_epochs", "phase_coverage", "snr")
_VALUES = ("feh", "feh_std", "feh_error", "feh_err", "relation", "model", "out_of_domain")

NAME = "metallicities"
DESCRIPTION = "Metallicities of RR Lyrae stars from the shapes of their light curves"


@dataclass(frozen=True)
class Estimate:
    """Metallicities of one sample from one model or relation.

    Attributes
    ----------
    table
        Columns star_id, feh, status and feh_std (of a model) or feh_err (of a relation).
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
        estimates.append(Estimate(labels, relations.get(sample, "")))
    return estimates


def make_sample_rows(
    sample: str,
    band: str,
    stars: pd.DataFrame,
    fits: pd.DataFrame,
    estimates: Sequence[Estimate],
) -> pd.DataFrame:
    """Return the catalogue rows of one sample, in the order of its star list.

    A star's metallicity is that of the first estimate that has one for it. Without any,
    its status is the first that is not ok among star list, fit and estimates.

    Parameters
    ----------
    sample, band
        Name and photometric band of the sample.
    stars
        The star list, matched where the sample is.
    fits
        Fits of the light curves, one row per star.
    estimates
        The metallicities, those with the first claim first.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; text that is missing is empty, a number NaN, n_epochs 0.

    Raises
    ------
    ValueError
        If an estimate is ok but has no finite metallicity.
    """
    stars = stars.reset_index(drop=True)
    keys = stars["star_id"]
    fitted = fits.set_index("star_id").reindex(keys).reset_index()
    values = _combine_estimates(sample, keys, estimates)
    status = _first_not_ok(stars["status"], fitted["status"], values["status"])
    values.loc[status != OK, list(_VALUES)] = None
    fitted["period"] = fitted["period"].fillna(stars["period"])
    sources = {**dict.fromkeys(_FITTED, fitted), **dict.fromkeys(_VALUES, values)}
    rows = {column: sources.get(column, stars).get(column) for column in COLUMNS}
    rows |= {"sample": sample, "band": band, "status": status}
    # The key of a repeated row was unique within the study only.
    rows["star_id"] = restore_star_id(stars.assign(status=status))
    return _with_plain_types(pd.DataFrame(rows))


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
        Columns `COLUMNS`; see `make_sample_rows`.
    """
    parts = []
    for sample, settings in config["samples"].items():
        own = {model: table for (model, name), table in predictions.items() if name == sample}
        estimates = list_estimates(config, sample, labels.get(sample), own)
        parts.append(
            make_sample_rows(sample, settings["band"], stars[sample], fits[sample], estimates)
        )
    return pd.concat(parts, ignore_index=True)


def write_catalogue(
    catalogue: pd.DataFrame, directory: Path | str, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the catalogue as Parquet, VOTable, FITS and CSV, each complete or not at all.

    The four files hold the same rows to the last bit, and the same catalogue makes the
    same bytes. Units, descriptions and UCDs are in all but the CSV file.

    Parameters
    ----------
    catalogue
        Table as `make_catalogue` returns it.
    directory
        Where ``metallicities.{parquet,vot,fits,csv}`` go.
    metadata
        What the catalogue is of: study, version and the like.
    """
    directory = Path(directory)
    metadata = dict(metadata or {})
    write_table(catalogue, directory / f"{NAME}.parquet", metadata)
    with replace_when_complete(directory / f"{NAME}.vot") as temporary:
        _write_votable(catalogue, temporary, metadata)
    with replace_when_complete(directory / f"{NAME}.fits") as temporary:
        _write_fits(catalogue, temporary, metadata)
    with replace_when_complete(directory / f"{NAME}.csv") as temporary:
        catalogue.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def pair_with_truth(
    catalogue: pd.DataFrame,
    truth: pd.DataFrame,
    surveys: Mapping[str, str],
    out_of_fold: Mapping[tuple[str, str], pd.DataFrame],
) -> pd.DataFrame:
    """Return the metallicities of a simulated sky beside the true ones.

    An ensemble has seen the labels of its development stars, so that its catalogue
    values of them flatter it; their out-of-fold predictions stand in for them.

    Parameters
    ----------
    catalogue
        Table as `make_catalogue` returns it.
    truth
        What was simulated: survey, star_id, feh_true.
    surveys
        The survey of every sample.
    out_of_fold
        Out-of-fold predictions (star_id, feh_predicted) by model and the sample that
        the model was trained on.

    Returns
    -------
    pandas.DataFrame
        sample, band, star_id, source (the model or relation), stars (``out of fold`` or
        ``held out`` of a model, ``all`` of a relation), feh and feh_true of every star
        that has a metallicity, in the order of the catalogue.
    """
    measured = catalogue[catalogue["status"] == OK]
    measured = measured.assign(survey=measured["sample"].map(surveys))
    pairs = measured.merge(
        truth[["survey", "star_id", "feh_true"]], on=["survey", "star_id"], validate="many_to_one"
    )
    pairs["source"] = pairs["model"].where(pairs["model"] != "", pairs["relation"])
    pairs["stars"] = np.where(pairs["model"] != "", "held out", "all")
    for (model, sample), predictions in out_of_fold.items():
        own = (pairs["model"] == model) & (pairs["sample"] == sample)
        unseen = pairs["star_id"].map(predictions.set_index("star_id")["feh_predicted"])
        seen = own & unseen.notna()
        pairs["feh"] = pairs["feh"].mask(seen, unseen)
        pairs["stars"] = pairs["stars"].mask(seen, "out of fold")
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


def _combine_estimates(sample: str, keys: pd.Series, estimates: Sequence[Estimate]) -> pd.DataFrame:
    """Return each star's first value and its source, or why its first estimate has none."""
    combined = pd.DataFrame(index=keys, columns=[*_VALUES, "status"], dtype=object)
    combined["status"] = "no_model"
    for place, estimate in enumerate(estimates):
        table = estimate.table.set_index("star_id").reindex(keys)
        if "relation" not in table:
            table["relation"] = estimate.relation
        table["model"] = estimate.model
        table = table.reindex(columns=combined.columns).astype(object)
        valued = table["status"] == OK
        unfounded = valued & ~np.isfinite(table["feh"].astype(float))
        if unfounded.any():
            names = ", ".join(table.index[unfounded][:5])
            source = estimate.model or estimate.relation
            raise ValueError(f"sample {sample}: no finite [Fe/H] from {source} for: {names}")
        if place == 0:
            combined = table
        else:
            combined = combined.where((combined["status"] == OK) | ~valued, table)
    return combined.reset_index(drop=True)


def _first_not_ok(*statuses: pd.Series) -> pd.Series:
    """Return, star by star, the first status that is not ok, else ok."""
    first = statuses[0].astype(object)
    for status in statuses[1:]:
        first = first.where(first != OK, status.to_numpy(dtype=object))
    return first


def _with_plain_types(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the types that every file format keeps."""
    plain = {}
    for column in COLUMNS:
        if column in TEXT_COLUMNS:
            plain[column] = rows[column].astype(object).where(rows[column].notna(), "").astype(str)
        elif column == "n_epochs":
            plain[column] = rows[column].astype(float).fillna(0).astype(np.int32)
        else:
            plain[column] = rows[column].astype(float)
    return pd.DataFrame(plain)


def _to_astropy(catalogue: pd.DataFrame) -> Table:
    """Return the catalogue as an astropy table with units, descriptions and UCDs."""
    table = Table()
    for name in catalogue:
        values = catalogue[name]
        if name not in TEXT_COLUMNS:
            table[name] = values.to_numpy()
        else:
            # One byte a letter where that is enough: it is what most readers expect.
            table[name] = values.to_numpy(dtype="S" if values.map(str.isascii).all() else "U")
        column = describe(name)
        table[name].unit = column.unit or None
        table[name].description = column.description
        table[name].meta = {"ucd": column.ucd} if column.ucd else {}
    return table


def _write_votable(catalogue: pd.DataFrame, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a VOTable whose positions refer to the ICRS."""
    document = from_table(_to_astropy(catalogue), table_id=NAME)
    document.description = DESCRIPTION
    [resource] = document.resources
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    resource.infos.extend(Info(name=key, value=text) for key, text in sorted(metadata.items()))
    for field in resource.tables[0].fields:
        if field.name in ("ra", "dec"):
            field.ref = "icrs"
    writeto(document, str(path), tabledata_format="binary2")


def _write_fits(catalogue: pd.DataFrame, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a FITS binary table with TCOMM and TUCD cards as TOPCAT reads them."""
    # A FITS table holds ASCII text only; anything else is kept as an escape sequence.
    ascii_only = catalogue.assign(
        **{
            name: catalogue[name].map(
                lambda text: text.encode("ascii", "backslashreplace").decode()
            )
            for name in TEXT_COLUMNS
        }
    )
    table = _to_astropy(ascii_only)
    cards = [(table[name].description, table[name].meta.get("ucd")) for name in table.colnames]
    for name in table.colnames:
        table[name].description, table[name].meta = None, {}
    hdu = fits_format.table_to_hdu(table, name=NAME.upper())
    for number, (description, ucd) in enumerate(cards, start=1):
        hdu.header[f"TCOMM{number}"] = description
        if ucd:
            hdu.header[f"TUCD{number}"] = ucd
    hdu.header["RADESYS"] = "ICRS"
    hdu.header["COMMENT"] = DESCRIPTION
    for key, text in sorted(metadata.items()):
        hdu.header["COMMENT"] = f"{key}: {text}"
    fits_format.HDUList([fits_format.PrimaryHDU(), hdu]).writeto(path, output_verify="exception")
