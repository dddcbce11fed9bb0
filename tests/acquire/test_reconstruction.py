"""What archives have not in this form is made from what they have."""

import numpy as np
import pandas as pd
import pytest

from metalyra.acquire.reconstruction import (
    LARGEST_DIFFERENCE,
    find_candidates,
    find_catalogued_periods,
    find_development_periods,
    make_source,
    measure_fold,
)
from metalyra.acquire.sources import Source, SourceError, list_ingredients, read_registry
from metalyra.surveys import LightCurve
from metalyra.surveys.gaia import cell_of_position
from tests.core.test_containers import write_tar

N = 60


def identify(ra, dec):
    """Return source_ids of positions (deg)."""
    cells = cell_of_position(np.asarray(ra, float), np.asarray(dec, float))
    return pd.Series((cells << 35) + 12345).astype(str)


@pytest.fixture
def stars():
    """A list as OGLE's, of stars far from each other."""
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "star_id": [f"OGLE-BLG-RRLYR-{number:05}" for number in range(N)],
            "ra": 260 + np.arange(N) * 0.2,
            "dec": -30 + random.uniform(-5, 5, N),
            "pulsation_type": "RRab",
            "period": [f"{period:.8f}" for period in random.uniform(0.4, 0.8, N)],
            "archive_amplitude": random.uniform(0.3, 0.8, N),
            "archive_r21": random.uniform(0.3, 0.5, N),
            "archive_phi31": random.normal(5.8, 0.4, N),
        }
    )


def metallicity(stars):
    a2 = 0.33 * stars["archive_amplitude"] * stars["archive_r21"]
    return (
        -5.819 - 6.35 * stars["period"].astype(float) + 5.785 * a2 + 1.248 * stars["archive_phi31"]
    )


def predictions_of(stars):
    noise = np.random.default_rng(5).normal(0, 0.05, len(stars))
    return pd.DataFrame(
        {
            "id": identify(stars["ra"], stars["dec"]),
            "fold": np.arange(len(stars)) % 8,
            "FeH": [f"{feh:.6f}" for feh in metallicity(stars) + noise],
        }
    )


def add_neighbour(stars, of, **changes):
    """Add a star a few arcsec from another one."""
    row = {**stars.iloc[of], "star_id": f"OGLE-GD-RRLYR-{of:05}", **changes}
    return pd.concat([stars, pd.DataFrame([row])], ignore_index=True)


def test_a_star_is_looked_for_in_the_cell_of_its_source_id(stars):
    pairs = find_candidates(identify(stars["ra"], stars["dec"]), stars)
    assert sorted(pairs["star_id"]) == sorted(stars["star_id"])


def test_a_star_at_the_border_is_found_from_both_sides():
    """OGLE's position may be a second of arc from Gaia's."""
    dec = np.linspace(-30, -29.9, 100_000)
    cells = cell_of_position(np.full(dec.shape, 265.0), dec)
    edge = int(np.flatnonzero(np.diff(cells))[0])
    ogle = pd.DataFrame({"star_id": ["x"], "ra": [265.0], "dec": [dec[edge] + 1 / 3600]})
    gaia = identify([265.0, 265.0, 265.0], [dec[edge - 2], dec[edge + 2], dec[edge] + 0.05])
    pairs = find_candidates(gaia, ogle)
    assert pairs["source_id"].tolist() == gaia.iloc[:2].tolist()


def test_periods_of_a_development_set_are_those_of_the_stars_in_the_cells(stars):
    predictions = predictions_of(stars)
    found = find_development_periods(predictions, stars.iloc[::-1].reset_index(drop=True))
    assert list(found) == ["id", "period", "FeH", "fold"]
    pd.testing.assert_frame_equal(found[["id", "FeH", "fold"]], predictions[["id", "FeH", "fold"]])
    assert found["period"].tolist() == stars["period"].tolist()


def test_of_two_stars_it_is_the_one_with_the_published_metallicity(stars):
    """A star whose true counterpart the lists lack has no period, rather than another's."""
    predictions = predictions_of(stars)
    period = stars["period"].astype(float)
    assert LARGEST_DIFFERENCE < 6.35 * 0.1
    both = add_neighbour(stars, 4, period=f"{period[4] + 0.1:.8f}")
    assert find_development_periods(predictions, both)["period"][4] == stars["period"][4]
    both = add_neighbour(stars, 4, period="0.3", pulsation_type="RRc")
    assert find_development_periods(predictions, both)["period"][4] == stars["period"][4]
    wrong = both.drop(index=4).assign(pulsation_type="RRab")
    found = find_development_periods(predictions, wrong)
    assert predictions["id"][4] not in found["id"].to_list()
    assert len(found) == N - 1


def test_lists_without_the_stars_are_refused(stars):
    with pytest.raises(SourceError, match="OGLE's lists have 5 of the 60 stars"):
        find_development_periods(predictions_of(stars), stars.head(5))


def observe(star_id, period, epochs=40):
    random = np.random.default_rng(int(1e6 * period))
    time = np.sort(random.uniform(0, 900, epochs))
    mag = 15 + 0.3 * np.sin(2 * np.pi * time / period) + random.normal(0, 0.01, epochs)
    return LightCurve(star_id, pd.DataFrame({"time": time, "mag": mag, "mag_err": 0.01}))


def test_a_catalogued_period_is_the_one_that_folds_the_light_curve(stars):
    stars = add_neighbour(stars, 0, period="0.41234500")
    sources = identify(stars["ra"], stars["dec"])
    curves = [
        observe(sources[0], 0.412345),  # in the cell of two stars
        observe(sources[1], float(stars["period"][1])),
        observe(sources[2], 0.7321),  # not the star's period
        observe(sources[3], float(stars["period"][3]), epochs=10),
        LightCurve(sources[4], None, "unreadable"),
        observe("1000000", 0.5),  # no star there
    ]
    found = find_catalogued_periods(curves, stars).set_index("source_id")
    assert sorted(found.index) == sorted([sources[0], sources[1]])
    assert found.loc[sources[0], "ogle_id"] == "OGLE-GD-RRLYR-00000"
    assert found.loc[sources[1], "ogle_period"] == stars["period"][1]
    assert (found["r2_4harm"] > 0.99).all()


@pytest.mark.parametrize("period", [0.0, -1.0, np.nan, np.inf])
def test_what_cannot_be_folded_explains_nothing(period):
    points = observe("x", 0.5).table[["time", "mag"]].to_numpy()
    assert measure_fold(points, period) == -np.inf
    assert measure_fold(np.column_stack([points[:, 0], np.ones(len(points))]), 0.5) == -np.inf


def test_a_source_is_made_only_where_the_mirror_has_it_not(tmp_path):
    source = read_registry()["dekany_grebel_2022/g_dev_reconstructed.csv"]
    parts = list_ingredients(source, None)
    assert set(parts) == {"predictions", "ogle"}
    assert parts == list_ingredients(source, tmp_path)
    (tmp_path / source.name).parent.mkdir()
    (tmp_path / source.name).write_text("id,period,FeH,fold\n")
    assert list_ingredients(source, tmp_path) == {}


def test_what_sources_are_made_from_is_registered():
    registry = read_registry()
    made = [source for source in registry.values() if source.made_from]
    assert len(made) == 5
    for source in made:
        for names in source.made_from.values():
            assert set(names) <= set(registry)


def test_a_development_set_is_written_with_the_folds_of_the_mirror(stars, tmp_path, monkeypatch):
    predictions = predictions_of(stars).assign(fold=np.arange(N) % 10, predicted="-1.0")
    predictions.to_csv(tmp_path / "val.dat", sep=" ", header=False, index=False)
    ogle = type("Ogle", (), {"read_stars": staticmethod(lambda paths: stars)})
    monkeypatch.setattr("metalyra.acquire.reconstruction.survey", lambda name: ogle)
    source = Source("x.csv", "c", "l", recipe="development_set")
    make_source(source, {"predictions": [tmp_path / "val.dat"], "ogle": []}, tmp_path / "x.csv")
    written = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert written["fold"].astype(int).max() == 7
    assert set(written["id"]) < set(predictions["id"])


def test_published_predictions_are_written_with_all_folds_and_a_header(stars, tmp_path):
    predictions = predictions_of(stars).assign(fold=np.arange(N) % 10, predicted="-1.0")
    predictions.to_csv(tmp_path / "val.dat", sep=" ", header=False, index=False)
    source = Source("x.csv", "c", "l", recipe="published_predictions")
    make_source(source, {"predictions": [tmp_path / "val.dat"]}, tmp_path / "x.csv")
    written = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert list(written) == ["id", "fold", "FeH", "published_val_pred"]
    assert written["id"].tolist() == predictions["id"].tolist()
    assert written["fold"].astype(int).max() == 9


def test_an_unknown_recipe_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"unknown recipe 'stew'; there are development_set"):
        make_source(Source("x", "c", "l", recipe="stew"), {}, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_table_of_zero_points_is_joined_of_the_parts_of_its_repository(tmp_path):
    table = np.arange(1000.0)
    np.save(tmp_path / "zpcorrtable.npy", table)
    write_tar(
        tmp_path / "whole.tar.gz", {"zpcorrtable.npy": (tmp_path / "zpcorrtable.npy").read_bytes()}
    )
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    folder = "correct_vvv_zp-e7c92c3"
    parts = {
        f"{folder}/zpcorrtable.npy.tar.gz.a{letter}": whole[start : start + 700]
        for letter, start in zip("fedcba", range(3500, -1, -700), strict=True)
    }
    repository = write_tar(tmp_path / "r.tar.gz", {f"{folder}/README.md": b"", **parts})
    source = read_registry()["vvv_zero_points/zpcorrtable.npy"]
    made = tmp_path / "made.npy"
    assert len(whole) < 4200
    make_source(source, {"repository": [repository]}, made)
    assert np.load(made).tolist() == table.tolist()
    parts.popitem()
    repository = write_tar(tmp_path / "cut.tar.gz", parts)
    with pytest.raises(SourceError, match=r"cut\.tar\.gz: its 5 parts zpcorrtable\.npy\.tar"):
        make_source(source, {"repository": [repository]}, tmp_path / "none.npy")
    assert not (tmp_path / "none.npy").exists()
