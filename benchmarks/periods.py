"""Periods found in real light curves, against catalogued ones, and the types of the stars.

The constants of the search were chosen on a random half of the Gaia DR3 stars, and the
populations learnt without any of them; here is the other half, and whole other surveys.
Stars that are no RR Lyrae stars are not in the mirror: they are simulated at the epochs of
those that are, RRd stars with the periods and amplitudes of OGLE's.

Run with ``OMP_NUM_THREADS=1 PYTHONPATH=workflow python -m benchmarks.periods``. With
``--bands`` it is measured instead what BP and RP bring where G has few transits.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_light_curves import find_mirror, read_asas, read_gaia_dr3, read_ogle
from metalyra.fit import find_periods, fit_stars

TOLERANCE = 1e-4
"""Relative difference up to which a period is that of the catalogue."""

ENOUGH = 30  # epochs
FEW = (10, 12, 16, 20)
"""Transits that are left of stars of many, to see what further bands bring."""

FEW_STARS = 60

EPOCHS = (0, 25, 30, 40, 50, 1000)


def held_out(stars: pd.DataFrame) -> np.ndarray:
    """Say which stars were not looked at when the constants were chosen."""
    return np.random.default_rng(0).random(len(stars)) >= 0.5


def search(
    stars: pd.DataFrame,
    light_curves: pd.DataFrame,
    mode: str = "find",
    others: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what is found of stars whose period and type are forgotten."""
    stars = stars.reset_index(drop=True)
    forgotten = stars.assign(pulsation_type="")
    if mode == "find":
        forgotten["period"] = np.nan
    own = light_curves[light_curves["star_id"].isin(stars["star_id"])]
    start = time.process_time()
    found = find_periods(forgotten, own, mode, others)
    found["seconds"] = (time.process_time() - start) / len(stars)
    found["true_type"] = stars["pulsation_type"]
    epochs = own.groupby("star_id").size()
    found["epochs"] = epochs.reindex(found["star_id"]).fillna(0).astype(int).to_numpy()
    return found


def judge(found: pd.DataFrame, period: pd.Series) -> pd.DataFrame:
    """Add whether the period is right, wrong, or said to be unknown."""
    right = np.abs(found["period"] / period.to_numpy() - 1) <= TOLERANCE
    given = found["status"] != "period_not_found"
    return found.assign(right=right & given, unknown=~given, wrong=~right & given)


def tell(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}")
    for kind, rows in table.groupby("true_type"):
        shares = rows[["right", "wrong", "unknown"]].mean() * 100
        print(
            f"  {kind:5s} {len(rows):5d} stars: right {shares['right']:5.1f} %, "
            f"wrong {shares['wrong']:4.1f} %, not found {shares['unknown']:4.1f} %"
        )


def tell_by_epochs(table: pd.DataFrame) -> None:
    for kind, rows in table.groupby("true_type"):
        for _, part in rows.groupby(pd.cut(rows["epochs"], EPOCHS, right=False), observed=True):
            low, high = part["epochs"].min(), part["epochs"].max()
            print(
                f"  {kind:5s} {low:3d} to {high:3d} epochs: {len(part):4d} stars, "
                f"right {part['right'].mean() * 100:5.1f} %, wrong {part['wrong'].sum():3d}"
            )


def simulate_others(
    mirror: Path, light_curves: pd.DataFrame, number: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars of other kinds, and noise, at real epochs and with real errors."""
    rng = np.random.default_rng(5)
    curves = dict(list(light_curves.groupby("star_id")))
    names = [name for name in sorted(curves) if len(curves[name]) >= ENOUGH]
    modes = read_double_modes(mirror)
    parts, rows = [], []
    for kind in ("RRd", "eclipsing", "contact", "sinusoid", "shuffled"):
        for number_of_star in range(number):
            curve = curves[names[rng.integers(len(names))]].copy()
            days = curve["time"].to_numpy() - curve["time"].min()
            error = np.maximum(curve["mag_err"].fillna(0.01).to_numpy(), 0.01)
            if kind == "shuffled":
                mag = rng.permutation(curve["mag"].to_numpy())
            else:
                mag = 16 + simulate(kind, days, modes, rng) + error * rng.standard_normal(len(days))
            star_id = f"{kind}_{number_of_star}"
            parts.append(curve.assign(star_id=star_id, mag=mag))
            rows.append({"star_id": star_id, "pulsation_type": kind, "period": np.nan})
    return pd.DataFrame(rows).assign(status="ok"), pd.concat(parts, ignore_index=True)


def read_double_modes(mirror: Path) -> pd.DataFrame:
    """Return periods (d), amplitudes (mag) and R21 of the two modes of OGLE's RRd stars."""
    rows = []
    for name in ("blg", "gd"):
        for line in (mirror / f"ogle_ocvs/ogle4/{name}/RRd.dat").read_text().splitlines():
            cells = line[22:].split()
            rows.append([cells[2], cells[5], cells[6], cells[-8], cells[-5]])
    names = ["overtone", "overtone_amplitude", "overtone_r21", "fundamental", "amplitude"]
    return pd.DataFrame(rows, columns=names).apply(pd.to_numeric, errors="coerce").dropna()


def simulate(
    kind: str, days: np.ndarray, modes: pd.DataFrame, rng: np.random.Generator
) -> np.ndarray:
    """Return the magnitudes of a star of a kind, of mean about 0."""
    start = rng.random()
    period = 10 ** rng.uniform(np.log10(0.22), np.log10(0.9))
    amplitude = rng.uniform(0.15, 0.5)
    phase = days / period + start
    if kind == "sinusoid":
        return amplitude / 2 * np.sin(2 * np.pi * phase)
    if kind == "contact":  # with the period of the orbit
        unequal = 0.06 * amplitude * np.cos(2 * np.pi * phase)
        return amplitude * (0.5 - np.abs(np.sin(2 * np.pi * phase))) + unequal
    if kind == "eclipsing":
        width = rng.uniform(0.03, 0.07)
        distance = np.abs((phase[:, None] - np.array([0.25, 0.75]) + 0.5) % 1 - 0.5)
        depths = amplitude * np.array([1.0, rng.uniform(0.4, 0.9)])
        return np.exp(-0.5 * (distance / width) ** 2) @ depths
    star = modes.iloc[rng.integers(len(modes))]
    overtone = 2 * np.pi * (days / star["overtone"] + start)
    mag = np.sin(overtone) + star["overtone_r21"] * np.sin(2 * overtone + 3.1)
    other = 2 * np.pi * (days / star["fundamental"] + rng.random())
    # From I to G.
    both = star["overtone_amplitude"] * mag + star["amplitude"] * np.sin(other)
    return 1.5 * both / 2


def check_given(stars: pd.DataFrame, light_curves: pd.DataFrame) -> None:
    """Print what becomes of given periods that are right, doubled, halved and aliases."""
    true = stars["period"]
    changes = {
        "right": true,
        "twice": 2 * true,
        "half": true / 2,
        "1-day alias": 1 / (1 / true + 1),
    }
    print("\nGiven periods that are checked (share restored or kept, statuses)")
    for name, period in changes.items():
        table = search(stars.assign(period=period), light_curves, "check")
        right = (np.abs(table["period"] / true.to_numpy() - 1) <= TOLERANCE).mean()
        statuses = table["period_status"].value_counts().to_dict()
        print(f"  {name:12s} {right * 100:5.1f} %  {statuses}")


def compare_bands(mirror: Path) -> None:
    """Print what is found of stars with few transits, in G and in G, BP and RP."""
    stars, in_g = read_gaia_dr3(mirror)
    stars = stars[held_out(stars)].reset_index(drop=True)
    in_g = in_g[in_g["star_id"].isin(stars["star_id"])]
    folds = (fit_stars(stars, in_g, {"draws": 2}, 42)[0]["status"] == "ok").to_numpy()
    observed = in_g.groupby("star_id").size().reindex(stars["star_id"]).to_numpy()
    stars = stars[folds & (observed >= ENOUGH)]
    stars = stars.sample(FEW_STARS, random_state=7).reset_index(drop=True)
    in_g = in_g[in_g["star_id"].isin(stars["star_id"])]
    red_and_blue = pd.concat([read_gaia_dr3(mirror, band)[1] for band in ("BP", "RP")])
    print("\nGaia DR3, held out, some transits of stars with many")
    for number in FEW:
        few = in_g.groupby("star_id").sample(number, random_state=number)
        few = few.sort_values(["star_id", "time"])
        again = is_of_transits(red_and_blue, few)
        rest = red_and_blue[~again].sample(frac=1, random_state=number)
        further = rest.groupby(["star_id", "band"]).head(number)
        cases = {"G": None, "BP, RP of the same": red_and_blue[again], "BP, RP of others": further}
        for name, others in cases.items():
            table = search(stars, few, "find", others)
            right = np.abs(table["period"] / stars["period"] - 1) <= TOLERANCE
            unknown = table["period"].isna()
            typed = right & (table["pulsation_type"] == table["true_type"])
            print(
                f"  {number:3d} transits, {name:18s}: right {right.sum():3d}, "
                f"wrong {(~right & ~unknown).sum():3d}, not found {unknown.sum():3d}, "
                f"right type as well {typed.sum():3d}; {table['seconds'].iloc[0]:.2f} CPU s a star"
            )


def is_of_transits(light_curves: pd.DataFrame, few: pd.DataFrame) -> np.ndarray:
    """Say which points are of the transits of others: of the same star, within a minute."""
    minute = few["time"].mul(1440).round()
    keys = {key for shift in (-1, 0, 1) for key in zip(few["star_id"], minute + shift, strict=True)}
    own = light_curves["time"].mul(1440).round()
    return np.array([key in keys for key in zip(light_curves["star_id"], own, strict=True)])


def main() -> None:
    mirror = find_mirror()
    if "--bands" in sys.argv[1:]:
        compare_bands(mirror)
        return
    stars, light_curves = read_gaia_dr3(mirror)
    stars = stars[held_out(stars)].reset_index(drop=True)
    own = light_curves[light_curves["star_id"].isin(stars["star_id"])]
    folds = (fit_stars(stars, own, {"draws": 2}, 42)[0]["status"] == "ok").to_numpy()
    table = judge(search(stars, light_curves), stars["period"])
    enough = table["epochs"] >= ENOUGH
    print(f"{table['seconds'].iloc[0]:.3f} CPU s a star (Gaia DR3)")
    tell("Gaia DR3 G, held out, catalogued period folds the light curve", table[folds])
    tell_by_epochs(table[folds])
    tell(f"  of these with {ENOUGH} epochs or more", table[folds & enough])
    tell(f"Gaia DR3 G, held out, all with {ENOUGH} epochs or more", table[enough])
    typed = table[folds & ~table["unknown"]]
    print("\nTypes of these stars (rows: catalogue)")
    print(pd.crosstab(typed["true_type"], typed["pulsation_type"]).to_string())

    others, curves = simulate_others(mirror, own, 60)
    found = search(others, curves)
    called = found["pulsation_type"].where(found["status"] != "period_not_found", "not found")
    print("\nSimulated stars of other kinds, and shuffled magnitudes")
    print(pd.crosstab(found["true_type"], called).to_string())
    check_given(stars[folds & enough].head(150), own)

    for name, (sample, curves) in {
        "ASAS I": read_asas(mirror)[:2],
        "OGLE-IV I": read_ogle(mirror),
    }.items():
        sample = sample.reset_index(drop=True)
        table = judge(search(sample, curves), sample["period"])
        tell(f"{name} ({table['seconds'].iloc[0]:.2f} CPU s a star)", table)
        print(pd.crosstab(table["true_type"], table["pulsation_type"]).to_string())


if __name__ == "__main__":
    main()
