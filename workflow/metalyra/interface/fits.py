"""The fit of one star: ``metalyra.fit``, and what it returns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from metalyra.core.statuses import OK, describe_status
from metalyra.core.tables import describe
from metalyra.fit.columns import AMPLITUDES
from metalyra.fit.fitting import fit_stars
from metalyra.fit.periods import find_periods
from metalyra.interface.light_curves import (
    find_bands,
    given_curves,
    name_star,
    read_one,
    take_curve,
)
from metalyra.surveys.bands import resolve_band
from metalyra.surveys.formats.given_curves import Conventions, make_conventions
from metalyra.surveys.formats.given_stars import normalise_type
from metalyra.surveys.formats.given_tables import strip_table_suffix
from metalyra.surveys.formats.star_tables import PULSATION_TYPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED = 42
"""Seed of the random draws, that of a study that names none."""

_PARAMETERS = (
    *("mean_mag", "amplitude", *(f"a{k}" for k in range(1, AMPLITUDES + 1))),
    *(f"phi{k}1" for k in range(2, AMPLITUDES + 1)),
)

_LONG_NAME = 12
_SHOWN = ("mean_mag", "amplitude", "a1", "a2", "phi21", "phi31")
"""Parameters that a summary has."""


@dataclass(frozen=True, eq=False)
class StarFit:
    """The light curve of one star, fitted; with its metallicity, if one was predicted.

    Attributes
    ----------
    star
        What the workflow's table of stars has of the star; of one whose period was found,
        also how probable it, and each type, is.
    band
        Of the measurements; empty if unknown.
    row
        What the workflow's table of fits has of the star: ``row["phi31"]``, also
        ``star["phi31"]``. docs/glossary.md says what the columns mean.
    light_curve
        The measurements, folded: phase, mag, mag_err, and kept, false for those that the fit
        rejected.
    metallicity
        What the workflow's catalogue has of the star, None before `metalyra.predict`.
    settings, seed
        Of the fit.
    time_scale
        Of the times, such as MJD TDB; empty if unknown.
    caveat
        What was assumed of the light curve, in words.
    left_out
        Number of measurements that do not count, by why.
    """

    star: pd.Series
    band: str
    row: pd.Series
    light_curve: pd.DataFrame
    settings: Mapping[str, Any]
    seed: int
    time_scale: str = ""
    caveat: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    metallicity: pd.Series | None = None

    def __getitem__(self, name: str) -> Any:
        """Return a column of the star's metallicity or fit, such as ``phi31_err``."""
        if self.metallicity is not None and name in self.metallicity:
            return self.metallicity[name]
        return self.row[name]

    @property
    def star_id(self) -> str:
        """Name of the star."""
        return str(self.star["star_id"])

    @property
    def pulsation_type(self) -> str:
        """RRab or RRc."""
        return str(self.star["pulsation_type"])

    @property
    def period(self) -> float:
        """Period (d) of the fit."""
        return float(self.row["period"])

    @property
    def status(self) -> str:
        """What became of the star: ok, or why there is no value, or no trust in it."""
        return str((self.row if self.metallicity is None else self.metallicity)["status"])

    @property
    def reason(self) -> str:
        """The status in words; a caveat of a star that is ok."""
        if self.metallicity is not None:
            return str(self.metallicity["reason"])
        if self.status == "no_light_curve":
            return _explain_nothing(self.left_out)
        return "" if self.status == OK else describe_status(self.status)

    @property
    def feh(self) -> float:
        """Metallicity [Fe/H] (dex); NaN if none was predicted."""
        return np.nan if self.metallicity is None else float(self.metallicity["feh"])

    @property
    def feh_err(self) -> float:
        """Total error of [Fe/H] (dex), half of its 68 % interval."""
        return np.nan if self.metallicity is None else float(self.metallicity["feh_err"])

    @property
    def parameters(self) -> pd.DataFrame:
        """Fourier parameters with columns value, error, unit; amplitudes are mag, phases rad.

        They are those of the sine series: see docs/glossary.md.
        """
        return pd.DataFrame(
            {
                "value": [self.row[name] for name in _PARAMETERS],
                "error": [self.row[f"{name}_err"] for name in _PARAMETERS],
                "unit": [describe(name).unit for name in _PARAMETERS],
            },
            index=pd.Index(_PARAMETERS, name="parameter"),
        )

    @property
    def curve(self) -> pd.DataFrame:
        """Mean of the Gaussian process at 100 equal phases: phase, mag, mag_err.

        No rows if the star could not be fitted.
        """
        if not isinstance(self.row["curve"], list | np.ndarray):
            return pd.DataFrame({"phase": [], "mag": [], "mag_err": []})
        curve = np.asarray(self.row["curve"], dtype=float)
        return pd.DataFrame(
            {
                "phase": np.arange(len(curve)) / len(curve),
                "mag": curve + self.row["mean_mag"],
                "mag_err": np.asarray(self.row["curve_err"], dtype=float),
            }
        )

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw two cycles of the star, from maximum light, with its fit.

        Parameters
        ----------
        axes
            Where; by default in a new figure of pyplot.

        Returns
        -------
        matplotlib.axes.Axes
            ``star.plot().figure.savefig("star.png")`` writes it.
        """
        from metalyra.products.figures.light_curves import draw_star, new_star_axes

        axes = new_star_axes() if axes is None else axes
        draw_star(axes, self.row, self.light_curve, self.band, self.title)
        return axes

    @property
    def title(self) -> str:
        """Name, type, period and metallicity in a line or two."""
        facts = [self.pulsation_type, f"$P$ = {self.period:.6g} d"]
        if np.isfinite(self.feh):
            facts.append(f"[Fe/H] = ${self.feh:.2f} \\pm {self.feh_err:.2f}$ dex")
        if self.status != OK:
            facts.append(self.status)
        # The source_id of Gaia has a line of its own.
        separator = ": " if len(self.star_id) < _LONG_NAME else "\n"
        return f"{self.star_id}{separator}{', '.join(facts)}"

    def save_figure(self, path: Path | str) -> None:
        """Draw the star into a PNG file."""
        from metalyra.products.figures.light_curves import draw_star_alone
        from metalyra.products.figures.style import save_figure

        figure = draw_star_alone(self.row, self.light_curve, self.band, self.title)
        save_figure(figure, path)

    def with_metallicity(self, metallicity: pd.Series) -> "StarFit":
        """Return the star with a metallicity."""
        return replace(self, metallicity=metallicity)

    def _summarise(self) -> list[tuple[str, str, str]]:
        """Return quantity, value with error, and unit of what a reader wants to know first."""
        lines = [("period", f"{self.period:.7g}", f"d{self._describe_search()}")]
        lines.append(("status", self.status, ""))
        if self.reason:
            lines.append(("note" if self.status == OK else "reason", self.reason, ""))
        if np.isfinite(self.feh):
            value = f"{self.feh:.2f} ± {self.feh_err:.2f}"
            source = self["model"] or self["relation"]
            lines.append(("[Fe/H]", value, f"dex ({source}, scale of {self['relation']})"))
            low, high = self["feh_low_95"], self["feh_high_95"]
            if np.isfinite([low, high]).all():
                lines.append(("95 %", f"{low:.2f} to {high:.2f}", "dex"))
        if np.isfinite(self.row["amplitude"]):
            lines.append(("n_epochs", str(self.row["n_epochs"]), ""))
            for name in _SHOWN:
                value, error = self.row[name], self.row[f"{name}_err"]
                lines.append((name, f"{value:.4f} ± {error:.4f}", describe(name).unit))
        if variation := _describe_variation(self.row):
            lines.append(("variation", variation, ""))
        if self.time_scale:
            lines.append(("times", self.time_scale, ""))
        if self.caveat and self.caveat not in self.reason:
            lines.append(("note", self.caveat, ""))
        return lines + [("left out", f"{n} {why}", "") for why, n in self.left_out.items()]

    def _describe_search(self) -> str:
        """Say how probable a period that was found is a wrong one."""
        if "period_false_alarm" not in self.star:
            return ""
        return f" (found; false-alarm probability {self.star['period_false_alarm']:.1g})"

    def __repr__(self) -> str:
        band = f", band {self.band}" if self.band else ""
        lines = [f"  {name:<10} {value} {unit}".rstrip() for name, value, unit in self._summarise()]
        return "\n".join([f"StarFit of {self.star_id}: {self.pulsation_type}{band}", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(f'{value} {unit}'.strip())}</td></tr>"
            for name, value, unit in self._summarise()
        )
        band = f", band {escape(self.band)}" if self.band else ""
        caption = f"{escape(self.star_id)}: {escape(self.pulsation_type)}{band}"
        return f"<table><caption>{caption}</caption>{rows}</table>"


def fit(
    time: Any,
    mag: Any = None,
    period: Any = None,
    mag_err: Any = None,
    *,
    pulsation_type: str | None = None,
    band: str | None = None,
    star_id: str | None = None,
    columns: Mapping[str, str] | None = None,
    magnitude_zero_point: float | None = None,
    seed: int = SEED,
    **settings: Any,
) -> StarFit:
    """Fit the light curve of one star: Fourier series, periodic Gaussian process, errors.

    The numbers are those of the workflow for a star of the same name, data and seed.

    Parameters
    ----------
    time : array, shape (n,)
        Times (d), dates, or a Time of astropy. Or a table with columns for time and mag or
        flux (of pandas or astropy, lightkurve's LightCurve, or a file): then name the rest,
        ``metalyra.fit(table, period=0.55)``.
    mag : array, shape (n,)
        Magnitudes. Fluxes with units of spectral flux density become AB magnitudes, others
        relative magnitudes, about that of the median flux.
    period
        Pulsation period (d), or a quantity of time. None to find it in the light curve; then
        ``star.star`` says how probable it is a wrong one.
    mag_err : array, shape (n,), or a number
        Errors of the magnitudes (mag), if known.
    pulsation_type
        RRab or RRc. By default RRab, or what the light curve says if its period is found.
    band
        Photometric band of the measurements; of a table with several, the one to fit.
    star_id
        Name of the star, from which its random draws follow; by default that which the table
        has, else "star".
    columns
        The table's names of columns by ours, such as ``{"mag": "Imag"}``, of those that are
        not understood by themselves.
    magnitude_zero_point
        Magnitude of a flux of 1.
    seed
        Of the random draws.
    **settings
        Of the fit, such as ``min_epochs=15``: the keys of `fit` in docs/configuration.md.

    Returns
    -------
    StarFit
        Its status and reason say whether the star could be fitted.

    Raises
    ------
    ValueError
        If what is given is no light curve, period, type or setting: it says what and where.
    """
    conventions = check_conventions(columns, None, magnitude_zero_point)
    table = take_curve(time, mag, mag_err)
    name = str(star_id or "") or name_star(table, conventions) or _label(time) or "star"
    given = given_curves(table, name, conventions)
    taken = choose_band(check_band(band), find_bands(given.tables, conventions))
    stars = pd.DataFrame(
        {
            "star_id": [name],
            "period": np.nan if period is None else read_period(period),
            "pulsation_type": check_type(pulsation_type or ("" if period is None else "RRab")),
            "status": OK,
        }
    )
    measured, curve, caveat = read_one(given, stars, taken, conventions)
    checked = check_settings(settings)
    measured = measured.assign(star_id=name, band=taken)
    if period is None:
        stars = find_periods(stars, measured, "find")
    elif not 0 < stars["period"].iloc[0] < np.inf:
        stars["status"] = "invalid_period"
    fits, folded = fit_stars(stars, measured, checked, seed)
    return StarFit(
        star=stars.iloc[0],
        band=taken,
        row=fits.iloc[0],
        light_curve=folded[["phase", "mag", "mag_err", "kept"]],
        settings=checked,
        seed=seed,
        time_scale=curve.time_scale or "",
        caveat=caveat,
        left_out=curve.left_out,
    )


def _describe_variation(row: pd.Series) -> str:
    """Say how the light curve of a star changes with time; nothing if it does not."""
    texts = {
        "period_change": f"its period changes by {row['period_change']:.2g} d/Myr",
        "modulation": f"it is modulated (Blazhko), every {row['modulation_period']:.3g} d",
    }
    return "; ".join(texts[name] for name in str(row["variation"] or "").split())


def _explain_nothing(left_out: Mapping[str, int]) -> str:
    """Say why no measurement of a star counts."""
    parts = ", ".join(f"{count} {why}" for why, count in left_out.items())
    return f"none of its {sum(left_out.values())} measurements counts: {parts}"


def _label(source: Any) -> str:
    """Return the name that a file or an object of lightkurve has."""
    if isinstance(source, str | Path):
        return strip_table_suffix(Path(source).name) or ""
    label = getattr(source, "label", None)
    return label if isinstance(label, str) else ""


def read_period(period: Any) -> float:
    """Return a period in days.

    Raises
    ------
    ValueError
        If it is no number.
    """
    try:
        if hasattr(period, "to_value"):
            return float(period.to_value("d"))
        if isinstance(period, str | int | float | np.number) and not isinstance(period, bool):
            return float(period)
    except (TypeError, ValueError):
        pass
    given = " ".join(str(period).split())
    raise ValueError(f"period {given[:60]!r} is not a number of days")


def check_type(pulsation_type: str) -> str:
    """Return the usual spelling of a pulsation type; of an unknown one, nothing.

    Raises
    ------
    ValueError
        If there are no models for its stars.
    """
    known = normalise_type(str(pulsation_type))
    if known and known not in PULSATION_TYPES:
        raise ValueError(
            f"pulsation_type {pulsation_type!r} is none of {', '.join(PULSATION_TYPES)}"
        )
    return known


def choose_band(wanted: str, found: Collection[str], of_model: str = "") -> str:
    """Return the band of which the measurements are taken.

    Parameters
    ----------
    wanted
        What the user says; nothing if they do not.
    found
        The bands that the data say they are in.
    of_model
        That of the model they are for.

    Returns
    -------
    str
        The band that is wanted, the only one there is, or the model's where it is one of
        several; nothing if nobody says.

    Raises
    ------
    ValueError
        If it cannot be told, or is not there.
    """
    names = ", ".join(found)
    if wanted and found and wanted not in found:
        raise ValueError(f"no measurement is in {wanted}; the light curves are in {names}")
    if wanted or len(found) < 2:
        return wanted or "".join(found)
    if of_model not in found:
        raise ValueError(f"the light curves are in {names}; say with band which one counts")
    return of_model


def check_band(band: str | None) -> str:
    """Return the one name of a band; nothing if the user does not say which it is.

    Raises
    ------
    ValueError
        If it is no name.
    """
    if band is not None and not isinstance(band, str):
        raise ValueError(f"band {band!r} is not the name of a band")
    return resolve_band(band or "")


def check_conventions(
    columns: Mapping[str, str] | None, time_scale: str | None, magnitude_zero_point: float | None
) -> Conventions:
    """Return how tables are understood.

    Raises
    ------
    ValueError
        If what the user says of them is of another kind.
    """
    if columns is not None and not isinstance(columns, Mapping):
        raise ValueError("columns are names by ours, such as {'mag': 'Imag'}")
    if not isinstance(magnitude_zero_point, int | float | np.number | None):
        raise ValueError(f"magnitude_zero_point {magnitude_zero_point!r} is not a number")
    return make_conventions(Conventions(), columns, time_scale, magnitude_zero_point)


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of the fit, checked as those of a study are.

    Raises
    ------
    ValueError
        If one does not exist or has a value that it may not have.
    """
    if not settings:
        return {}
    from pydantic import ValidationError

    from metalyra.study.messages import explain
    from metalyra.study.model import Fit

    try:
        return Fit.model_validate(dict(settings)).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, Fit, dict(settings)))) from None
