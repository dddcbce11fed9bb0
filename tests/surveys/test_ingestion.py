import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalyra.core.chunks import chunk_of
from metalyra.core.containers import ContainerError
from metalyra.core.tables import read_table, read_tables
from metalyra.surveys import LightCurve, SurveyError, ingest, survey
from tests.core.test_containers import write_tar

OGLE = survey("ogle")
IDS = [f"OGLE-BLG-RRLYR-{i:05d}" for i in range(1, 41)]


GAIA_HEADER = b"source_id,band,time,mag,flux_over_error,rejected_by_variability\n"


def curve(i: int) -> bytes:
    times = np.random.default_rng(i).uniform(7000, 8000, 5)
    return "".join(f"{time:.5f} {15 + i / 100:.3f} 0.010\n" for time in times).encode()


@pytest.fixture
def star_file(tmp_path):
    path = tmp_path / "stars.lst"
    path.write_text("".join(f"{star_id} 0.5\n" for star_id in IDS))
    return path


def light_curves(tmp_path, content: dict[str, bytes]):
    return write_tar(tmp_path / "phot.tar.gz", content)


def files_of(folder, chunks):
    return [folder / f"{chunk}.parquet" for chunk in range(chunks)]


def test_every_star_is_in_its_chunk_in_order(tmp_path, star_file):
    names = [*reversed(IDS)]
    path = light_curves(tmp_path, {f"I/{name}.dat": curve(int(name[-5:])) for name in names})
    stars = ingest(OGLE, [star_file], [path], "I", tmp_path / "out", 3)
    assert (stars["status"] == "ok").all()
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        f"{chunk}.parquet" for chunk in range(3)
    ]
    for chunk, file in enumerate(files_of(tmp_path / "out", 3)):
        table = read_table(file)
        assert table.columns.tolist() == ["star_id", "band", "time", "mag", "mag_err"]
        expected = [star_id for star_id in IDS if chunk_of(star_id, 3) == chunk]
        assert table["star_id"].unique().tolist() == expected
        for _, rows in table.groupby("star_id"):
            assert rows["time"].is_monotonic_increasing
            assert len(rows) == 5


def test_the_order_of_the_archive_and_the_buffer_leave_no_trace(tmp_path, star_file, monkeypatch):
    digests = set()
    for run, (names, buffered) in enumerate([(IDS, 10**9), (IDS[::-1], 10**9), (IDS, 1)]):
        monkeypatch.setattr("metalyra.surveys.ingestion.BUFFERED_VALUES", buffered)
        path = light_curves(tmp_path, {f"{name}.dat": curve(int(name[-5:])) for name in names})
        folder = tmp_path / str(run)
        ingest(OGLE, [star_file], [path], "I", folder, 4)
        digests.add(tuple(file.read_bytes() for file in files_of(folder, 4)))
    assert len(digests) == 1


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 50))
def test_chunks_divide_the_light_curves_and_change_nothing(tmp_path_factory, chunks):
    folder = tmp_path_factory.mktemp("x")
    (folder / "stars.lst").write_text("".join(f"{star_id} 0.5\n" for star_id in IDS))
    path = light_curves(folder, {f"{name}.dat": curve(int(name[-5:])) for name in IDS})
    for n in (1, chunks):
        ingest(OGLE, [folder / "stars.lst"], [path], "I", folder / f"out{n}", n)
    pd.testing.assert_frame_equal(
        read_tables(files_of(folder / f"out{chunks}", chunks)),
        read_tables(files_of(folder / "out1", 1)),
    )


def test_every_kind_of_broken_star_has_its_status(tmp_path, caplog):
    (tmp_path / "stars.lst").write_text(
        "00001 0.5\n00002 0.5\n00003 text\n00004 0.5\n00005 0.5\n00001 0.6\n00006 0.5\n"
    )
    (tmp_path / "RRd.dat").write_text(IDS[6] + " " * 17 + "0.50000000\n")
    path = light_curves(
        tmp_path,
        {
            f"{IDS[0]}.dat": curve(1),
            f"{IDS[1]}.dat": b"<html>",
            f"{IDS[2]}.dat": curve(3),
            f"V/{IDS[4]}.dat": curve(5),
            f"{IDS[5]}.dat": b"7000.5 nan 0.1\n",
            f"{IDS[39]}.dat": curve(40),
        },
    )
    with caplog.at_level(logging.WARNING):
        stars = ingest(
            OGLE, [tmp_path / "stars.lst", tmp_path / "RRd.dat"], [path], "I", tmp_path / "out", 2
        )
    assert dict(zip(stars["star_id"], stars["status"], strict=True)) == {
        IDS[0]: "ok",
        IDS[1]: "unreadable_light_curve",
        IDS[2]: "invalid_period",
        IDS[3]: "no_light_curve",
        IDS[4]: "no_light_curve",
        f"{IDS[0]}#2": "duplicate_id",
        IDS[5]: "ok",
        IDS[6]: "wrong_pulsation_type",
    }
    assert f"{IDS[1]}: {IDS[1]}.dat: row 1 holds '<html>'" in caplog.text
    table = read_tables(files_of(tmp_path / "out", 2))
    assert table["star_id"].unique().tolist() == [IDS[0], IDS[5]]


def test_the_files_of_a_star_are_joined(tmp_path):
    (tmp_path / "stars.lst").write_text("00001 0.5\n00002 0.5\n")
    (tmp_path / "00001.o4").write_text("7000.5 15.0 0.1\n7001.5 15.0 0.1\n")
    (tmp_path / "00001.o3").write_text("4000.5 15.0 0.1\n")
    (tmp_path / "00002.o4").write_text("7000.5 15.0 0.1\n")
    (tmp_path / "00002.o3").write_text("garbage\n")
    files = [tmp_path / name for name in ("00001.o4", "00001.o3", "00002.o3", "00002.o4")]
    stars = ingest(OGLE, [tmp_path / "stars.lst"], files, "I", tmp_path / "out", 1)
    assert stars["status"].tolist() == ["ok", "ok"]
    table = read_table(tmp_path / "out/0.parquet")
    assert table["time"].tolist() == [4000.5, 7000.5, 7001.5, 7000.5]


def test_a_long_list_can_be_cut_to_the_stars_observed(tmp_path):
    (tmp_path / "stars.lst").write_text("00001 0.5\n00002 0.5\n00003 0\n00001 0.5\n00004 0.5\n")
    path = light_curves(
        tmp_path, {f"{IDS[0]}.dat": curve(1), f"{IDS[2]}.dat": curve(3), f"{IDS[3]}.dat": b"x"}
    )
    stars = ingest(
        OGLE, [tmp_path / "stars.lst"], [path], "I", tmp_path / "out", 1, observed_only=True
    )
    assert dict(zip(stars["star_id"], stars["status"], strict=True)) == {
        IDS[0]: "ok",
        IDS[2]: "invalid_period",
        f"{IDS[0]}#2": "duplicate_id",
        IDS[3]: "unreadable_light_curve",
    }


def test_a_truncated_archive_is_an_error_and_leaves_nothing_half_done(tmp_path, star_file):
    path = light_curves(tmp_path, {f"{name}.dat": curve(int(name[-5:])) for name in IDS})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ContainerError, match=r"phot\.tar\.gz: damaged or cut short"):
        ingest(OGLE, [star_file], [path], "I", tmp_path / "out", 2)
    assert [*(tmp_path / "out").iterdir()] == []


def test_what_a_killed_run_left_does_no_harm(tmp_path, star_file):
    leftover = tmp_path / "out/.incoming/0.float64"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(bytes(8 * 40))
    path = light_curves(tmp_path, {f"{IDS[0]}.dat": curve(1)})
    ingest(OGLE, [star_file], [path], "I", tmp_path / "out", 1)
    assert len(read_table(tmp_path / "out/0.parquet")) == 5
    assert not leftover.parent.exists()


def test_chunks_without_stars_are_tables_all_the_same(tmp_path, star_file):
    path = light_curves(tmp_path, {})
    stars = ingest(OGLE, [star_file], [path], "I", tmp_path / "out", 2)
    assert set(stars["status"]) == {"no_light_curve"}
    filled = ingest(
        OGLE,
        [star_file],
        [light_curves(tmp_path, {f"{IDS[0]}.dat": curve(1)})],
        "I",
        tmp_path / "filled",
        1,
    )
    assert len(filled) == len(stars)
    schema = pq.read_schema(tmp_path / "filled/0.parquet")
    for file in files_of(tmp_path / "out", 2):
        assert pq.read_schema(file).equals(schema)
        assert len(read_table(file)) == 0


def test_the_time_scale_travels_with_the_light_curves(tmp_path, star_file):
    path = light_curves(tmp_path, {})
    ingest(OGLE, [star_file], [path], "I", tmp_path / "out", 1)
    metadata = pq.read_schema(tmp_path / "out/0.parquet").metadata
    assert metadata[b"time_scale"] == b"HJD-2450000"
    assert metadata[b"survey"] == b"ogle"


def test_columns_of_whole_numbers_stay_whole(tmp_path):
    def read_light_curves(paths, stars, band):
        table = pd.DataFrame(
            {"time": [1.0], "mag": [15.0], "mag_err": [0.1], "aperture": [3], "zp_err": [0.0]}
        )
        yield LightCurve("a", table)

    (tmp_path / "stars.lst").write_text("a 0.5\n")
    vvv = replace(survey("vvv"), read_light_curves=read_light_curves)
    ingest(vvv, [tmp_path / "stars.lst"], [], "Ks", tmp_path / "out", 1)
    assert read_table(tmp_path / "out/0.parquet")["aperture"].dtype == int


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        [
            ("ogle", "I", "OGLE-BLG-RRLYR-00001", "OGLE-BLG-RRLYR-00001.dat", b""),
            ("gaia_dr3", "G", "4071632917964102400", "DR3 4071632917964102400.csv", GAIA_HEADER),
            ("gaia_dr2", "G", "4071632917964102400", "DR2 4071632917964102400.csv", GAIA_HEADER),
            ("vvv", "Ks", "a", "a_xmatch.dat", b""),
            ("dg22", "Ks", "a", "a_bin.dat", b""),
            ("own", "G", "a", "a.csv", b"time,mag\n"),
        ]
    ),
    st.one_of(
        st.binary(max_size=80), st.text("0123456789.,-ne #\n\t", max_size=80).map(str.encode)
    ),
)
def test_any_bytes_are_a_light_curve_or_a_problem(tmp_path_factory, case, data):
    name, band, star_id, file_name, header = case
    path = light_curves(tmp_path_factory.mktemp("x"), {file_name: header + data})
    stars = pd.DataFrame({"star_id": [star_id], "id": [star_id], "period": [0.5]})
    for item in survey(name).read_light_curves([path], stars, band):
        assert item.star_id == star_id
        assert (item.table is None) == (item.problem is not None)
        if item.table is not None:
            assert item.table.columns.tolist() == [*survey(name).columns]
            assert all(kind.kind in "fi" for kind in item.table.dtypes)


def test_a_band_of_another_survey_is_refused(tmp_path, star_file):
    with pytest.raises(SurveyError, match="has no band 'Ks'"):
        ingest(OGLE, [star_file], [], "Ks", tmp_path / "out", 1)


def test_real_light_curves_are_ingested(mirror, tmp_path):
    folder = mirror / "dekany_grebel_2022"
    stars = ingest(
        survey("dg22"),
        [folder / "inner_bulge_new_rrab.dat"],
        [folder / "lc_target_k.tar.gz"],
        "Ks",
        tmp_path,
        9,
    )
    assert stars["status"].value_counts().to_dict() == {"ok": 4447}
    table = read_tables(files_of(tmp_path, 9))
    assert set(table["star_id"]) == set(stars["star_id"])


def test_the_star_list_may_be_another_archives(tmp_path):
    """VVV's epochs of OGLE's stars: identifiers, positions, periods and types are OGLE's."""
    (tmp_path / "ident.dat").write_text(
        f"{IDS[0]}  RRab  17:05:07.49 -32:37:57.2\n{IDS[1]}  RRab  17:05:08.09 -32:37:58.1\n"
    )
    (tmp_path / "stars.lst").write_text("00001 0.5\n00002 0.6\n")
    (tmp_path / "epochs.csv").write_text(
        "star_id,source_id,ra,dec,mjd,filterID,aperMag1,aperMag1Err,aperMag3,aperMag3Err\n"
        f"{IDS[0]},7,256.28,-32.63,55275.3,5,14.1,0.01,14.0,0.01\n"
    )
    (tmp_path / "RRab.dat").write_text(
        f"{IDS[1]}  15.836 17.100  0.60000000 0.00000162  7000.28852  0.274  0.139 5.209  0.061 "
        "2.564\n"
    )
    (tmp_path / "blazhko.csv").write_text("star_id,blazhko_probability\n00002,0.5\n")
    lists = [tmp_path / name for name in ("ident.dat", "stars.lst", "RRab.dat", "blazhko.csv")]
    stars = ingest(
        *(survey("vvv"), lists, [tmp_path / "epochs.csv"], "Ks", tmp_path / "out", 1),
        listed_by=OGLE,
    )
    assert stars["star_id"].tolist() == IDS[:2]
    assert stars["status"].tolist() == ["ok", "no_light_curve"]
    assert stars["period"].tolist() == [0.5, 0.6]
    # Magnitudes, amplitudes and times of maximum in OGLE's list are of other light curves.
    own = ["archive_period_err", "archive_blazhko_probability"]
    assert [name for name in stars if name.startswith("archive_")] == own
    assert stars[own].iloc[1].tolist() == [0.00000162, 0.5]
    assert stars["ra"].iloc[0] == pytest.approx(256.2812, abs=1e-4)
    table = read_table(tmp_path / "out/0.parquet")
    assert table[["star_id", "aperture", "mag"]].to_numpy().tolist() == [
        [IDS[0], 1, 14.1],
        [IDS[0], 3, 14.0],
    ]
    # From the Earth to the Sun, with OGLE's position.
    assert 0 < abs(table["time"].iloc[0] - 55275.8) < 0.006
    metadata = pq.read_schema(tmp_path / "out/0.parquet").metadata
    assert (metadata[b"survey"], metadata[b"time_scale"]) == (b"vvv", b"HJD-2400000")
