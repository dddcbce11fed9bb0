"""The tables of Dékány & Grebel (2022)."""

import operator
from collections.abc import Mapping

import pandas as pd

from metalyra.core.statuses import CUT, restore_star_id
from metalyra.core.tables import BY, align_to
from metalyra.products.paper_tables.layouts import layout
from metalyra.train.evaluation import has_errors, measure_predictions

TABLE_5_COLUMNS = (
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_std",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "phase_coverage",
    "snr",
)

TABLE_4_COLUMNS = tuple(name for name in TABLE_5_COLUMNS if name not in ("ra", "dec"))

TABLE_1_COLUMNS = (
    "field",
    "star_id",
    "ra",
    "dec",
    "feh",
    "feh_err_light_curve",
    "mean_mag",
    "n_epochs",
    "period",
    "amplitude",
    "a1",
    "a2",
    "a3",
    "phi21",
    "phi31",
    "phase_coverage",
    "snr",
)

PUBLISHED_COLUMNS: Mapping[str, str] = {
    "mean_mag": "archive_mean_mag",
    "amplitude": "archive_amplitude",
    "snr": "archive_snr",
}
"""The columns of the inner-bulge star list that Table 5 repeats."""

Cuts = Mapping[str, tuple[float | None, float | None]]

TABLE_1_CUTS: Cuts = {
    "phase_coverage": (0.8, None),
    "amplitude": (None, 1.2),
    "snr": (50.0, None),
}
"""Smallest and largest value of the stars in Table 1, as its note gives them."""


TABLE_4_CUTS: Cuts = {
    "period": (0.28, 0.98),
    "amplitude": (None, 1.4),
    "phase_coverage": (0.85, None),
    "n_epochs": (20, None),
    "snr": (30.0, None),
}
"""Bounds that the target stars of the G-band model are within, and not on: Sec. 4.1, and for the
period the parameter file gfeh.par."""

FIELDS: Mapping[str, str] = {"BLG": "b", "GD": "d"}
"""Fields of the Galaxy in the designations of OGLE, and how Table 1 names them."""

TABLE_3_METRICS = ("r2", "wrmse", "wmae", "rmse", "mae", "medae", "d_js", "r2_d_js")
"""Metrics in the order of Table 3."""


@layout(
    "dg22_table5",
    of="predictions",
    title="Metallicities and light-curve attributes (Dekany & Grebel 2022, Table 5)",
    notes=(
        "feh and feh_std are mean and standard deviation of the predictions of an ensemble.",
        "mean_mag, amplitude and snr are those of the star list where it has them, for they are "
        "of the full light curves and not of binned ones.",
    ),
)
def dg22_table5(stars: pd.DataFrame, fits: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return Ks-band metallicities and attributes: Table 5 of Dékány & Grebel (2022).

    Mean magnitude, amplitude and S/N are those of the star list where it has them, for
    they were measured on the full light curves and not on the released binned ones.

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, predictions
        Fits and predictions of the same stars.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_5_COLUMNS`, one row per star of the list, except those that fail the
        cuts that the paper has for the model's targets (status ``cut:...``); a star
        without a prediction has NaN.
    """
    rows = _join(stars, fits, predictions)
    for column, published in PUBLISHED_COLUMNS.items():
        if published in stars:
            rows[column] = stars[published].reset_index(drop=True).fillna(rows[column])
    status = predictions.set_index("star_id")["status"].reindex(stars["star_id"])
    cut = status.str.startswith(CUT).to_numpy(dtype=bool)
    return rows.loc[~cut, list(TABLE_5_COLUMNS)].reset_index(drop=True)


@layout(
    "dg22_table1",
    of="labels",
    title="Photometric parameters and metallicities (Dekany & Grebel 2022, Table 1)",
    notes=(
        "Stars with a phase_coverage of at least 0.8, an amplitude of at most 1.2 mag and an snr "
        "of at least 50.",
        "Fourier parameters are of the sine series in magnitudes.",
    ),
)
def dg22_table1(
    stars: pd.DataFrame, fits: pd.DataFrame, labels: pd.DataFrame, cuts: Cuts = TABLE_1_CUTS
) -> pd.DataFrame:
    """Return I-band parameters and metallicities: Table 1 of Dékány & Grebel (2022).

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, labels
        Fits and metallicities of the same stars.
    cuts
        Smallest and largest allowed value by column, None where there is no limit.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_1_COLUMNS`: the stars with a metallicity that pass the cuts. The field is
        that of the star's name; without the column where no star is one of OGLE's.
    """
    rows = _join(stars, fits, labels)
    rows["field"] = name_fields(rows["star_id"])
    selected = rows["feh"].notna()
    for column, (smallest, largest) in cuts.items():
        if smallest is not None:
            selected &= rows[column] >= smallest
        if largest is not None:
            selected &= rows[column] <= largest
    columns = [name for name in TABLE_1_COLUMNS if name != "field" or rows["field"].notna().any()]
    return rows.loc[selected, columns].reset_index(drop=True)


@layout(
    "dg22_table4",
    of="predictions",
    title="G-band metallicities and light-curve attributes (Dekany & Grebel 2022, Table 4)",
    notes=(
        "Stars with a phase_coverage above 0.85, an snr above 30, more than 20 epochs, an "
        "amplitude below 1.4 mag and a period between 0.28 and 0.98 d.",
        "feh and feh_std are mean and standard deviation of the predictions of an ensemble; of a "
        "star that its members are known to be trained on, of those alone that have not seen it.",
    ),
)
def dg22_table4(
    stars: pd.DataFrame, fits: pd.DataFrame, predictions: pd.DataFrame, cuts: Cuts = TABLE_4_CUTS
) -> pd.DataFrame:
    """Return metallicities and attributes of target stars: Table 4 of Dékány & Grebel (2022).

    Parameters
    ----------
    stars
        Star list; its order is the order of the table.
    fits, predictions
        Fits and predictions of the same stars.
    cuts
        Lower and upper bound by column, None where there is none; a star on one is outside.

    Returns
    -------
    pandas.DataFrame
        Columns `TABLE_4_COLUMNS`: the stars with a metallicity within the cuts.
    """
    rows = _join(stars, fits, predictions)
    selected = rows["feh"].notna()
    for column, bounds in cuts.items():
        for bound, is_within in zip(bounds, (operator.gt, operator.lt), strict=True):
            if bound is not None:
                selected &= is_within(rows[column], bound).fillna(False).astype(bool)
    return rows.loc[selected, list(TABLE_4_COLUMNS)].reset_index(drop=True)


@layout(
    "dg22_table2",
    of="networks",
    title="Layers of the networks and their parameters (Dekany & Grebel 2022, Table 2)",
    notes=("The number of neurons is that of one direction of the network.",),
)
def dg22_table2(networks: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return the layers of networks side by side: Table 2 of Dékány & Grebel (2022).

    Parameters
    ----------
    networks
        By model its `layers`: see `metalyra.train.architecture.list_layers`.

    Returns
    -------
    pandas.DataFrame
        layer, and by model its settings and n_parameters: a row for each layer with settings
        or parameters of any model, in the order of the first that has it, and their total.
    """
    columns: dict[str, pd.Series] = {}
    order: dict[str, None] = {}
    for model, tables in networks.items():
        layers = tables["layers"].set_index("layer")
        said = layers[(layers["settings"] != "") | (layers["n_parameters"] > 0)]
        order |= dict.fromkeys(said.index)
        total = pd.Series({"total": layers["n_parameters"].sum()})
        columns[f"settings{BY}{model}"] = said["settings"]
        columns[f"n_parameters{BY}{model}"] = pd.concat([said["n_parameters"], total])
    rows = [*sorted(order, key=lambda layer: layer == "head"), "total"]
    table = pd.DataFrame({name: column.reindex(rows) for name, column in columns.items()})
    kinds = {name: "Int64" if name.startswith("n_parameters") else object for name in columns}
    return table.astype(kinds).rename_axis("layer").reset_index()


@layout(
    "dg22_table3",
    of="cross-validations",
    title="Performance in training and validation (Dekany & Grebel 2022, Table 3)",
    notes=(
        "All is measured on the predictions of all folds together, but r2, which is the mean over "
        "the folds. r2, wrmse and wmae are weighted by the inverse squared errors of the labels, "
        "and missing where these are not known; r2_unweighted is there for all.",
        "wrmse, wmae, rmse, mae and medae are in dex: (weighted) root mean squared, mean absolute "
        "and median absolute error; d_js is the Jensen-Shannon divergence of the distributions.",
        "A model's predictions for the stars that it was trained on are not known for all models.",
    ),
)
def dg22_table3(models: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return how well models do on known stars: Table 3 of Dékány & Grebel (2022).

    As in the paper (Sec. 3.3), metrics are measured on the union of the folds, but R2, which is
    the mean over them. R2, wRMSE and wMAE are weighted by the inverse squared errors of the
    labels: where a label has no error, they are missing, and R2 without weights stands alone.

    Parameters
    ----------
    models
        By model its predictions of `training` and `validation`, as far as they are known: see
        `metalyra.train.published.PREDICTED`.

    Returns
    -------
    pandas.DataFrame
        metric, and by model its values in training and validation: of `TABLE_3_METRICS`,
        r2_unweighted and n, the number of predictions.
    """
    table = pd.DataFrame({"metric": [*TABLE_3_METRICS, "r2_unweighted", "n"]})
    for model, parts in models.items():
        for part in ("training", "validation"):
            measured = measure_performance(parts[part]) if part in parts else {}
            table[f"{part}{BY}{model}"] = table["metric"].map(measured).astype(float)
    return table


def measure_performance(predictions: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of predictions of all folds as Table 3 has them; see `dg22_table3`."""
    unweighted = measure_predictions(predictions, weighted=False)
    measured = {name: unweighted[name] for name in ("rmse", "mae", "medae", "d_js", "n")}
    measured["r2_unweighted"] = _mean_r2(predictions, weighted=False)
    if has_errors(predictions):
        weighted = measure_predictions(predictions, weighted=True)
        measured |= {name: weighted[name] for name in ("wrmse", "wmae")}
        measured["r2"] = _mean_r2(predictions, weighted=True)
        if measured["d_js"] > 0:
            measured["r2_d_js"] = measured["r2"] / measured["d_js"]
    return measured


def _mean_r2(predictions: pd.DataFrame, *, weighted: bool) -> float:
    folds = [measure_predictions(stars, weighted)["r2"] for _, stars in predictions.groupby("fold")]
    return float(pd.Series(folds).mean())


def name_fields(star_id: pd.Series) -> pd.Series:
    """Return the field of stars by their designations, b or d; missing where they have none.

    Of OGLE-BLG-RRLYR-00001 it is b, the bulge; of OGLE-GD-RRLYR-00001 it is d, the disk.
    """
    return star_id.str.extract(r"^OGLE-([A-Z]+)-RRLYR-", expand=False).map(FIELDS)


def _join(stars: pd.DataFrame, fits: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Return listed, fitted and estimated columns in the order of the star list.

    A value that an estimate gives counts, also where the model does not vouch for it.
    """
    listed = stars.reset_index(drop=True)
    fitted = align_to(fits, listed)
    estimated = align_to(estimates, listed)
    values = [name for name in ("feh", "feh_std", "feh_err_light_curve") if name in estimated]
    rows = pd.concat(
        [
            listed[["ra", "dec"]],
            fitted.drop(columns="status"),
            estimated[values],
        ],
        axis="columns",
    )
    return rows.assign(
        star_id=restore_star_id(listed),
        period=fitted["period"].fillna(listed["period"]),
        n_epochs=fitted["n_epochs"].astype("Int64"),
    )
