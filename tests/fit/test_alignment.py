import numpy as np
import pandas as pd
import pytest

from metalyra.fit.alignment import turn_curves
from metalyra.fit.fourier import evaluate_harmonics
from metalyra.train.sequences import make_sequences

COEFFICIENTS = np.array([15.0, 0.3, 0.1, 0.05, -0.12, 0.02, 0.04])


def draw_sample(shift: float, alignment: str, stars: int = 3):
    """The same curve as each of some stars' fits, with phases that begin at `shift`."""
    grid = np.arange(100) / 100
    curve = evaluate_harmonics(grid - shift, 3)[:, 1:] @ COEFFICIENTS[1:]
    turned = (COEFFICIENTS[1::2] + 1j * COEFFICIENTS[2::2]) * np.exp(
        -2j * np.pi * shift * np.arange(1, 4)
    )
    fine = np.arange(1000) / 1000
    brightest = fine[np.argmin(evaluate_harmonics(fine - shift, 3)[:, 1:] @ COEFFICIENTS[1:])]
    fits = pd.DataFrame(
        {
            "star_id": [f"s{star}" for star in range(stars)],
            "period": 0.55,
            "curve": [curve.tolist()] * stars,
            "curve_err": [np.full(100, 0.01).tolist()] * stars,
            "phi1": np.angle(turned[0]),
            "phase_shift": shift % 1.0,
            "phase_of_maximum": brightest,
            "mean_mag": 15.0,
            "sigma": 0.01,
            "alignment": alignment,
            "status": "ok",
        }
    )
    times = np.random.default_rng(3).random(40)
    points = pd.DataFrame(
        {
            "star_id": np.repeat(fits["star_id"], 40),
            "phase": np.tile((times + shift) % 1.0, stars),
            "mag": np.tile(evaluate_harmonics(times, 3) @ COEFFICIENTS, stars),
            "kept": True,
        }
    ).reset_index(drop=True)
    return fits, points


def align(alignment: str):
    """The sample as a fit with this alignment leaves it."""
    fits, _ = draw_sample(0.0, "none")
    if alignment == "phi1":
        return draw_sample(fits["phi1"][0] / (2 * np.pi), alignment)
    return draw_sample(-fits["phase_of_maximum"][0], alignment)


@pytest.mark.parametrize(("given", "wanted"), [("maximum", "phi1"), ("phi1", "maximum")])
def test_a_sample_is_turned_to_what_a_fit_with_the_other_alignment_gives(given, wanted):
    fits, folded = turn_curves(*align(given), wanted)
    expected_fits, expected = align(wanted)
    np.testing.assert_allclose(np.stack(fits["curve"]), np.stack(expected_fits["curve"]), atol=4e-3)
    difference = (folded["phase"] - expected["phase"] + 0.5) % 1.0 - 0.5
    np.testing.assert_allclose(difference, 0.0, atol=1e-3)
    assert set(fits["alignment"]) == {wanted}
    if wanted == "phi1":
        np.testing.assert_allclose(np.sin(fits["phi1"]), 0.0, atol=1e-9)
    else:
        np.testing.assert_allclose((fits["phase_of_maximum"] + 0.5) % 1.0, 0.5, atol=1e-9)


@pytest.mark.parametrize("alignment", ["phi1", "maximum"])
def test_what_is_aligned_already_stays_to_the_last_bit(alignment):
    fits, folded = align(alignment)
    turned_fits, turned = turn_curves(fits, folded, alignment)
    pd.testing.assert_frame_equal(turned_fits, fits, check_exact=True)
    pd.testing.assert_frame_equal(turned, folded, check_exact=True)


@pytest.mark.parametrize(
    "recipe", [{"recipe": "dg22"}, {"recipe": "gp_curve", "constants": []}, {"recipe": "spline"}]
)
@pytest.mark.parametrize("alignment", ["phi1", "maximum"])
def test_the_sequences_of_a_model_do_not_depend_on_the_alignment_of_the_sample(recipe, alignment):
    recipe = {**recipe, "alignment": alignment}
    if recipe["recipe"] == "spline":
        recipe["points"] = 44
    _, one = make_sequences(*align("phi1"), recipe)
    _, two = make_sequences(*align("maximum"), recipe)
    np.testing.assert_allclose(one, two, atol=4e-3)


def test_stars_without_a_fit_stay_as_they_are():
    fits, folded = align("maximum")
    fits.loc[1, ["phi1", "phase_of_maximum"]] = np.nan
    fits["curve"] = [fits["curve"][0], None, fits["curve"][2]]
    turned, _ = turn_curves(fits, folded, "phi1")
    assert turned["curve"][1] is None
    assert turned["alignment"].tolist() == ["phi1", "maximum", "phi1"]


def test_an_unknown_alignment_is_named():
    with pytest.raises(ValueError, match="alignment 'minimum' is unknown; allowed: phi1, maximum"):
        turn_curves(*align("phi1"), "minimum")
