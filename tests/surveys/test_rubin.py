import numpy as np
import pandas as pd
import pytest

from metalyra.core.tables import read_metadata, read_table
from metalyra.surveys import SurveyError, ingest, survey

# Columns of ForcedSource and Visit of DP1 and DP2.
SOURCES = pd.DataFrame(
    {
        "objectId": [611256447031836758] * 4 + [2, 2],
        "visit": [2024110800245, 2024110800246, 2024110900247, 99, 2024110800245, 2024110800246],
        "detector": 3,
        "band": ["g", "g", "r", "g", "g", "g"],
        "psfFlux": [3630.0, 7000.0, 1.0, 5.0, -20.0, 100.0],
        "psfFluxErr": [36.3, 70.0, 1.0, 1.0, 10.0, 10.0],
        "psfFlux_flag": [False, False, False, False, False, True],
        "psfDiffFlux": 1.0,
        "pixelFlags_bad": False,
        "pixelFlags_saturatedCenter": False,
    }
)
VISITS = pd.DataFrame(
    {
        "visit": [2024110800245, 2024110800246, 2024110900247],
        "band": ["g", "g", "r"],
        "expMidptMJD": [60622.1, 60622.2, 60623.1],
        "ra": 53.0,
    }
)


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("objectId,ra,dec,period\n611256447031836758,53,-28,0.5\n2,,,0.6\n")
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_forced_sources_are_joined_with_their_visits(tmp_path, stars, kind):
    folder = tmp_path / "dp1"
    folder.mkdir()
    for name, table in (("ForcedSource", SOURCES), ("Visit", VISITS)):
        path = folder / f"{name}.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    table = ingest(survey("rubin"), [stars], [folder], "g", tmp_path / "out", 1)
    curves = read_table(tmp_path / "out/0.parquet")
    assert table["status"].tolist() == ["ok", "no_light_curve"]
    assert table["reason"][1] == (
        "none of its 2 measurements counts: 1 with a flux that is not positive, 1 flagged in "
        "psfFlux_flag"
    )
    np.testing.assert_allclose(curves["mag"], 31.4 - 2.5 * np.log10([3630.0, 7000.0]))
    np.testing.assert_allclose(curves["mag_err"], 0.01 * 2.5 / np.log(10))
    # TAI to TDB, and at most 500 s of light travel time to the barycentre.
    delay = (curves["time"] - 2400000.5 - [60622.1, 60622.2]) * 86400 - 32.184
    assert delay.abs().max() < 510
    assert delay.abs().min() > 100
    assert read_metadata(tmp_path / "out/0.parquet")["time_scale"] == "BJD TDB"
    kept = survey("rubin", {"time_scale": "MJD TAI"})
    ingest(kept, [stars], [folder], "g", tmp_path / "out", 1)
    assert read_table(tmp_path / "out/0.parquet")["time"].tolist() == [60622.1, 60622.2]


def test_without_visits_it_is_said_what_is_missing(tmp_path, stars):
    folder = tmp_path / "dp1"
    folder.mkdir()
    SOURCES.to_csv(folder / "ForcedSource.csv", index=False)
    with pytest.raises(SurveyError, match="have no time; put a table with the columns visit and"):
        ingest(survey("rubin"), [stars], [folder], "g", tmp_path / "out", 1)


def test_sources_with_times_of_their_own_need_no_visits(tmp_path, stars):
    path = tmp_path / "dia.csv"
    times = SOURCES["visit"].map(VISITS.set_index("visit")["expMidptMJD"])
    SOURCES.assign(midpointMjdTai=times).iloc[:3].to_csv(path, index=False)
    table = ingest(survey("rubin"), [stars], [path], "g", tmp_path / "out", 1)
    assert table["status"].tolist() == ["ok", "no_light_curve"]
    assert len(read_table(tmp_path / "out/0.parquet")) == 2
