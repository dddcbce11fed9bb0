"""The metallicities of stars: ``metalyra.predict``, and the models there are."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import pandas as pd

from metalyra.core.resources import RESOURCES
from metalyra.core.statuses import OK
from metalyra.fit.settings import FitSettings
from metalyra.interface.fits import SEED, StarFit, check_band, check_conventions, check_settings
from metalyra.interface.samples import Sample, fit_sample, read_sample, read_stars, sample_of
from metalyra.label.relations import read_relations, scatter_of
from metalyra.predict.cards import read_card
from metalyra.predict.prediction import SEQUENCE_SETTINGS, find_other_setting, predict_stars
from metalyra.predict.shipped import list_models, locate_model
from metalyra.products.catalogue import Estimate, append_given, make_sample_rows
from metalyra.train.selection import Cuts, join_archive, select_stars

DEFAULT_MODEL = "metalyra_g"
"""Model of a call that names none."""

Models = str | Path | Sequence[str | Path]


def models() -> pd.DataFrame:
    """List the models that come with the library.

    Returns
    -------
    pandas.DataFrame
        One row a model: its name, band, pulsation_type, relation (the scale of its [Fe/H]),
        n_stars it was trained on, rmse (dex) of stars it has not seen, folder, description.
    """
    return list_models()


@overload
def predict(stars: StarFit, *, model: Models = ..., **how: Any) -> StarFit: ...


@overload
def predict(
    stars: Any, light_curves: Any = ..., model: Models = ..., **how: Any
) -> pd.DataFrame: ...


def predict(
    stars: Any,
    light_curves: Any = None,
    model: Models = DEFAULT_MODEL,
    *,
    band: str | None = None,
    other_band: bool = False,
    cuts: Cuts | None = None,
    periods: str = "given",
    columns: Mapping[str, str] | None = None,
    time_scale: str | None = None,
    magnitude_zero_point: float | None = None,
    seed: int = SEED,
    **settings: Any,
) -> pd.DataFrame | StarFit:
    """Predict the metallicities of stars from their light curves.

    The numbers are those of the workflow's config/apply.yaml for the same stars and seed.

    Parameters
    ----------
    stars
        A table (pandas, astropy, a dictionary of columns) with star_id and period (d) and, if
        known, pulsation_type (else RRab), ra and dec (deg). Or what `metalyra.fit` returns,
        without light_curves.
    light_curves
        One long table with star_id, time (d), mag and, if known, mag_err and band; or a
        dictionary of light curves by star_id, each a table or a tuple (time, mag, mag_err).
        Fluxes are taken as `metalyra.fit` takes them. Or the path of what config/apply.yaml
        takes, a folder of tables or a long one.
    model
        Name of a shipped model, see `metalyra.models`, or the folder of any other. Of several,
        a star has the value of the first that vouches for it.
    band
        Photometric band of the light curves; of a table with several, the one to take. By
        default that which the data say, else the model's, and then reason says so.
    other_band
        Apply the model although it is for another band.
    cuts
        Lowest and highest value of the light curves that count as good enough, by column of
        the fits, instead of the model's own: ``{"snr": [10, None]}``.
    periods
        Where the periods come from: ``"given"``; ``"check"``, which replaces those that the
        light curves decisively contradict; or ``"find"``, which needs none.
    columns
        The tables' names of columns by ours, such as ``{"mag": "Imag"}``, of those that are
        not understood by themselves.
    time_scale
        What the times are and, for light travel times, what they shall become, such as
        ``"MJD UTC to BJD TDB"``.
    magnitude_zero_point
        Magnitude of a flux of 1.
    seed
        Of the random draws.
    **settings
        Of the fit, such as ``min_epochs=15``: the keys of `fit` in docs/configuration.md.

    Returns
    -------
    pandas.DataFrame
        A row for each row of stars, in their order. feh (dex), feh_err and what else
        docs/glossary.md explains; status and reason say why a star has no value, or one that
        the model does not vouch for.
        Of what `metalyra.fit` returned, the same star with its metallicity.

    Raises
    ------
    ValueError
        If the stars, light curves, model, band or a setting cannot be used: it says why.
    ModuleNotFoundError
        If the model is one of networks, and what runs them is not installed.
    """
    chosen = _read_models(model)
    of_model = str(next(iter(chosen.values()))["band"])
    wanted = check_band(band)
    _check_cuts(cuts)
    if isinstance(stars, StarFit):
        if light_curves is not None or settings:
            raise ValueError("the star is fitted: give it alone, or stars with light_curves")
        rows = _estimate(sample_of(stars, wanted, of_model), chosen, other_band, cuts)
        return stars.with_metallicity(rows.iloc[0])
    if light_curves is None:
        raise ValueError("the light curves are missing; give stars and light_curves")
    conventions = check_conventions(columns, time_scale, magnitude_zero_point)
    listed = read_stars(stars, conventions, periods)
    curves = read_sample(light_curves, listed, wanted, of_model, conventions)
    sample = fit_sample(curves, periods, check_settings(settings), seed)
    return _estimate(sample, chosen, other_band, cuts)


def choose_model(band: str, pulsation_type: str) -> str | None:
    """Return the shipped model for a band and type, the first of several; None if none is.

    An unknown band is taken for that of the default model.
    """
    table = models()
    taken = band or next(iter(table.loc[table["name"] == DEFAULT_MODEL, "band"]), "")
    suitable = (table["band"] == taken) & (table["pulsation_type"] == pulsation_type)
    return next(iter(table.loc[suitable, "name"]), None)


def _read_models(model: Models) -> dict[Path, dict[str, Any]]:
    """Return the cards of models by their folders.

    Raises
    ------
    ModuleNotFoundError
        If one has networks, and there is nothing to run them.
    """
    names = [model] if isinstance(model, str | Path) else list(model or [])
    if not names:
        raise ValueError("no model is named; metalyra.models() lists those that are shipped")
    cards = {folder: read_card(folder) for folder in map(locate_model, names)}
    for card in cards.values():
        has_networks = "stack" not in card or bool(card["stack"].get("published"))
        if has_networks and importlib.util.find_spec("keras") is None:
            raise ModuleNotFoundError(
                f"the model {card['name']} has networks, which need Keras and TensorFlow; "
                "pip install 'metalyra[networks]'"
            )
    return cards


def _estimate(
    sample: Sample,
    chosen: Mapping[Path, Mapping[str, Any]],
    other_band: bool,
    cuts: Cuts | None,
) -> pd.DataFrame:
    """Return the rows of the catalogue of a sample, by the rules of the workflow."""
    relations = read_relations(RESOURCES / "relations.yaml")
    estimates = []
    for folder, card in chosen.items():
        kind = card.get("pulsation_type") or "RRab"
        _check_use(card, sample, other_band)
        fits = select_stars(sample.fits, sample.stars, kind)
        predicted = predict_stars(
            folder,
            join_archive(fits, sample.stars),
            sample.folded,
            cuts=cuts,
            relation_scatter=scatter_of(relations, card["relation"], kind),
            band=sample.band,
            other_band=other_band,
        )
        estimates.append(Estimate(predicted, card["relation"], card["name"]))
    rows = make_sample_rows("", sample.band, sample.stars, sample.fits, estimates)
    caveats = [sample.caveats.get(name, "") for name in rows["star_id"]]
    rows["reason"] = [
        "; ".join(filter(None, (reason, caveat if status == OK else "")))
        for status, reason, caveat in zip(rows["status"], rows["reason"], caveats, strict=True)
    ]
    return append_given(rows.drop(columns="sample"), sample.stars)


def _check_cuts(cuts: Cuts | None) -> None:
    """Raise ValueError unless cuts are pairs of bounds by column."""
    if cuts is None:
        return
    pairs = cuts.values() if isinstance(cuts, Mapping) else [None]
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError(
            "cuts are the lowest and highest value by column, such as {'snr': [10, None]}"
        )


def _check_use(card: Mapping[str, Any], sample: Sample, other_band: bool) -> None:
    """Raise ValueError unless a model is for light curves in this band, fitted in this way."""
    if card["band"] != sample.band and not other_band:
        raise ValueError(
            f"the model {card['name']} is for {card['band']}, the light curves are in "
            f"{sample.band}; take a model for {sample.band} (metalyra.models() lists those that "
            "are shipped), or allow it with other_band=True"
        )
    settings = _complete(sample.settings)
    if setting := find_other_setting(card, settings):
        raise ValueError(
            f"the model {card['name']} has learnt from curves fitted with {setting}="
            f"{card['fit'][setting]!r}, these are fitted with {settings.get(setting)!r}; give "
            f"{setting}={card['fit'][setting]!r}"
        )


def _complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a fit that a model may depend on, with their defaults."""
    complete = FitSettings.from_config(settings)
    return {name: getattr(complete, name) for name in SEQUENCE_SETTINGS}
