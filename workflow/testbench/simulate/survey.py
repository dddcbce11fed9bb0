"""A simulated survey as a user may have one: own tables, in V, with spectroscopic [Fe/H]."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from metalyra.core.randomness import generator
from metalyra.core.tables import replace_when_complete
from testbench.simulate.pulsation import Star, draw_rrab, draw_rrc

_AMPLITUDE_OVER_G = 1.1
"""Amplitude of the V curves over those in G; they are else alike."""

_MAGNITUDES = (13.0, 16.5)
_EPOCHS = (100, 300)
_FIRST_NIGHT, _NIGHTS = 53_600, 2_900  # MJD
_NOISE_FLOOR, _NOISE_AT_16 = 0.02, 0.05  # mag
_OUTLIERS, _OUTLIER = 0.02, 0.3  # share, and scatter (mag)
_SPECTROSCOPIC_ERRORS = (0.08, 0.20)  # dex


class SimulatedSurvey(NamedTuple):
    """Tables of a user's own stars.

    Attributes
    ----------
    stars
        star_id, ra, dec (deg), period (d), pulsation_type, feh and feh_err (dex), NaN where
        there is no spectrum.
    light_curves
        star_id, time (MJD, d), mag, mag_err, one row an epoch.
    """

    stars: pd.DataFrame
    light_curves: pd.DataFrame


def simulate_survey(settings: Mapping[str, float], seed: int) -> SimulatedSurvey:
    """Simulate a survey in V of stars some of which have spectra.

    Parameters
    ----------
    settings
        `n_rrab` and `n_rrc` stars, the share `labelled` of which has spectra.
    seed
        Seed of the study. Each star is drawn on its own: more stars leave the others be.
    """
    rows, curves = [], []
    for kind, count in (("RRab", settings["n_rrab"]), ("RRc", settings["n_rrc"])):
        for number in range(int(count)):
            name = f"{kind.lower()}_{number + 1:04d}"
            random = generator(seed, "survey", name)
            magnitude = {"G": random.uniform(*_MAGNITUDES)}
            star = (draw_rrab if kind == "RRab" else draw_rrc)(random, magnitude)
            rows.append(_describe(star, name, settings["labelled"], random))
            curves.append(_observe(star, random).assign(star_id=name))
    light_curves = pd.concat(curves, ignore_index=True)
    return SimulatedSurvey(pd.DataFrame(rows), light_curves[["star_id", "time", "mag", "mag_err"]])


def write_survey(survey: SimulatedSurvey, stars: Path, light_curves: Path) -> None:
    """Write both tables as CSV, each complete or not at all."""
    with replace_when_complete(stars) as temporary:
        survey.stars.to_csv(temporary, index=False, float_format="%.8g")
    with replace_when_complete(light_curves) as temporary:
        survey.light_curves.round(5).to_csv(temporary, index=False)


def _describe(
    star: Star, name: str, labelled: float, random: np.random.Generator
) -> dict[str, object]:
    """Return the row of a star; its spectrum has an error that it is drawn with."""
    error = random.uniform(*_SPECTROSCOPIC_ERRORS)
    measured, has_spectrum = star.feh + random.normal(0, error), random.uniform() < labelled
    return {
        "star_id": name,
        "ra": random.uniform(0, 360),
        "dec": np.degrees(np.arcsin(random.uniform(-1, 1))),
        "period": star.period,
        "pulsation_type": star.pulsation_type,
        "feh": round(measured, 2) if has_spectrum else np.nan,
        "feh_err": round(error, 2) if has_spectrum else np.nan,
    }


def _observe(star: Star, random: np.random.Generator) -> pd.DataFrame:
    """Observe a star as a small telescope does: a few hundred epochs, noise, wrong points."""
    epochs = round(random.uniform(*_EPOCHS))
    nights = np.sort(random.choice(_NIGHTS, epochs, replace=False))
    time = _FIRST_NIGHT + nights + random.uniform(0.6, 1.0, epochs)
    curve = star.curves["G"]
    magnitude = curve.mean + _AMPLITUDE_OVER_G * (
        curve.magnitude(star.phase(time + 2_400_000.5)) - curve.mean
    )
    error = np.hypot(_NOISE_FLOOR, _NOISE_AT_16 * 10 ** (0.4 * (magnitude - 16)))
    wrong = random.uniform(size=epochs) < _OUTLIERS
    magnitude += error * random.standard_normal(epochs)
    magnitude += np.where(wrong, random.normal(0, _OUTLIER, epochs), 0.0)
    return pd.DataFrame({"time": time, "mag": magnitude, "mag_err": error})
