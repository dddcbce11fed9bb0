import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalyra.core.statuses import STATUSES, restore_star_id
from metalyra.surveys import SURVEYS, SurveyError, check_stars, survey
from metalyra.surveys.formats.star_tables import merge_star_tables, to_sine_series


def raw(**columns: list) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    defaults = {
        "star_id": [f"s{i}" for i in range(size)],
        "ra": [10.0] * size,
        "dec": [20.0] * size,
        "period": [0.5] * size,
        "pulsation_type": ["RRab"] * size,
    }
    return pd.DataFrame({**defaults, **columns})


@pytest.mark.parametrize(
    "period", [0, -0.5, np.nan, None, np.inf, "text", "", "0.5 d", "-", "1e400"]
)
def test_a_period_that_is_none_has_a_status(period):
    stars = check_stars(raw(period=["0.5", period, 0.6]))
    assert stars["status"].tolist() == ["ok", "invalid_period", "ok"]
    assert np.isnan(stars["period"].iloc[1])
    assert stars["period"].dtype == float
    pending = check_stars(raw(period=["0.5", period, 0.6]), periods_required=False)
    assert pending["status"].tolist() == ["ok"] * 3


def test_repeated_identifiers_become_unique_and_keep_their_order():
    stars = check_stars(raw(star_id=["a", "b", " a", "a", "b"]))
    assert stars["star_id"].tolist() == ["a", "b", "a#2", "a#3", "b#2"]
    assert stars["status"].tolist() == ["ok", "ok"] + ["duplicate_id"] * 3
    assert restore_star_id(stars).tolist() == ["a", "b", "a", "a", "b"]


@given(st.lists(st.sampled_from(["a", "b", "a#2", "a#3", "a#2#2", "c"]), min_size=1))
def test_identifiers_are_unique_whatever_they_are(ids):
    stars = check_stars(raw(star_id=ids))
    assert stars["star_id"].is_unique
    assert restore_star_id(stars).tolist() == ids
    assert ((stars["status"] == "ok") == ~pd.Series(ids).duplicated()).all()
    assert set(stars["status"]) <= set(STATUSES)


@pytest.mark.parametrize("kind", ["RRd", "Cep", None, np.nan, ""])
def test_other_pulsation_types_have_a_status(kind):
    stars = check_stars(raw(pulsation_type=["RRc", kind]))
    assert stars["status"].tolist() == ["ok", "wrong_pulsation_type"]


@pytest.mark.parametrize("star_id", ["", "  ", None, np.nan])
def test_a_row_without_an_identifier_is_an_error(star_id):
    with pytest.raises(SurveyError, match="row 2 has no star_id"):
        check_stars(raw(star_id=["a", star_id]))


def test_positions_outside_the_sky_are_unknown():
    stars = check_stars(raw(ra=[0.0, 360.5, "x"], dec=["-91", 90, None]))
    assert stars["ra"].tolist()[0] == 0.0
    assert stars["ra"].isna().tolist() == [False, True, True]
    assert stars["dec"].isna().tolist() == [True, False, True]


def test_survey_columns_stay_and_the_status_comes_last():
    stars = check_stars(raw(star_id=["a"], archive_feh=[-1.0]))
    assert stars.columns.tolist() == [
        *["star_id", "ra", "dec", "period", "pulsation_type"],
        *["archive_feh", "status"],
    ]


def test_the_first_file_that_knows_a_value_says_it():
    first = pd.DataFrame({"star_id": ["a", "b", "a"], "period": ["0.1", None, "0.3"]})
    second = pd.DataFrame({"star_id": ["b", "c"], "period": ["0.4", "0.5"], "mag": [14.0, 15.0]})
    described = pd.DataFrame({"star_id": ["c", "d"], "ra": [1.0, 2.0]})
    merged = merge_star_tables([first, second], [described])
    assert merged["star_id"].tolist() == ["a", "b", "a", "c"]
    assert merged["period"].tolist() == ["0.1", "0.4", "0.3", "0.5"]
    assert merged["mag"].tolist()[1::2] == [14.0, 15.0]
    assert merged["ra"].isna().tolist() == [True, True, True, False]


@pytest.mark.parametrize("kind", ["RRab", "RRc", "RRd"])
def test_the_cosine_series_becomes_the_sine_series(kind):
    rng = np.random.default_rng(3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    amplitudes = np.array([0.3, 0.15, 0.08])
    k = np.arange(1, 4)
    angle = 2 * np.pi * np.linspace(0, 1, 200)[:, None] * k
    curve = np.cos(angle + phases) @ amplitudes
    solution = np.linalg.lstsq(np.hstack([np.sin(angle), np.cos(angle)]), curve, rcond=None)[0]
    sine = np.arctan2(solution[3:], solution[:3])
    stars = to_sine_series(
        pd.DataFrame(
            {
                "pulsation_type": [kind],
                "archive_phi21": [phases[1] - 2 * phases[0]],
                "archive_phi31": [phases[2] - 3 * phases[0]],
            }
        )
    )
    for column, value in (
        ("archive_phi21", sine[1] - 2 * sine[0]),
        ("archive_phi31", sine[2] - 3 * sine[0]),
    ):
        assert np.exp(1j * stars[column][0]) == pytest.approx(np.exp(1j * value), abs=1e-9)


def test_surveys_are_known_by_name():
    assert {name: survey(name).name for name in SURVEYS} == {name: name for name in SURVEYS}
    with pytest.raises(SurveyError, match="unknown survey 'sdss'; known are dg22, gaia_dr2"):
        survey("sdss")
    with pytest.raises(SurveyError, match="'ogle' has no band 'G'; its bands: I, V"):
        survey("ogle").check_band("G")
    survey("own").check_band("anything")
