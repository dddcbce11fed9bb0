"""From light curves to metallicities, with an ensemble of any kind."""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.core.arrays import Floats
from metalyra.core.statuses import CUT, OK, describe_status
from metalyra.predict.stacks import predict_with_stack
from metalyra.predict.training_range import QUALITY, Judgement, judge_stars
from metalyra.predict.uncertainty import ErrorModel, total_errors
from metalyra.stack.stacking import further_bands
from metalyra.train.selection import Cuts, apply_cuts
from metalyra.train.sequences import make_sequences

if TYPE_CHECKING:
    pass

from metalyra.predict.cards import UNTRAINED, read_card
from metalyra.predict.networks import predict_metallicities
from metalyra.train.training_set import find_unseen, read_training_set


def predict_stars(
    model_directory: Path | str,
    fits: pd.DataFrame,
    folded: pd.DataFrame,
    *,
    cuts: Cuts | None = None,
    relation_scatter: float = np.nan,
    fit: Mapping[str, Any] | None = None,
    band: str | None = None,
    other_band: bool = False,
    sample: str = "the sample",
    others: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Predict [Fe/H] with a model of any kind, and say of each star what it is worth.

    Parameters
    ----------
    model_directory
        With card.json, the members and, where it is known, training_set.parquet.
    fits, folded
        Tables of the stars, aligned in any way; only those of status ok are predicted.
    cuts
        Lowest and highest value of the light curves that the model is applied to, by
        column of `fits`; by default those of the model's card: see `quality_cuts`.
    relation_scatter
        Scatter (dex) of spectroscopic metallicities about the relation of the labels.
    fit
        How the light curves of the sample were fitted; None to believe that it suits the
        model. See `check_fit`.
    band
        Band of the light curves; None to believe that it is the model's.
    other_band
        Whether a model for another band is applied all the same; the reason of the stars
        says so.
    sample
        Name of the sample, for messages.
    others
        Folded light curves in further bands, of `metalyra.fit.fold_other_bands`, for a model
        that reads several. The value of a star without points in one is of what its other
        bands tell of that one, which its reason says.

    Returns
    -------
    DataFrame
        A row for every row of `fits`, in its order. star_id; status and, where it is not
        ok, reason; feh, the mean of the members (dex), those excepted that were trained on
        the star; feh_err, its parts and the bounds of its intervals, see
        `metalyra.predict.uncertainty.total_errors`; feh_std, the standard deviation of all members
        with ddof 0; in_training; shape_distance and out_of_domain, see
        `metalyra.predict.training_range.Judgement`; member_0, member_1, ...: the [Fe/H] of
        each. A star that fails a cut or is unlike the training set keeps its value. A star's
        values are the same to the last bit whatever other stars are in the call. Of a model
        that was not trained, every star has the status no_model.

    Raises
    ------
    ValueError
        If band or fits do not suit the model, a cut names an unknown column, or the model
        reads further bands and there are no light curves in them.
    """
    card = read_card(model_directory)
    check_further_bands(card, others, sample)
    caveat = check_band(card, band or card["band"], other_band, sample)
    if fit is not None:
        check_fit(card, fit, sample)
    untrained = card.get("kind") == UNTRAINED
    if untrained:
        fits = fits.assign(status=fits["status"].mask(fits["status"] == OK, "no_model"))
    stars = fits[fits["status"] == OK].reset_index(drop=True)
    training = read_training_set(model_directory)
    if untrained:
        predictions = pd.DataFrame(index=stars.index)
    elif "stack" in card:
        predictions = predict_with_stack(model_directory, stars, folded, training, others)
    else:
        sequences = make_sequences(stars, folded, card["sequence"])
        predictions = predict_metallicities(model_directory, *sequences)
    spread = predictions.pop("spread").to_numpy() if "spread" in predictions else None
    columns = [f"member_{member}" for member in card["members"]]
    members = predictions[columns].to_numpy()
    unseen = find_unseen(stars["star_id"], card["members"], training)
    feh, deviation = _average(members)
    trained_on = ~unseen.all(axis=1)
    for row in np.flatnonzero(trained_on):
        feh[row] = members[row, unseen[row]].mean() if unseen[row].any() else np.nan
    known = card.get("calibration")
    error_model = ErrorModel(**known | {"quantiles": tuple(known["quantiles"])}) if known else None
    values = pd.concat(
        [
            pd.DataFrame({"star_id": stars["star_id"].astype(str), "feh": feh}),
            total_errors(feh, error_model, spread, relation_scatter),
            pd.DataFrame({"feh_std": deviation, "in_training": trained_on}),
            judge_predictions(stars, feh, card, cuts),
            predictions[columns],
        ],
        axis="columns",
    )
    table = fits[["star_id"]].astype(str).merge(values, "left", "star_id", validate="one_to_one")
    lacking = _find_lacking(table["star_id"], further_bands(card.get("stack", {})), others)
    caveats = ["; ".join(filter(None, (caveat, words))) for words in lacking]
    table = _explain(table, fits, caveats, card["provenance"]["note"] if untrained else "")
    return table.astype({"status": object, "reason": object}).assign(
        in_training=table["in_training"].fillna(False).astype(bool),
        out_of_domain=table["out_of_domain"].fillna(""),
    )


def _explain(
    table: pd.DataFrame, fits: pd.DataFrame, caveats: Sequence[str], untrained: str
) -> pd.DataFrame:
    """Return predictions with the statuses and reasons of the stars that have none.

    Parameters
    ----------
    table, fits
        Predictions and fits, row by row of the same stars.
    caveats
        Reasons of the stars if their status is ok.
    untrained
        Why the model was not trained; empty if it was.
    """
    unpredicted = (fits["status"] != OK).to_numpy()
    table.loc[unpredicted, "status"] = fits["status"].to_numpy()[unpredicted]
    said = fits["reason"] if "reason" in fits else pd.Series("", index=fits.index)
    table.loc[unpredicted, "reason"] = [
        reason or describe_status(status)
        for status, reason in zip(fits["status"][unpredicted], said[unpredicted], strict=True)
    ]
    said_of_ok = pd.Series(caveats, index=table.index, dtype=object)
    table["reason"] = table["reason"].where(table["status"] != OK, said_of_ok)
    if untrained:
        table["reason"] = table["reason"].mask(table["status"] == "no_model", untrained)
    return table


def _average(members: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (ddof 0), each (n,), of values (n, m) of members.

    They are added up one member after the other: NumPy adds those of a single star in
    another order, and so its last bit would differ from that of the same star among others.
    """
    number = members.shape[1]
    if not number:  # of a model that was not trained
        return np.full(len(members), np.nan), np.full(len(members), np.nan)
    mean = reduce(np.add, members.T) / number
    squares = ((column - mean) ** 2 for column in members.T)
    return mean, np.sqrt(reduce(np.add, squares) / number)


def judge_predictions(
    fits: pd.DataFrame, feh: np.ndarray, card: Mapping[str, Any], cuts: Cuts | None = None
) -> pd.DataFrame:
    """Say which predictions a model vouches for.

    Parameters
    ----------
    fits
        The fits table of n stars of status ok.
    feh : array, shape (n,)
        Their predicted [Fe/H] (dex).
    card
        Of the model.
    cuts
        Instead of the card's, see `quality_cuts`.

    Returns
    -------
    DataFrame
        status: ``prediction_failed``, ``cut:<column>``, ``unlike_training``,
        ``outside_training_range`` or ok, the first that applies; reason, in words, empty
        for ok; shape_distance and out_of_domain.
    """
    domain = card.get("domain")
    ranges = domain["ranges"] if domain else {}
    limit = domain["shapes"]["limit"] if domain and domain["shapes"] else np.nan
    cuts = quality_cuts(card) if cuts is None else cuts
    failed = apply_cuts(fits, cuts)
    if domain is None:
        judged = Judgement(
            np.full(len(fits), "", dtype=object),
            np.full(len(fits), np.nan),
            np.zeros(len(fits), dtype=bool),
        )
    else:
        judged = judge_stars(fits, domain)
    status = np.full(len(fits), OK, dtype=object)
    reason = np.full(len(fits), "", dtype=object)
    lost = ~np.isfinite(feh)
    suspect = lost | (failed != "") | judged.unlike | (judged.outside != "")
    for row in np.flatnonzero(suspect):
        star = fits.iloc[row]
        if lost[row]:
            status[row] = "prediction_failed"
            reason[row] = describe_status(status[row])
        elif column := failed[row]:
            status[row] = f"{CUT}{column}"
            reason[row] = f"{column} {star[column]:.4g} is not in {_interval(cuts[column])}"
        elif judged.unlike[row]:
            status[row] = "unlike_training"
            reason[row] = (
                f"the light curve's shape is {judged.distance[row]:.1f} standard deviations from "
                f"those of the training set (limit {limit:.1f})"
            )
        else:
            column = judged.outside[row]
            status[row] = "outside_training_range"
            reason[row] = (
                f"{column} {star[column]:.4g} is not in {_interval(ranges[column])} "
                "of the training set"
            )
    return pd.DataFrame(
        {
            "status": status,
            "reason": reason,
            "shape_distance": judged.distance,
            "out_of_domain": judged.outside,
        }
    )


def quality_cuts(card: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Return the cuts on light curves that a model is applied to, by column.

    For each column of `metalyra.predict.training_range.QUALITY`, the lower bound of the cut
    that its training set was selected by, else the smallest value in it.
    """
    cuts = dict((card.get("domain") or {}).get("quality", {}))
    for column, (low, _) in (card.get("cuts") or {}).items():
        if column in QUALITY:
            cuts[column] = [low, None]
    return cuts


def check_band(card: Mapping[str, Any], band: str, other_band: bool, sample: str) -> str:
    """Raise unless the light curves of a sample are in the band of a model.

    Returns
    -------
    str
        Where `other_band` allows a mismatch, what it is; else nothing.

    Raises
    ------
    ValueError
        If the bands differ.
    """
    if card["band"] == band:
        return ""
    what = f"the model {card['name']} is for band {card['band']}, the light curves are in {band}"
    if not other_band:
        raise ValueError(
            f"{what} (sample {sample}); take a model for {band}, or allow it with other_band: true"
        )
    return what


def check_further_bands(card: Mapping[str, Any], others: pd.DataFrame | None, sample: str) -> None:
    """Raise if a model reads several bands, and a sample has light curves in one alone.

    Raises
    ------
    ValueError
        If so.
    """
    bands = further_bands(card.get("stack", {}))
    if bands and others is None:
        raise ValueError(
            f"the model {card['name']} reads {', '.join(bands)} beside {card['band']}, and there "
            f"are no light curves of {sample} in them; give the sample shape_bands: "
            f"[{', '.join(bands)}], or take a model for {card['band']} alone"
        )


def _find_lacking(stars: pd.Series, bands: Sequence[str], others: pd.DataFrame | None) -> list[str]:
    """Say of each star in which of the bands it has no points, in words; nothing if in none."""
    if others is None or not bands:
        return [""] * len(stars)
    seen = {band: set(others.loc[others["band"] == band, "star_id"]) for band in bands}
    lacking = ([band for band in bands if star not in seen[band]] for star in stars)
    return [f"no points in {', '.join(names)}" if names else "" for names in lacking]


def check_fit(card: Mapping[str, Any], fit: Mapping[str, Any], sample: str) -> None:
    """Raise if the light curves of a sample were fitted in a way that a model does not know.

    Parameters
    ----------
    card
        Of the model, with the settings of the fit that it learnt from in `fit`.
    fit
        Those of the sample.
    sample
        Its name.

    Raises
    ------
    ValueError
        If the sequences of the model depend on a setting that differs. How the curves are
        aligned does not matter: they are turned.
    """
    if setting := find_other_setting(card, fit):
        known = json.dumps(card["fit"][setting])
        raise ValueError(
            f"the model {card['name']} has learnt from curves fitted with {setting}: {known}, "
            f"those of {sample} have {json.dumps(fit[setting])}; set "
            f"samples.{sample}.fit.{setting} to {known}, or train the model on such curves"
        )


def find_other_setting(card: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    """Return a setting of a fit that a model does not know so; nothing if there is none.

    Parameters are those of `check_fit`.
    """
    known = card.get("fit") or {}
    for setting in _READ_FROM_FIT.get(card.get("sequence", {}).get("recipe"), ()):
        if setting in known and known[setting] != fit.get(setting, known[setting]):
            return setting
    return ""


SEQUENCE_SETTINGS = ("kernel", "harmonics", "use_errors", "published")
"""Settings of the fit that the curve of the Gaussian process depends on."""

_READ_FROM_FIT: Mapping[str, tuple[str, ...]] = {"gp_curve": SEQUENCE_SETTINGS}
"""Settings of the fit that the sequences of a recipe depend on.

The other recipes and the stacks read the points themselves; which of them is said on the
model's card, in its sequence.
"""


def _interval(bounds: Sequence[float | None]) -> str:
    low, high = ("" if bound is None else f"{bound:.4g}" for bound in bounds)
    return f"[{low or '-inf'}, {high or 'inf'}]"
