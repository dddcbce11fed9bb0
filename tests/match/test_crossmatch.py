import resource
import time

import numpy as np
import pandas as pd
import pytest
from benchmarks.crossmatch import CELL_RADIUS, read_gaia, read_ogle
from hypothesis import given, settings
from hypothesis import strategies as st

from metalyra.match.crossmatch import (
    PERIOD_AGREEMENT,
    SHIFTS,
    is_matched,
    match_by_chance,
    match_stars,
    move_to_epoch,
    period_differences,
    summarise_match,
)
from metalyra.surveys import check_stars
from metalyra.surveys.gaia import locate_source

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


def test_with_its_own_period_a_star_gets_no_more_than_the_name_of_its_match():
    stars = pending(
        ("matched", 270.0, -30.0, 0.5000001, "RRab"),
        ("other_type", 270.1, -30.0, 0.3, "RRab"),
        ("alias", 270.0 + 2 * ARCSEC, -30.0, 0.25, "RRab"),
        ("alone", 280.0, -30.0, 0.7, "RRc"),
        ("no_period", 270.2, -30.0, None, None),
    )
    settings = {"period_tolerance": 1e-4, "period_tolerance_unit": "relative", "periods": "own"}
    matched = match_stars(stars, OGLE, 3.0, **settings)
    pd.testing.assert_frame_equal(matched[[*stars]], stars)
    assert matched["reference_id"].fillna("").tolist() == ["o1", "", "", "", "o3"]
    assert matched["separation"].notna().tolist() == [True, False, False, False, True]


def test_in_doubt_a_star_with_its_own_period_has_no_match():
    pair = sample(("a", 270.0, -30.0, 0.5, "RRab"), ("b", 270.0, -30.0, 0.6, "RRab"))
    star = pending(("g", 270.0, -30.0, 0.5, "RRab"))
    assert match_stars(star, pair, 1.0, periods="own")["reference_id"].isna().all()


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


GAIA_ID = "4071632917964102400"


def test_a_proper_motion_brings_a_star_to_its_match():
    stars = pending(("fast", 10.0, 60.0, None, None)).assign(
        pmra=-1000.0, pmdec=500.0, ref_epoch=2016.0
    )
    moved = move_to_epoch(stars, 2006.0)
    assert moved.dec.deg[0] == pytest.approx(60.0 - 5.0 * ARCSEC, abs=1e-6)
    assert moved.ra.deg[0] == pytest.approx(10.0 + 10.0 * ARCSEC / np.cos(np.radians(60)), abs=1e-6)
    reference = sample(("o", moved.ra.deg[0], moved.dec.deg[0], 0.5, "RRab"))
    assert match_stars(stars, reference, 1.0)["status"].tolist() == ["no_match"]
    there = match_stars(stars, reference, 1.0, epoch=2006.0)
    assert there["status"].tolist() == ["ok"]
    assert there["separation"].iloc[0] < 1e-3
    # The epoch of the reference sample goes without saying if its table has it.
    dated = reference.assign(ref_epoch=2006.0)
    pd.testing.assert_frame_equal(match_stars(stars, dated, 1.0), there)
    unknown = stars.assign(pmra=np.nan)
    assert match_stars(unknown, dated, 1.0)["status"].tolist() == ["no_match"]
    # At the other list, too.
    both = match_stars(reference.assign(period=np.nan), stars.assign(period=0.5), 1.0, epoch=2006.0)
    assert both["reference_id"].tolist() == ["fast"]


CROWD = sample(
    ("near", 10.0, 0.0, 0.5, "RRab"),
    ("far", 10.0 + 0.8 * ARCSEC, 0.0, 0.6, "RRab"),
    ("alone", 20.0, 0.0, 0.6, "RRab"),
)


@pytest.mark.parametrize(
    ("period", "ra", "status", "reference_id"),
    [
        (0.60005, 10.0, "ok", "far"),
        (0.49995, 10.0, "ok", "near"),
        (0.55, 10.0, "period_mismatch", None),
        (0.6 / 1.6, 20.0, "period_mismatch", None),  # an alias of one day
        (1.2, 20.0, "period_mismatch", None),
        (None, 10.0, "ambiguous_match", "near"),
        (None, 20.0, "ok", "alone"),
        (0.55, 30.0, "ok", None),
    ],
)
def test_the_period_chooses_among_neighbours_or_refuses_them(period, ra, status, reference_id):
    stars = pending(("g", ra + 0.1 * ARCSEC, 0.0, period, "RRab"))
    star = match_stars(stars, CROWD, 1.0, period_tolerance=1e-4).iloc[0]
    assert star["status"] == status
    assert star["reference_id"] == reference_id if reference_id else pd.isna(star["reference_id"])
    if status == "period_mismatch":
        assert star["period"] == period


def test_a_relative_tolerance_is_of_the_period():
    stars = pending(("g", 20.0, 0.0, 0.6005, "RRab"))
    for tolerance, status in ((1e-3, "ok"), (5e-4, "period_mismatch")):
        table = match_stars(
            stars, CROWD, 1.0, period_tolerance=tolerance, period_tolerance_unit="relative"
        )
        assert table["status"].tolist() == [status]


def test_a_reference_star_without_a_period_confirms_none():
    star = match_stars(
        pending(("g", 270.3, -30.0, 0.61, "RRab")), OGLE, 1.0, period_tolerance=1e-4
    ).iloc[0]
    assert star["status"] == "period_mismatch"


@pytest.mark.parametrize("ambiguous", ["refuse", "nearest"])
def test_an_empty_reference_matches_nothing(ambiguous):
    stars = pending(("g1", 270.0, -30.0, None, None), ("g2", 270.1, -30.0, 0.5, "RRab"))
    matched = match_stars(stars, OGLE.head(0), 1.0, ambiguous=ambiguous)
    assert matched["status"].tolist() == ["no_match", "ok"]
    assert matched["reference_id"].isna().all()
    none = match_stars(stars.head(0), OGLE, 1.0, ambiguous=ambiguous)
    assert none.empty
    assert {*none} == {*matched}
    by_chance = match_by_chance(stars, OGLE.head(0), 1.0, ambiguous=ambiguous)
    assert by_chance.empty


def test_the_nearest_of_several_is_a_match_if_that_is_asked_for():
    stars = pending(
        ("g1", 10.0 + 0.1 * ARCSEC, 0.0, None, None), ("g2", 10.0 - 0.5 * ARCSEC, 0.0, None, None)
    )
    refused = match_stars(stars, CROWD, 1.0)
    assert refused["status"].tolist() == ["ambiguous_match"] * 2
    nearest = match_stars(stars, CROWD, 1.0, ambiguous="nearest")
    assert nearest["status"].tolist() == ["ok", "ambiguous_match"]
    assert nearest["period"].iloc[0] == 0.5


def test_the_cell_of_a_source_is_a_position_with_a_radius_of_its_own():
    ra, dec = locate_source(pd.Series([GAIA_ID]))
    stars = pending((GAIA_ID, ra[0], dec[0], 0.5, "RRab")).assign(position_from_cell=True)
    reference = sample(("o", ra[0], dec[0] + 20 * ARCSEC, 0.5, "RRab"))
    assert match_stars(stars, reference, 1.0)["reference_id"].isna().all()
    assert match_stars(stars, reference, 30.0)["reference_id"].isna().all()
    assert match_stars(stars, reference, 1.0, cell_radius=10.0)["reference_id"].isna().all()
    star = match_stars(stars, reference, 1.0, cell_radius=40.0).iloc[0]
    assert (star["reference_id"], star["status"]) == ("o", "ok")
    assert star["separation"] == pytest.approx(20, abs=0.01)
    # Who else is in the cell does not matter.
    other = match_stars(
        stars.assign(period=0.6), reference, 1.0, cell_radius=40.0, period_tolerance=1e-4
    )
    assert (other["status"].tolist(), other["period"].tolist()) == (["ok"], [0.6])
    # The other way round, the reference star is known by its cell.
    swapped = match_stars(reference, stars, 1.0, cell_radius=40.0)
    assert swapped["reference_id"].tolist() == [GAIA_ID]


def test_a_cell_makes_no_measured_position_ambiguous_beyond_its_own_radius():
    reference = sample(("o1", 10.0, 0.0, 0.5, "RRab"), ("o2", 10.0, 5 * ARCSEC, 0.6, "RRab"))
    stars = pending(
        ("measured", 10.0, 0.2 * ARCSEC, None, None), ("cell", 10.5, 0.0, None, None)
    ).assign(position_from_cell=[False, True])
    table = match_stars(stars, reference, 1.0, cell_radius=40.0)
    assert table["reference_id"].iloc[0] == "o1"
    assert table["status"].tolist() == ["ok", "no_match"]


@pytest.mark.parametrize("cell_radius", [0.0, -1.0, np.nan])
def test_a_cell_radius_that_is_none_is_refused(cell_radius):
    with pytest.raises(ValueError, match="cell radius"):
        match_stars(OGLE, OGLE, 1.0, cell_radius=cell_radius)


def scatter(n: int, side: float, seed: int) -> pd.DataFrame:
    """Return stars on a square of some arcseconds."""
    rng = np.random.default_rng(seed)
    rows = zip(
        [f"s{i}" for i in range(n)],
        10.0 + rng.uniform(0, side * ARCSEC, n),
        rng.uniform(0, side * ARCSEC, n),
        rng.uniform(0.4, 0.7, n),
        ["RRab"] * n,
        strict=True,
    )
    return sample(*rows)


def test_matches_by_chance_are_as_many_as_the_density_says():
    side, radius = 3000.0, 2.0
    stars, reference = scatter(3000, side, 1), scatter(3000, side, 2)
    by_chance = match_by_chance(stars, reference, radius)
    density = len(reference) / side**2
    # One star within the radius, and no second at either end.
    expected = len(stars) * np.pi * radius**2 * density
    measured = len(by_chance) / len(SHIFTS)
    assert measured == pytest.approx(expected, rel=0.25)
    matched = match_stars(stars, reference, radius)
    summary = summarise_match(stars, reference, matched, by_chance).iloc[0]
    assert summary["chance_fraction"] == pytest.approx(1, abs=0.3)
    assert summary["period_agreement"] < 0.05
    with_periods = match_by_chance(stars, reference, radius, period_tolerance=1e-4)
    assert len(with_periods) < 0.05 * len(by_chance)


def test_the_summary_counts_every_star_that_took_part():
    stars = pending(
        ("g1", 10.0 + 0.1 * ARCSEC, 0.0, 0.5, "RRab"),
        ("g2", 20.0 + 0.3 * ARCSEC, 0.0, 0.6002, "RRab"),
        ("g3", 30.0, 0.0, None, None),
        ("g4", 270.3, -30.0, 0.5, "RRab"),
        ("g4", 270.3, -30.0, 0.5, "RRab"),
    )
    reference = pd.concat([CROWD, OGLE], ignore_index=True)
    matched = match_stars(stars, reference, 1.0)
    by_chance = match_by_chance(stars, reference, 1.0)
    (row,) = summarise_match(stars, reference, matched, by_chance).to_dict("records")
    assert (row["positions"], row["stars"], row["matched"], row["ambiguous"]) == (
        "measured",
        4,
        2,
        1,
    )
    assert row["ambiguous_fraction"] == pytest.approx(1 / 3)
    assert (row["chance_matches"], row["chance_fraction"]) == (0, 0)
    assert row["separation_50"] == pytest.approx(0.15, abs=1e-3)
    # The match of g4 has no period to compare with.
    assert (row["periods_compared"], row["period_agreement"]) == (1, 0.0)
    assert row["period_difference"] == pytest.approx(2e-4)
    empty = summarise_match(stars.iloc[2:3], reference, matched.iloc[2:3], by_chance.iloc[:0])
    assert empty["chance_fraction"].isna().all()


@pytest.fixture(scope="module")
def real(mirror):
    """Gaia's stars, with a position where the mirror has one or else a cell, and OGLE's."""
    return read_gaia(mirror), read_ogle(mirror)


def test_real_matches_have_the_periods_of_the_other_survey(real):
    gaia, ogle = real
    settings = {"radius": 1.0, "cell_radius": CELL_RADIUS}
    matched = match_stars(gaia, ogle, **settings)
    by_chance = match_by_chance(gaia, ogle, **settings)
    summary = summarise_match(gaia, ogle, matched, by_chance).set_index("positions")
    assert (summary["periods_compared"] > [300, 2000]).all()
    assert (summary["period_agreement"] >= 0.95).all()
    # Positions are sure; what cells match by chance does not have the period.
    assert summary.loc["measured", "chance_fraction"] < 0.01
    assert summary.loc["measured", "period_agreement"] > 0.99
    by_period = match_stars(gaia, ogle, **settings, period_tolerance=PERIOD_AGREEMENT)
    assert is_matched(by_period).sum() > is_matched(matched).sum()
    assert np.nanmax(np.abs(period_differences(gaia, ogle, by_period))) <= PERIOD_AGREEMENT
    chance = match_by_chance(gaia, ogle, **settings, period_tolerance=PERIOD_AGREEMENT)
    assert len(chance) < 0.02 * len(by_chance)


def test_real_matches_are_those_of_brute_force(real):
    gaia, ogle = real
    some = gaia.sample(300, random_state=3)
    matched = match_stars(some, ogle, 1.0, cell_radius=40.0)
    to = np.radians(ogle[["ra", "dec"]].to_numpy())
    for star_id, ra, dec, cell in zip(
        some["star_id"], some["ra"], some["dec"], some["position_from_cell"], strict=True
    ):
        ra, dec = np.radians([ra, dec])
        haversine = (
            np.sin((to[:, 1] - dec) / 2) ** 2
            + np.cos(dec) * np.cos(to[:, 1]) * np.sin((to[:, 0] - ra) / 2) ** 2
        )
        separation = np.degrees(2 * np.arcsin(np.sqrt(haversine))) / ARCSEC
        found = matched.loc[matched["star_id"] == star_id, "reference_id"].iloc[0]
        nearest = separation.argmin()
        if separation[nearest] <= (40.0 if cell else 1.0):
            assert found == ogle["star_id"].iloc[nearest]
        else:
            assert pd.isna(found)


def test_stars_without_positions_match_nothing_even_by_chance():
    stars = pending(("g1", np.nan, np.nan, 0.5, "RRab"), ("g2", 1.0, np.nan, 0.5, "RRab"))
    matched = match_stars(stars, OGLE, 1.0, cell_radius=40.0, epoch=2016.0)
    by_chance = match_by_chance(stars, OGLE, 1.0, cell_radius=40.0, epoch=2016.0)
    (row,) = summarise_match(stars, OGLE, matched, by_chance).to_dict("records")
    assert (row["matched"], row["chance_matches"], len(by_chance)) == (0, 0, 0)
    none = summarise_match(stars.iloc[:0], OGLE, matched.iloc[:0], by_chance)
    assert none["stars"].tolist() == [0]


def peak_memory() -> int:
    """Return the largest memory of this process so far (bytes)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_survey_is_matched_in_seconds_and_little_memory():
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
    before, start = peak_memory(), time.process_time()
    matched = match_stars(stars, reference, 1.0)
    assert time.process_time() - start < 20
    assert peak_memory() - before < 2**30
    one_to_one = matched[matched["status"] == "ok"]
    assert (one_to_one["reference_id"] == one_to_one["star_id"]).all()
    assert one_to_one["star_id"].isin(reference["star_id"]).all()
    ambiguous = (matched["status"] == "ambiguous_match").sum()
    # Two of 300,000 stars on 800 square degrees are rarely within an arcsecond.
    assert 70_000 - 100 <= len(one_to_one) <= 70_000
    assert len(one_to_one) + ambiguous >= 70_000
