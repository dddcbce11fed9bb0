import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalyra.crossmatch import match_stars
from metalyra.surveys import check_stars

ARCSEC = 1 / 3600


def sample(*rows: tuple, periods_required: bool = True) -> pd.DataFrame:
    """Stars of (star_id, ra, dec, period, pulsation_type)."""
    names = ["star_id", "ra", "dec", "period", "pulsation_type"]
    return check_stars(pd.DataFrame(rows, columns=names), periods_required)


def pending(*rows: tuple) -> pd.DataFrame:
    return sample(*rows, periods_required=False)


OGLE = sample(
    ("o1", 270.0, -30.0, 0.5, "RRab"),
    ("o2", 270.1, -30.0, 0.3, "RRc"),
    ("o3", 270.2, -30.0, 0.4, "RRd"),
    ("o4", 270.3, -30.0, "unknown", "RRab"),
    ("o5", np.nan, np.nan, 0.6, "RRab"),
)


def match_one(ra: float, period: object = None, kind: str | None = "RRab") -> pd.Series:
    return match_stars(pending(("g", ra, -30.0, period, kind)), OGLE, 1.0).iloc[0]


def test_a_match_brings_period_and_type():
    star = match_one(270.1 + 0.5 * ARCSEC, period=0.31, kind="RRab")
    assert (star["reference_id"], star["status"]) == ("o2", "ok")
    assert (star["period"], star["pulsation_type"]) == (0.3, "RRc")
    assert star["separation"] == pytest.approx(0.5 * np.cos(np.radians(30)), rel=1e-4)


def test_a_match_revives_a_star_without_a_period():
    assert match_one(270.0, period=None)["status"] == "ok"
    assert match_one(270.0, period=None, kind=None)["pulsation_type"] == "RRab"


@pytest.mark.parametrize(
    ("ra", "period", "kind", "status", "kept"),
    [
        (271.0, 0.61, "RRab", "ok", 0.61),
        (271.0, None, "RRab", "no_match", None),
        (271.0, -1.0, "RRab", "no_match", None),
        (271.0, 0.61, "RRd", "wrong_pulsation_type", 0.61),
        (np.nan, 0.61, "RRab", "ok", 0.61),
        (np.nan, None, "RRab", "no_match", None),
        (270.2, 0.61, "RRab", "wrong_pulsation_type", 0.4),
        (270.3, 0.61, "RRab", "ok", 0.61),
        (270.3, None, "RRab", "invalid_period", None),
    ],
)
def test_the_status_of_one_star(ra, period, kind, status, kept):
    star = match_one(ra, period, kind)
    assert star["status"] == status
    assert star["period"] == kept if kept else np.isnan(star["period"])
    if ra in (np.nan, 271.0):
        assert star[["reference_id", "separation"]].isna().all()


def test_a_reference_star_without_a_light_curve_still_has_a_period():
    reference = OGLE.assign(status="no_light_curve")
    star = match_stars(pending(("g", 270.0, -30.0, None, None)), reference, 1.0).iloc[0]
    assert (star["status"], star["period"]) == ("ok", 0.5)


def test_two_reference_stars_within_the_radius_are_ambiguous():
    reference = sample(
        ("near", 10.0, 0.0, 0.5, "RRab"), ("far", 10.0 + 0.8 * ARCSEC, 0.0, 0.6, "RRab")
    )
    stars = pending(("g", 10.0 + 0.1 * ARCSEC, 0.0, 0.55, "RRab"))
    star = match_stars(stars, reference, 1.0).iloc[0]
    assert (star["status"], star["reference_id"]) == ("ambiguous_match", "near")
    assert star["period"] == 0.55
    assert match_stars(stars, reference, 0.3).iloc[0]["status"] == "ok"


def test_two_stars_that_claim_one_reference_star_are_ambiguous():
    stars = pending(
        ("g1", 270.0, -30.0, None, None), ("g2", 270.0 + 0.4 * ARCSEC, -30.0, None, None)
    )
    assert match_stars(stars, OGLE, 1.0)["status"].tolist() == ["ambiguous_match"] * 2


def test_repeated_identifiers_make_nothing_ambiguous():
    row = ("g", 270.0, -30.0, None, "RRab")
    reference = sample(("o", 270.0, -30.0, 0.5, "RRab"), ("o", 270.0, -30.0, 0.5, "RRab"))
    table = match_stars(pending(row, row), reference, 1.0)
    assert table["status"].tolist() == ["ok", "duplicate_id"]
    assert table["reference_id"].iloc[0] == "o"
    assert table["reference_id"].isna().iloc[1]


def test_an_earlier_status_and_every_column_stay():
    stars = pending(("g", 270.0, -30.0, 0.2, "RRab")).assign(
        status="no_light_curve", archive_mean_mag=15.0
    )
    table = match_stars(stars, OGLE, 1.0)
    assert table["status"].tolist() == ["no_light_curve"]
    assert {*stars.columns} <= {*table.columns}
    assert [*table.columns][-1] == "status"


def test_the_poles_and_the_zero_of_right_ascension_are_ordinary_places():
    reference = sample(("zero", 359.99999, 0.0, 0.5, "RRab"), ("pole", 10.0, 89.9999, 0.5, "RRab"))
    stars = pending(("a", 0.00001, 0.0, None, None), ("b", 130.0, 89.9999, None, None))
    table = match_stars(stars, reference, 1.0)
    assert table["reference_id"].tolist() == ["zero", "pole"]
    assert (table["separation"] < 0.7).all()


def test_empty_samples_match_nothing():
    assert match_stars(OGLE.iloc[:0], OGLE, 1.0).empty
    table = match_stars(pending(("g", 270.0, -30.0, None, None)), OGLE.iloc[:0], 1.0)
    assert table["status"].tolist() == ["no_match"]


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan])
def test_a_radius_that_is_none_is_refused(radius):
    with pytest.raises(ValueError, match="match radius"):
        match_stars(OGLE, OGLE, radius)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_match_is_that_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    table = {}
    for name, size in (("g", 60), ("o", 40)):
        # Crowded enough for every kind of ambiguity.
        table[name] = pd.DataFrame(
            {
                "star_id": [f"{name}{i}" for i in range(size)],
                "ra": 10.0 + rng.uniform(0, 12 * ARCSEC, size),
                "dec": 5.0 + rng.uniform(0, 12 * ARCSEC, size),
                "period": 0.5,
                "pulsation_type": "RRab",
            }
        )
    stars, reference = check_stars(table["g"], False), check_stars(table["o"])
    offset = (stars[["ra", "dec"]].to_numpy()[:, None] - reference[["ra", "dec"]].to_numpy()) / (
        ARCSEC
    )
    offset[..., 0] *= np.cos(np.radians(5.0))
    distance = np.hypot(offset[..., 0], offset[..., 1])
    near = distance <= 1.0
    matched = match_stars(stars, reference, 1.0)
    expected = np.where(near.any(axis=1), reference["star_id"].to_numpy()[distance.argmin(1)], "")
    assert matched["reference_id"].fillna("").tolist() == expected.tolist()
    one_to_one = (near.sum(1) == 1) & (near.sum(0)[distance.argmin(1)] == 1)
    ambiguous = near.any(axis=1) & ~one_to_one
    assert (matched["status"] == "ambiguous_match").tolist() == ambiguous.tolist()


def test_a_survey_is_matched_in_seconds():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(255, 285, 300_000), rng.uniform(-45, -15, 300_000)
    stars = pd.DataFrame(
        {
            "star_id": np.arange(300_000).astype(str),
            "ra": ra,
            "dec": dec,
            "period": np.nan,
            "pulsation_type": "RRab",
            "status": "ok",
        }
    )
    reference = stars.sample(70_000, random_state=1).assign(period=0.5)
    start = time.process_time()
    matched = match_stars(stars, reference, 1.0)
    assert time.process_time() - start < 20
    one_to_one = matched[matched["status"] == "ok"]
    assert (one_to_one["reference_id"] == one_to_one["star_id"]).all()
    assert one_to_one["star_id"].isin(reference["star_id"]).all()
    ambiguous = (matched["status"] == "ambiguous_match").sum()
    # Two of 300,000 stars on 800 square degrees are rarely within an arcsecond.
    assert 70_000 - 100 <= len(one_to_one) <= 70_000
    assert len(one_to_one) + ambiguous >= 70_000
