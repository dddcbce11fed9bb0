"""The columns of every table, with their units, and how tables reach the disk.

Tables are pandas data frames in memory and Parquet files on disk. The unit,
description and UCD of a column travel in the file's column metadata, so that FITS and
VOTable copies made from it are complete.
"""

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_numeric_dtype


@dataclass(frozen=True)
class Column:
    """What a column holds: unit (VOUnits), description and UCD1+."""

    unit: str
    description: str
    ucd: str = ""


COLUMNS: Mapping[str, Column] = {
    "sample": Column("", "Star list and band of the study", "meta.id"),
    "star_id": Column("", "Identifier of the star in its survey", "meta.id;meta.main"),
    "source_id": Column("", "Identifier of the source in its Gaia release, 0 if none", "meta.id"),
    "reference_id": Column("", "Matched star of the reference sample", "meta.id.cross"),
    "separation": Column("arcsec", "Distance to the matched star", "pos.angDistance"),
    "band": Column("", "Photometric band", "meta.id;instr.bandpass"),
    "ra": Column("deg", "Right ascension (ICRS)", "pos.eq.ra;meta.main"),
    "dec": Column("deg", "Declination (ICRS)", "pos.eq.dec;meta.main"),
    "pmra": Column(
        "mas/yr", "Proper motion in right ascension, times cos(dec)", "pos.pm;pos.eq.ra"
    ),
    "pmdec": Column("mas/yr", "Proper motion in declination", "pos.pm;pos.eq.dec"),
    "ref_epoch": Column("yr", "Epoch of the position (Julian year)", "time.epoch"),
    "position_from_cell": Column(
        "", "True if the position is the centre of a HEALPix cell", "meta.code"
    ),
    "epoch_flags": Column(
        "",
        "not_used where a study takes every transit, without the flags of the archive",
        "meta.code.qual",
    ),
    "period": Column("d", "Pulsation period", "time.period"),
    "period_err": Column("d", "Error of the period", "stat.error;time.period"),
    "pulsation_type": Column("", "RRab (fundamental mode) or RRc (first overtone)", "src.class"),
    "given_period": Column("d", "Period that the star list or match has", "time.period"),
    "period_status": Column(
        "", "found, or how the given period fared: given (kept), given_doubled, ...", "meta.code"
    ),
    "period_false_alarm": Column(
        "", "Probability that the period is not that of the star", "stat.probability"
    ),
    "period_bands": Column("", "Bands whose points have told the period", "instr.bandpass"),
    "blazhko_probability": Column(
        "", "Probability that the light curve is modulated (Blazhko effect)", "stat.probability"
    ),
    "type_status": Column("", "given, given_unlikely or classified pulsation type", "meta.code"),
    **{
        f"probability_{name}": Column(
            "", f"Probability that the star is {meaning}", "stat.probability"
        )
        for name, meaning in (
            ("rrab", "an RRab"),
            ("rrc", "an RRc"),
            ("rrd", "an RRd"),
            ("other", "no RR Lyrae"),
        )
    },
    "time": Column("d", "Time of observation, on the survey's own scale", "time.epoch"),
    "phase": Column("", "Pulsation phase in [0, 1), aligned", "time.phase"),
    "mag": Column("mag", "Magnitude", "phot.mag"),
    "mag_err": Column("mag", "Error of the magnitude", "stat.error;phot.mag"),
    "zp_err": Column("mag", "Error of the photometric zero point", "stat.error;phot.mag"),
    "kept": Column("", "False for a point rejected by the fit", "meta.code.qual"),
    "n_epochs": Column("", "Number of epochs kept by the fit", "meta.number;obs"),
    "mean_mag": Column("mag", "Mean magnitude of the light-curve model", "phot.mag;stat.mean"),
    "amplitude": Column("mag", "Peak-to-valley amplitude of the GP mean", "src.var.amplitude"),
    "phase_coverage": Column("", "1 - largest gap in phase", "obs.param"),
    "phase_coverage_2p": Column("", "1 - largest gap in phase at twice the period", "obs.param"),
    "snr": Column("", "amplitude * sqrt(n_epochs) / rms residual", "stat.snr"),
    "sigma": Column("mag", "Standard deviation of the residuals", "stat.stdev;phot.mag"),
    "epoch": Column("d", "Time of phase 0 before the shift", "time.epoch"),
    "phase_shift": Column("", "Phase added to align the light curve", "time.phase"),
    "alignment": Column(
        "",
        "What is at phase 0 of the curve: phi1 (first harmonic's zero) or maximum (light)",
        "meta.note",
    ),
    "phase_of_maximum": Column(
        "",
        "Phase of maximum light: at the archive's epoch if known, else of the GP mean",
        "time.phase",
    ),
    "mean_mag_err": Column("mag", "Error of the mean magnitude", "stat.error;phot.mag"),
    "amplitude_err": Column("mag", "Error of the amplitude", "stat.error;phot.mag"),
    "cov_a1_a2": Column("mag2", "Covariance of A_1 and A_2", "stat.covariance"),
    "cov_a1_phi31": Column("mag.rad", "Covariance of A_1 and phi31", "stat.covariance"),
    "cov_a2_phi31": Column("mag.rad", "Covariance of A_2 and phi31", "stat.covariance"),
    "fourier_order": Column("", "Order chosen by cross-validation", "meta.number"),
    "cost": Column("mag2", "Huber cost of the Fourier fit", "stat.fit.param"),
    "minmax": Column("mag", "Range of the kept magnitudes", "phot.mag;arith.diff"),
    "aperture": Column("", "Aperture (1-based) with the highest S/N", "instr.setup"),
    "gp_length_scale": Column("", "Length scale of the GP kernel, in phase", "stat.param"),
    "gp_amplitude": Column("mag", "Standard deviation of the GP kernel", "stat.param"),
    "gp_noise": Column("mag", "White noise of the GP", "stat.stdev;phot.mag"),
    "gp_log_likelihood": Column("", "Log marginal likelihood of the GP", "stat.likelihood"),
    "gp_log_bayes_factor": Column(
        "", "Log evidence of a periodic curve over a constant magnitude", "stat.likelihood"
    ),
    "gp_converged": Column("", "True if the GP's optimisation converged", "meta.code.qual"),
    "period_change": Column(
        "", "Change of the period with time (d / Myr)", "arith.rate;time.period"
    ),
    "period_change_err": Column("", "Error of the change of the period (d / Myr)", "stat.error"),
    "modulation_period": Column("d", "Period of the strongest modulation (Blazhko)", "time.period"),
    "modulation_amplitude": Column("", "Modulation of the amplitude, relative to it", "stat.value"),
    "modulation_phase": Column("", "Modulation of the phase (cycles)", "time.phase"),
    "modulation_false_alarm": Column(
        "", "Probability that noise looks like a modulation", "stat.probability"
    ),
    "variation": Column("", "What changes significantly: period_change, modulation", "meta.code"),
    "curve": Column("mag", "GP mean minus mean magnitude at 100 equal phases", "phot.mag"),
    "curve_err": Column("mag", "Error of the GP mean at those phases", "stat.error;phot.mag"),
    "relation": Column("", "Metallicity relation of the label", "meta.note"),
    "model": Column("", "Ensemble that predicted the metallicity", "meta.note"),
    "feh": Column("", "Metallicity [Fe/H] (dex)", "phys.abund.Fe"),
    "feh_err": Column(
        "", "Total error of [Fe/H] (dex), half of its 68 % interval", "stat.error;phys.abund.Fe"
    ),
    "feh_err_light_curve": Column(
        "", "Part of the error of [Fe/H] from the light curve (dex)", "stat.error;phys.abund.Fe"
    ),
    "feh_err_model": Column(
        "", "Part of the error of [Fe/H] from the model (dex)", "stat.error;phys.abund.Fe"
    ),
    "feh_err_relation": Column(
        "",
        "Part of the error of [Fe/H] from the relation (dex)",
        "stat.error;phys.abund.Fe",
    ),
    "training_err": Column(
        "",
        "Error of [Fe/H] by which a label is cut and weighted in a training (dex)",
        "stat.error;phys.abund.Fe",
    ),
    "label_phi31_err": Column(
        "rad",
        "Error of the phi_31 that a label was made of, the archive's or our own",
        "stat.error",
    ),
    **{
        f"feh_{side}_{level}": Column(
            "",
            f"{'Lower' if side == 'low' else 'Upper'} bound of the {level} % interval of "
            "[Fe/H] (dex)",
            f"phys.abund.Fe;stat.{'min' if side == 'low' else 'max'}",
        )
        for level in (68, 95)
        for side in ("low", "high")
    },
    "feh_std": Column(
        "", "Standard deviation of the ensemble's [Fe/H] (dex)", "stat.stdev;phys.abund.Fe"
    ),
    "in_training": Column("", "True if the model was trained on the star", "meta.code"),
    "shape_distance": Column(
        "", "Distance of the shape from the training set (std. dev.)", "stat.value"
    ),
    "out_of_domain": Column(
        "", "Quantity in which the star is outside the training set", "meta.code.qual"
    ),
    "field": Column("", "Field of OGLE: b, the bulge, or d, the disk", "meta.id;obs.field"),
    "layer": Column("", "Layer of a network, from the light curve to [Fe/H]", "meta.id"),
    "settings": Column("", "Hyper-parameters of the layer", "meta.note"),
    "n_parameters": Column("", "Number of parameters that the layer learns", "meta.number"),
    "metric": Column("", "What is measured of predicted against true [Fe/H]", "meta.id"),
    "training": Column(
        "", "The metric on the stars that the members were trained on", "stat.fit.goodness"
    ),
    "validation": Column(
        "", "The metric on the stars that the members were not trained on", "stat.fit.goodness"
    ),
    "preferred": Column("", "True for the estimate that the catalogue has", "meta.code"),
    "feh_predicted_err": Column(
        "",
        "Calibrated error of the predicted [Fe/H] with respect to the label (dex)",
        "stat.error;phys.abund.Fe",
    ),
    "feh_half_width_68": Column(
        "", "Half width of the 68 % interval of [Fe/H] (dex)", "stat.error"
    ),
    "feh_half_width_95": Column(
        "", "Half width of the 95 % interval of [Fe/H] (dex)", "stat.error"
    ),
    "n_spectra": Column("", "Number of spectra whose mean the published [Fe/H] is", "meta.number"),
    "in_calibration": Column(
        "", "True if a relation of the comparison was calibrated on the star", "meta.code"
    ),
    "n_papers": Column("", "Number of papers whose mean the [Fe/H] is", "meta.number"),
    "papers": Column("", "Papers that the [Fe/H] is from", "meta.bib"),
    "reference_feh": Column("", "[Fe/H] that a star is compared with (dex)", "phys.abund.Fe"),
    "reference_feh_err": Column("", "Its error (dex)", "stat.error;phys.abund.Fe"),
    "difference": Column(
        "", "[Fe/H] minus that it is compared with (dex)", "phys.abund.Fe;arith.diff"
    ),
    "deviation": Column(
        "", "The difference in units of both errors, added in quadrature", "stat.value"
    ),
    "feh_true": Column("", "Simulated [Fe/H] (dex)", "phys.abund.Fe"),
    "fold": Column("", "Cross-validation fold, -1 if none", "meta.number"),
    "status": Column("", "ok, or why there is no value, or no trust in it", "meta.code.status"),
    "reason": Column("", "The status in words; a caveat of a star that is ok", "meta.note"),
}
"""Columns with fixed meanings; Fourier columns are described by `describe`."""


GIVEN = "given_"
"""Prefix of the columns of a user's star list that pass through."""

BY = "_by_"
"""Between a column of the estimates and the model or relation whose value it has."""


def describe(name: str) -> Column:
    """Return the meaning of a column; a plain one for survey columns."""
    if name.startswith(GIVEN) and name not in COLUMNS:
        return Column("", f"As the star list has it: {name.removeprefix(GIVEN)}")
    if name.startswith("archive_"):
        own = describe(name.removeprefix("archive_"))
        return Column(own.unit, f"As the archive or paper has it: {own.description}", own.ucd)
    if name in COLUMNS:
        return COLUMNS[name]
    column, separator, source = name.partition(BY)
    if separator and column in COLUMNS:
        own = COLUMNS[column]
        return Column(own.unit, f"By {source}: {own.description}", own.ucd)
    if name.endswith("_err") and name.removesuffix("_err") in _FOURIER:
        parameter = _FOURIER[name.removesuffix("_err")]
        return Column(parameter.unit, f"Error of: {parameter.description}", "stat.error")
    if name in _FOURIER:
        return _FOURIER[name]
    if name.startswith("member_"):
        return Column("", f"[Fe/H] (dex) of ensemble {name.replace('_', ' ')}", "phys.abund.Fe")
    return Column("", name.replace("_", " "))


_FOURIER: Mapping[str, Column] = {
    **{f"a{k}": Column("mag", f"Fourier amplitude A_{k}", "stat.fourier") for k in range(1, 10)},
    **{f"phi{k}": Column("rad", f"Fourier phase phi_{k}", "stat.fourier") for k in range(1, 10)},
    **{f"r{k}1": Column("", f"A_{k} / A_1", "stat.fourier") for k in range(2, 10)},
    **{
        f"phi{k}1": Column("rad", f"phi_{k} - {k} phi_1 (sine series)", "stat.fourier")
        for k in range(2, 10)
    },
}


@contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` and rename it to `path` on success.

    Nothing half-written is ever under the final name; on an error the temporary file
    is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_arrow(table: pd.DataFrame, metadata: Mapping[str, str] | None = None) -> pa.Table:
    """Return the Arrow table with the columns' units, descriptions and UCDs attached."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    fields = []
    for field in arrow.schema:
        column = describe(field.name)
        parts = {"unit": column.unit, "description": column.description, "ucd": column.ucd}
        fields.append(field.with_metadata({key: text for key, text in parts.items() if text}))
    return arrow.cast(pa.schema(fields, metadata=dict(metadata or {})))


def write_table(
    table: pd.DataFrame, path: Path | str, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a table as Parquet, complete or not at all; `metadata` describes the table."""
    with replace_when_complete(Path(path)) as temporary:
        pq.write_table(to_arrow(table, metadata), temporary)


def read_table(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table: the given columns, or all."""
    table: pd.DataFrame = pq.ParquetFile(path).read(columns).to_pandas()
    return table


def read_metadata(path: Path | str) -> dict[str, str]:
    """Return what describes a Parquet table as a whole."""
    metadata = pq.read_schema(path).metadata or {}
    return {key.decode(): text.decode() for key, text in metadata.items()}


def read_tables(
    paths: list[Path | str],
    columns: list[str] | None = None,
    *,
    star_ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """Read the chunks of a table as one, sorted by star so that chunking leaves no trace.

    Of the given columns, or of all; `star_id` is one of them. Of the given stars, or of all:
    no more than they and one chunk are held in memory.
    """
    tables = (read_table(path, columns) for path in paths)
    if star_ids is not None:
        tables = (table[table["star_id"].isin(star_ids)] for table in tables)
    table = pd.concat(list(tables), ignore_index=True)
    return table.sort_values("star_id", kind="stable", ignore_index=True)


def list_columns(path: Path | str) -> list[str]:
    """Return the columns of a Parquet table that hold a value a row: not the curves of fits."""
    return [field.name for field in pq.read_schema(path) if not pa.types.is_nested(field.type)]


def order_as(table: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of stars in the order of a list that has the same stars.

    Raises
    ------
    ValueError
        If the list has a star that the table does not have.
    """
    lacking = listed["star_id"][~listed["star_id"].isin(table["star_id"])]
    if len(lacking):
        raise ValueError(
            f"{len(lacking)} of {len(listed)} listed stars ({', '.join(lacking[:3])}"
            f"{', ...' if len(lacking) > 3 else ''}) have no row in the table that is to have all "
            "of them: it was made for another list of stars; make it again (of a study with the "
            "option --forcerun ingest_<sample>)"
        )
    return table.set_index("star_id").loc[listed["star_id"]].reset_index()


def align_to(table: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table beside those of a list of stars, without their `star_id`.

    Values of a star that the table does not have are missing.
    """
    return table.set_index("star_id").reindex(listed["star_id"]).reset_index(drop=True)


def read_rows(paths: list[Path | str], star_ids: list[str]) -> pd.DataFrame:
    """Read the rows of some stars from the chunks of a table."""
    chosen = [("star_id", "in", star_ids)] if star_ids else [("star_id", "==", "")]
    tables: list[pd.DataFrame] = []
    for path in paths:
        # The identifiers of a chunk without stars have no type to be compared with.
        empty = pq.read_metadata(path).num_rows == 0
        tables.append(pq.read_table(path, filters=None if empty else chosen).to_pandas())
    return pd.concat(tables, ignore_index=True)


def write_csv(table: pd.DataFrame, path: Path | str, float_format: str | None = "%.4f") -> None:
    """Write a table as CSV, complete or not at all, without a formula in it.

    All CSV files of a study's products are written here, and so no name of a star or column
    is anything but text to a spreadsheet.

    Parameters
    ----------
    table
        The table; see `quote_formulas` for its texts.
    path
        Of the file.
    float_format
        Of the numbers; all their digits if None.
    """
    safe = quote_formulas(table)
    texts = [values for _, values in safe.items() if not is_numeric_dtype(values)]
    # The writer of CSV leaves a carriage return bare, where readers see the end of a row.
    breaks = any(values.astype(str).str.contains("\r", regex=False).any() for values in texts)
    with replace_when_complete(Path(path)) as temporary:
        safe.to_csv(
            temporary,
            index=False,
            lineterminator="\n",
            encoding="utf-8",
            float_format=float_format,
            quoting=csv.QUOTE_NONNUMERIC if breaks else csv.QUOTE_MINIMAL,
        )


_FORMULA = re.compile(r"'*[=+\-@\t\r].", re.DOTALL)


def quote_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas.

    A text that begins with ``=``, ``+``, ``-``, ``@``, a tabulator or a carriage return has an
    apostrophe before it, unless it is a number or that letter alone; and so has one that begins
    with apostrophes before such a letter. A program has the text again without the first
    apostrophe.
    """
    quoted = {
        name: values.map(_quote_formula, na_action="ignore")
        for name, values in table.items()
        if not is_numeric_dtype(values) and values.astype(str).str.match(_FORMULA).any()
    }
    return table.assign(**{str(name): values for name, values in quoted.items()}).rename(
        columns=_quote_formula
    )


def _quote_formula(value: Any) -> Any:
    """Return a text with an apostrophe before it if it would be a formula, else the value."""
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
