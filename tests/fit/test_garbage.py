"""What is no RR Lyrae light curve gets no metallicity that the published G-band networks vouch for.

The light curves are real ones of Gaia DR3, with their own periods and magnitudes or wrong ones.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from metalyra.fit.fitting import fit_stars
from metalyra.predict.prediction import judge_predictions
from metalyra.surveys import check_stars, survey

ROOT = Path(__file__).parents[2]
MODEL = "dekany_grebel_2022/results_g/best_model_g"
STARS = 60


@pytest.fixture(scope="module")
def card():
    known = yaml.safe_load((ROOT / "resources/published_models.yaml").read_text())[MODEL]
    domain = {"ranges": known["ranges"], "quality": known["cuts"], "shapes": known["shapes"]}
    return {"name": "dg22_g", "domain": domain, "cuts": known["cuts"]}


@pytest.fixture(scope="module")
def sample(mirror):
    """RRab stars of the mirror with their DR3 light curves."""
    gaia, folder = survey("gaia_dr3"), mirror / "gaia_dr3"
    stars = check_stars(gaia.read_stars([folder / "vari_rrlyrae_subset.csv.gz"]))
    stars = stars[(stars["status"] == "ok") & (stars["pulsation_type"] == "RRab")]
    curves = [
        curve.table.assign(star_id=curve.star_id, band="G")
        for curve in gaia.read_light_curves(
            [folder / "epoch_photometry/datalink_00.zip"], stars, "G"
        )
        if curve.table is not None and len(curve.table) >= 25
    ]
    names = [table["star_id"].iloc[0] for table in curves[:STARS]]
    chosen = stars[stars["star_id"].isin(names)].reset_index(drop=True)
    return chosen, pd.concat(curves[:STARS], ignore_index=True)


def judge(stars, light_curves, card) -> pd.Series:
    """Return the status of each star."""
    fits, _ = fit_stars(stars, light_curves, {}, seed=1)
    fitted = fits[fits["status"] == "ok"].reset_index(drop=True)
    judged = judge_predictions(fitted, np.zeros(len(fitted)), card)
    return pd.concat([fits.loc[fits["status"] != "ok", "status"], judged["status"]])


def test_real_light_curves_are_not_taken_for_garbage(sample, card):
    status = judge(*sample, card)
    assert (status == "ok").mean() > 0.6
    # The others are poorer than the light curves that the networks were trained on.
    strange = ~status.str.startswith("cut:") & (status != "ok")
    assert strange.mean() < 0.07


@pytest.mark.parametrize(
    ("factor", "most"), [(0.5, 0.05), (2.0, 0.0), (3.0, 0.0), (24.0, 0.0), (1.1, 0.05)]
)
def test_wrong_periods_are_found(sample, card, factor, most):
    stars, light_curves = sample
    status = judge(stars.assign(period=factor * stars["period"]), light_curves, card)
    assert (status == "ok").mean() <= most


def scramble(light_curves: pd.DataFrame, how: str) -> pd.Series:
    """Return what stands for the magnitudes."""
    random, mag = np.random.default_rng(2), light_curves["mag"]
    star = light_curves["star_id"]
    match how:
        case "noise":
            return pd.Series(15 + 0.1 * random.standard_normal(len(mag)), mag.index)
        case "shuffled":
            return mag.groupby(star).transform(lambda own: random.permutation(own.to_numpy()))
        case "flux":
            return 10 ** (-0.4 * (mag - 25))
        case "relative_flux":
            return 10 ** (-0.4 * (mag - mag.groupby(star).transform("median")))
        case _:
            return mag * 0 + 1e300


@pytest.mark.parametrize("how", ["noise", "shuffled", "flux", "relative_flux", "huge"])
def test_what_are_no_magnitudes_of_the_star_is_found(sample, card, how):
    stars, light_curves = sample
    status = judge(stars, light_curves.assign(mag=scramble(light_curves, how)), card)
    assert (status != "ok").all()


@pytest.mark.parametrize("sentinel", [99.999, -999.0])
def test_sentinels_are_missing_values(sample, sentinel):
    stars, light_curves = sample
    gone = np.random.default_rng(3).random(len(light_curves)) < 0.1
    marked = light_curves.assign(mag=light_curves["mag"].mask(gone, sentinel))
    with_sentinels, _ = fit_stars(stars, marked, {}, seed=1)
    without, _ = fit_stars(stars, light_curves[~gone], {}, seed=1)
    pd.testing.assert_frame_equal(with_sentinels, without)
