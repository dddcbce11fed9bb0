"""The simulated sky: which stars there are, where, and what each survey has of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix

from metalyra.core.randomness import generator
from testbench.simulate.defects import (
    EXPECTED_STATUS,
    FEW_EPOCHS,
    NOISE_EPOCHS,
    SURVEY_DEFECTS,
    break_light_curve,
    break_period,
)
from testbench.simulate.observations import (
    OGLE_ZERO,
    gaia_noise,
    observe_gaia,
    observe_ogle,
    observe_vvv,
)
from testbench.simulate.pulsation import FourierCurve, Star, draw_rrab, draw_rrc

COPIES = 2
"""Stars of each defect in each survey."""

_POSITION_ERRORS = {"ogle": 0.0, "gaia_dr2": 0.02, "gaia_dr3": 0.02, "vvv": 0.08}
"""Scatter of the positions in each coordinate (arcsec); OGLE's are rounded to 0.1."""

_COMPANION_DISTANCE = 0.5
_HEALPIX = HEALPix(nside=2**12, order="nested")


@dataclass(frozen=True)
class Archive:
    """What one survey publishes.

    Attributes
    ----------
    stars
        The star table, with the archive's columns and conventions.
    light_curves
        Light curve by identifier; bytes where the file is broken, absent where it is.
    """

    stars: pd.DataFrame
    light_curves: Mapping[str, pd.DataFrame | bytes]


@dataclass(frozen=True)
class Sky:
    """The archives of a simulated sky and the truth about it.

    Attributes
    ----------
    archives
        Archive by survey: ``ogle``, ``gaia_dr2``, ``gaia_dr3`` and ``vvv``.
    truth
        One row for each row of each star table: `survey`, `star_id` (a repeated one with
        the suffix ``#2``), `star` (the same for all surveys), `feh_true` (dex), `period`
        (d), `pulsation_type`, `defect` (empty if sound) and `expected_status`.
    """

    archives: Mapping[str, Archive]
    truth: pd.DataFrame


@dataclass(frozen=True)
class _Plan:
    """A star to simulate.

    Attributes
    ----------
    name
        Key of the star's random draws.
    number
        Number in the identifiers of OGLE and VVV.
    pulsation_type
        RRab or RRc.
    in_bulge
        Whether it is a bulge star; else it is anywhere on the sky.
    defects
        Defect by survey that observes the star; empty if sound.
    beside
        Name of the star that it is a close companion of.
    """

    name: str
    number: int
    pulsation_type: str
    in_bulge: bool
    defects: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""


def simulate_sky(settings: Mapping[str, int], seed: int) -> Sky:
    """Simulate RR Lyrae stars and what OGLE, Gaia and VVV publish about them.

    Parameters
    ----------
    settings
        `n_rrab`: bulge RRab stars in OGLE I, Gaia DR2 G and VVV Ks. `n_rrab_field`: RRab
        stars in Gaia DR2 only. `n_rrc`: RRc stars in Gaia DR3, every tenth of them in OGLE
        too. `n_rrab_dr3`: if there, bulge RRab stars in OGLE I and Gaia DR3. Broken stars
        come on top.
    seed
        Seed of the study. Each star is drawn on its own: more stars leave the others be.
    """
    plans = list(_plan_stars(settings))
    stars = {plan.name: _draw_star(plan, seed) for plan in plans}
    positions = _draw_positions(plans, seed)
    rows: dict[str, list[dict[str, object]]] = {survey: [] for survey in SURVEY_DEFECTS}
    light_curves: dict[str, dict[str, pd.DataFrame | bytes]] = {name: {} for name in rows}
    truth: list[dict[str, object]] = []
    for plan in plans:
        star = stars[plan.name]
        for survey, defect in plan.defects.items():
            rng = generator(seed, "simulate", f"{plan.name}/{survey}")
            ra, dec = _observe_position(positions[plan.name], _POSITION_ERRORS[survey], rng)
            light_curve = break_light_curve(defect, _observe(star, survey, defect, rng), rng)
            row = _describe(plan, star, survey, ra, dec, rng)
            star_id = str(next(iter(row.values())))
            if light_curve is not None:
                light_curves[survey][star_id] = light_curve
            copies = 2 if defect == "duplicate_id" else 1
            rows[survey] += [row] * copies
            truth += [
                {
                    "survey": survey,
                    "star_id": star_id if copy == 0 else f"{star_id}#{copy + 1}",
                    "star": plan.name,
                    "feh_true": star.feh,
                    "period": star.period,
                    "pulsation_type": plan.pulsation_type,
                    "defect": defect,
                    "expected_status": "ok" if copy < copies - 1 else EXPECTED_STATUS[defect],
                }
                for copy in range(copies)
            ]
    archives = {
        survey: Archive(pd.DataFrame(rows[survey]), light_curves[survey]) for survey in rows
    }
    return Sky(archives, pd.DataFrame(truth))


def _plan_stars(settings: Mapping[str, int]) -> Iterator[_Plan]:
    """List the stars; the numbers of each kind begin anew, so that kinds can grow."""
    for i in range(1, settings["n_rrab"] + 1):
        yield _Plan(f"rrab/{i}", i, "RRab", True, {"ogle": "", "gaia_dr2": "", "vvv": ""})
    for i in range(1, settings["n_rrab_field"] + 1):
        yield _Plan(f"field/{i}", 20_000 + i, "RRab", False, {"gaia_dr2": ""})
    for i in range(1, settings["n_rrc"] + 1):
        surveys = {"gaia_dr3": ""} if i % 10 else {"gaia_dr3": "", "ogle": ""}
        yield _Plan(f"rrc/{i}", 30_000 + i, "RRc", "ogle" in surveys, surveys)
    for i in range(1, settings.get("n_rrab_dr3", 0) + 1):
        yield _Plan(f"rrab_dr3/{i}", 60_000 + i, "RRab", True, {"ogle": "", "gaia_dr3": ""})
    number = 40_000
    for survey, defects in SURVEY_DEFECTS.items():
        for defect in defects:
            for i in range(1, COPIES + 1):
                number += 1
                yield from _plan_broken(survey, defect, f"{survey}/{defect}/{i}", number)


def _plan_broken(survey: str, defect: str, name: str, number: int) -> Iterator[_Plan]:
    """List a broken star, with the sound OGLE stars that its match needs."""
    if survey == "gaia_dr3":
        yield _Plan(name, number, "RRc", False, {survey: defect})
        return
    matched = survey != "ogle" and defect != "no_match"
    counterpart = {"ogle": ""} if matched else {}
    yield _Plan(name, number, "RRab", True, {**counterpart, survey: defect})
    if defect == "ambiguous_match":
        companion = f"{name}/companion"
        yield _Plan(companion, number + 10_000, "RRab", True, {"ogle": ""}, beside=name)


def _draw_star(plan: _Plan, seed: int) -> Star:
    """Draw a star with its light curves."""
    rng = generator(seed, "simulate", f"{plan.name}/star")
    if plan.in_bulge:
        means = _draw_bulge_magnitudes(rng)
    else:
        # int_average_g of 971 RRc of gaia_dr3/vari_rrlyrae_subset.csv.gz: 16.9 +- 1.5.
        means = {"G": float(np.clip(rng.normal(16.9, 1.2), 13.0, 18.5))}
    if plan.pulsation_type == "RRc":
        return draw_rrc(rng, {band: means[band] for band in ("I", "G") if band in means})
    return draw_rrab(rng, means)


def _draw_bulge_magnitudes(rng: np.random.Generator) -> dict[str, float]:
    """Draw mean magnitudes behind a common distance and reddening.

    Chosen to give the medians of the real samples, I 16.4 (OGLE-IV bulge RRc), G 17.0
    (development set of Dékány & Grebel 2022) and Ks 14.7 (their targets), to 0.4 mag.
    """
    distance = rng.normal(14.65, 0.3)
    extinction = rng.uniform(0.1, 0.5)
    return {
        "I": float(distance + 0.15 + 4.0 * extinction),
        "G": float(distance + 0.60 + 5.5 * extinction),
        "Ks": float(distance - 0.40 + extinction),
    }


def _draw_positions(plans: list[_Plan], seed: int) -> dict[str, tuple[float, float]]:
    """Draw right ascensions and declinations (deg).

    Bulge stars scatter about the Galactic centre and avoid the plane, as those of
    ``ogle_ocvs/ogle4/blg/ident_edit.dat``; others are spread evenly over the sky.
    """
    galactic = np.empty((len(plans), 2))
    for row, plan in enumerate(plans):
        rng = generator(seed, "simulate", f"{plan.beside or plan.name}/position")
        if plan.in_bulge:
            side = rng.choice([-1, 1])
            galactic[row] = rng.normal(0, 4.0), side * (1.5 + abs(rng.normal(0, 2.8)))
        else:
            galactic[row] = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
    sky = SkyCoord(*galactic.T, unit="deg", frame="galactic").icrs
    declination = sky.dec.deg + [
        _COMPANION_DISTANCE / 3600 if plan.beside else 0.0 for plan in plans
    ]
    return {
        plan.name: (float(ra), float(dec))
        for plan, ra, dec in zip(plans, sky.ra.deg, declination, strict=True)
    }


def _observe_position(
    position: tuple[float, float], error: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return a position (deg) with an error (arcsec) in each coordinate."""
    ra, dec = position
    east, north = rng.normal(0, error / 3600, 2)
    return float((ra + east / np.cos(np.radians(dec))) % 360), float(dec + north)


def _observe(star: Star, survey: str, defect: str, rng: np.random.Generator) -> pd.DataFrame:
    """Return the star's light curve in a survey."""
    n_epochs = {"few_epochs": FEW_EPOCHS, "pure_noise": NOISE_EPOCHS}.get(defect)
    if survey == "ogle":
        return observe_ogle(star, rng, n_epochs)
    if survey == "vvv":
        return observe_vvv(star, rng, n_epochs)
    return observe_gaia(star, rng, survey, n_epochs)


def _describe(
    plan: _Plan, star: Star, survey: str, ra: float, dec: float, rng: np.random.Generator
) -> dict[str, object]:
    """Return the star's row in the star table of a survey, its identifier first."""
    period = break_period(plan.defects[survey], star.period)
    if survey == "ogle":
        return _describe_ogle(plan, star, ra, dec, period)
    if survey == "vvv":
        return {"id": f"v{plan.number:05d}", "ra": ra, "dec": dec}
    return _describe_gaia(plan, star, survey, ra, dec, period, rng)


def _describe_ogle(
    plan: _Plan, star: Star, ra: float, dec: float, period: float | str | None
) -> dict[str, object]:
    """Return the columns of OGLE's ident.dat and RRab.dat; the cosine series."""
    curve = star.curves["I"]
    cycles = np.ceil((OGLE_ZERO + 7000 - star.epoch) / star.period)
    maximum = star.epoch + (cycles + curve.brightest_phase()) * star.period - OGLE_ZERO
    return {
        "star_id": f"OGLE-BLG-RRLYR-{plan.number:05d}",
        "pulsation_type": plan.pulsation_type,
        "ra": ra,
        "dec": dec,
        "mean_mag": curve.mean,
        "period": period,
        "period_err": 1e-6,
        "time_of_maximum": maximum,
        "amplitude": curve.peak_to_peak(),
        **_cosine_parameters(curve),
    }


def _describe_gaia(
    plan: _Plan,
    star: Star,
    release: str,
    ra: float,
    dec: float,
    period: float | str | None,
    rng: np.random.Generator,
) -> dict[str, object]:
    """Return the columns of vari_rrlyrae, with its errors; the cosine series."""
    curve = star.curves["G"]
    cell = int(_HEALPIX.lonlat_to_healpix(ra * units.deg, dec * units.deg))
    # The mirror's median pf_error, 9e-6 d, would smear an RRc over a tenth of a cycle in DR3.
    period_error = 2e-6
    if isinstance(period, float):
        period += rng.normal(0, period_error) if period > 0 else 0.0
    fundamental = plan.pulsation_type == "RRab"
    wrong_type = plan.defects[release] == "wrong_pulsation_type"
    n_epochs = int(rng.integers(25, 60))
    amplitude_error = gaia_noise(curve) * np.sqrt(2 / n_epochs)
    parameters = _cosine_parameters(curve)
    for harmonic in (2, 3):
        error = amplitude_error / curve.amplitudes[harmonic - 1]
        ratio, phase = f"r{harmonic}1", f"phi{harmonic}1"
        parameters[ratio] += rng.normal(0, amplitude_error / curve.amplitudes[0])
        parameters[phase] = (parameters[phase] + rng.normal(0, error)) % (2 * np.pi)
        if error > 1 / 3:
            parameters[ratio] = parameters[phase] = np.nan
    return {
        "source_id": (cell << 35) | (int(rng.integers(1, 2**28)) << 7),
        "ra": ra,
        "dec": dec,
        "pf": period if fundamental else None,
        "pf_error": period_error if fundamental else None,
        "p1_o": None if fundamental else period,
        "peak_to_peak_g": curve.peak_to_peak(),
        "int_average_g": curve.mean,
        **{f"{name}_g": value for name, value in parameters.items()},
        "num_clean_epochs_g": n_epochs,
        "best_classification": "RRd" if wrong_type else plan.pulsation_type,
    }


def _cosine_parameters(curve: FourierCurve) -> dict[str, float]:
    """Return R21, R31, phi21 and phi31 of the cosine series, phases in [0, 2 pi).

    With A cos(x + c) = A sin(x + c + pi/2), phi21 grows by pi/2 and phi31 by pi.
    """
    return {
        "r21": curve.amplitude_ratio(2),
        "r31": curve.amplitude_ratio(3),
        "phi21": (curve.phase_difference(2, np.pi) + np.pi / 2) % (2 * np.pi),
        "phi31": (curve.phase_difference(3, np.pi) + np.pi) % (2 * np.pi),
    }
