import numpy as np
import pandas as pd
import pytest

from metalyra.fit import fit_stars, fold_other_bands
from tests.fit.test_periods import pulsating


@pytest.fixture(scope="module")
def own():
    curves = pd.concat(
        [pulsating(name, "RRab", 0.5713, seed=seed, epochs=40) for seed, name in enumerate("ab")]
    ).assign(band="G")
    stars = pd.DataFrame({"star_id": ["a", "b", "c"], "pulsation_type": "RRab", "status": "ok"})
    return stars.assign(period=0.5713), curves


@pytest.mark.parametrize("alignment", ["phi1", "maximum"])
def test_phases_are_those_of_the_own_band(own, alignment):
    fits, folded = fit_stars(*own, {"alignment": alignment, "draws": 2}, 1)
    again = fold_other_bands(fits, own[1].assign(band="BP"))
    assert again.columns.tolist() == ["star_id", "band", "phase", "mag", "mag_err"]
    pairs = folded.merge(again, on=["star_id", "mag"], suffixes=("", "_again"))
    assert len(pairs) == len(folded) == 80
    difference = (pairs["phase"] - pairs["phase_again"] + 0.5) % 1 - 0.5
    np.testing.assert_allclose(difference, 0, atol=1e-9)


def test_what_is_no_magnitude_or_of_no_fit_is_left_out(own):
    fits, _ = fit_stars(*own, {"draws": 2}, 1)
    assert fits["status"].tolist() == ["ok", "ok", "no_light_curve"]
    curves = own[1].groupby("star_id").head(5).assign(band="RP").reset_index(drop=True)
    curves.loc[[0, 1, 5], "mag"] = [np.nan, 99.999, -9.99]
    curves.loc[6, "time"] = np.nan
    unknown = curves.assign(star_id="c")
    folded = fold_other_bands(fits, pd.concat([curves, unknown], ignore_index=True))
    assert folded["star_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert np.isfinite(folded["phase"]).all()
    empty = fold_other_bands(fits, curves[:0])
    assert empty.dtypes.equals(folded.dtypes)
    assert empty.empty
