import gzip
import io
import re

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import Column, MaskedColumn, Table
from numpy.testing import assert_allclose

from metalyra.core.containers import stream_members
from metalyra.surveys import SurveyError, check_stars, survey
from metalyra.surveys.formats.gaia_releases import RELEASES_FILE, read_releases
from metalyra.surveys.gaia import RELEASES, locate_source, read_stars
from tests.core.test_containers import write_folder, write_zip
from tests.surveys.test_serialisations import serialise

DR2, DR3 = survey("gaia_dr2"), survey("gaia_dr3")

HEADER = (
    "source_id,transit_id,band,time,mag,flux,flux_error,flux_over_error,"
    "rejected_by_photometry,rejected_by_variability,other_flags,solution_id\n"
)
ID = "4071632917964102400"


def epochs(star_id: str = ID) -> str:
    return HEADER + "".join(
        f"{star_id},{row}\n"
        for row in (
            "1,G,1700.5,15.5,100,1,100,false,false,1,3",
            "2,G,1701.5,15.6,100,1,50,true,true,1,3",
            "3,G,,,,,,false,false,1,3",
            "4,G,1703.5,15.7,100,1,-1,false,,1,3",
            "5,BP,1703.6,16.0,100,1,20,false,false,1,3",
        )
    )


def product(star_id: str = ID) -> str:
    return f"EPOCH_PHOTOMETRY-Gaia DR3 {star_id}.csv"


def read_curves(paths, ids, band="G", release=DR3):
    curves = release.read_light_curves(paths, pd.DataFrame({"star_id": ids}), band)
    return {curve.star_id: curve for curve in curves}


def test_dr3_keeps_what_the_variability_analysis_kept(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    table = read_curves([path], [ID])[ID].table
    assert table["time"].tolist() == [1700.5, 1703.5]
    assert table["mag"].tolist() == [15.5, 15.7]
    assert_allclose(table["mag_err"], [2.5 / np.log(10) / 100, np.nan])
    assert read_curves([path], [ID], "BP")[ID].table["mag"].tolist() == [16.0]


def test_dr2_is_taken_without_its_flags(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    table = read_curves([path], [ID], release=DR2)[ID].table
    assert table["time"].tolist() == [1700.5, 1701.5, 1703.5]


def test_stars_are_known_by_their_column_not_by_the_name_of_the_file(tmp_path):
    other = "5937083312263887616"
    rows = epochs() + epochs(other).removeprefix(HEADER)
    path = write_folder(tmp_path / "x", {f"../x/{product('123456')}": rows.encode()})
    assert {*read_curves([path], [ID, other])} == {ID, other}
    assert {*read_curves([path], [other])} == {other}


MANY = [str(int(ID) + 128 * number) for number in range(9)]


def files_of_many() -> dict[str, bytes]:
    """Files that are read together: other epochs for every star, the last without an end."""
    files = {
        product(star): epochs(star).replace(",15.", f",1{number}.").encode()
        for number, star in enumerate(MANY)
    }
    return files | {product(MANY[-1]): files[product(MANY[-1])].rstrip(b"\n")}


def assert_same_curves(found, expected):
    assert [*found] == [*expected]
    for star, curve in expected.items():
        assert found[star].problem == curve.problem
        if curve.table is None:
            assert found[star].table is None
        else:
            pd.testing.assert_frame_equal(
                found[star].table.reset_index(drop=True), curve.table.reset_index(drop=True)
            )


def test_files_that_are_read_together_are_those_that_are_read_alone(tmp_path):
    files = files_of_many()
    alone = {}
    for number, (name, data) in enumerate(files.items()):
        alone |= read_curves([write_zip(tmp_path / f"{number}.zip", {name: data})], MANY)
    assert len(alone) == len(MANY)
    assert_same_curves(read_curves([write_zip(tmp_path / "all.zip", files)], MANY), alone)
    wanted = read_curves([tmp_path / "all.zip"], MANY[3:5])
    assert_same_curves(wanted, {star: alone[star] for star in MANY[3:5]})


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text.replace("15.7", "x", 1), id="no number"),
        pytest.param(lambda text: text[: text.rindex(",G,")], id="cut short"),
        pytest.param(lambda text: HEADER, id="no rows"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: text.replace(",G,", ',"G,', 1), id="open quotes"),
        pytest.param(lambda text: text.replace("band,", "colour,"), id="another header"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="another end of lines"),
        pytest.param(lambda text: text.replace("1703.5", "", 1), id="an epoch less"),
    ],
)
def test_a_damaged_file_among_those_read_together_harms_itself_alone(tmp_path, damage):
    files = files_of_many()
    files[product(MANY[4])] = damage(epochs(MANY[4])).encode()
    alone = {}
    for number, (name, data) in enumerate(files.items()):
        alone |= read_curves([write_zip(tmp_path / f"{number}.zip", {name: data})], MANY)
    assert_same_curves(read_curves([write_zip(tmp_path / "all.zip", files)], MANY), alone)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"no column for time (g_transit_time or g_obs_time or timeg); mag"),
        (HEADER.encode() + b"x\n", ""),
        (b"\xff\xfe\x00", ""),
        (
            epochs().replace("band,", "colour,").encode(),
            "no column for band (band); its columns: s",
        ),
        (epochs().replace("1700.5", "text").encode(), "text"),
    ],
)
def test_an_unreadable_product_is_a_problem_of_its_star_only(tmp_path, data, message):
    other = "5937083312263887616"
    path = write_zip(tmp_path / "x.zip", {product(): data, product(other): epochs(other).encode()})
    curves = read_curves([path], [ID, other])
    assert curves[ID].table is None
    assert product() in curves[ID].problem
    assert message in curves[ID].problem
    assert len(curves[other].table) == 2


def write_stars(tmp_path, text):
    path = tmp_path / "vari_rrlyrae.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_the_mode_says_which_period_counts(tmp_path):
    path = write_stars(
        tmp_path,
        "source_id,pf,p1_o,best_classification,phi31_g,ra,dec\n"
        "1,0.6,0.4,RRab,2.0,10.0,-20.0\n2,,0.3,RRc,2.0,,\n3,0.5,0.37,RRd,,1,2\n4,,,RRab,,1,2\n",
    )
    stars = check_stars(DR3.read_stars([path]))
    assert stars["period"].tolist()[:3] == [0.6, 0.3, 0.37]
    assert stars["status"].tolist() == ["ok", "ok", "wrong_pulsation_type", "invalid_period"]
    assert_allclose(stars["archive_phi31"][:2], [2.0 + np.pi, 2.0 + np.pi])
    assert (stars["ra"][0], stars["dec"][0]) == (10.0, -20.0)
    assert stars[["ra", "dec"]].notna().all(axis=None)


def test_positions_have_the_epoch_of_their_release(tmp_path):
    text = f"source_id,pf,p1_o,best_classification\n{ID},0.5,,RRab\n"
    for release, epoch in ((DR2, 2015.5), (DR3, 2016.0), (survey("gaia_dr4"), 2017.5)):
        assert release.read_stars([write_stars(tmp_path, text)])["ref_epoch"].tolist() == [epoch]


def test_a_source_id_holds_its_position():
    ra, dec = locate_source(pd.Series(["2125982599341232896"]))  # RR Lyr
    assert_allclose([ra[0], dec[0]], [291.3663, 42.7844], atol=50 / 3600)


def test_catalogued_periods_are_another_star_file(tmp_path):
    periods = tmp_path / "periods.csv"
    periods.write_text(
        f"source_id,ogle_id,ogle_period,ogle_type,r2_4harm\n{ID},OGLE-1,0.5,RRab,0.9\n"
    )
    path = write_stars(
        tmp_path,
        f"source_id,pf,p1_o,best_classification\n{ID},0.6,,RRab\n5937083312263887616,0.7,,RRab\n",
    )
    assert DR3.read_stars([periods, path])["period"].tolist() == ["0.5", "0.7"]
    assert DR3.read_stars([path, periods])["period"].tolist() == ["0.6", "0.7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "source_id,pf,best_classification\n1,0.6,RRab\n",
            r"no column for first_overtone_period \(p1_o\); its columns: source_id, pf, best_class",
        ),
        ("source_id,ogle_period\n1,0.6\n", "no column 'ogle_id'"),
        ("source_id,pf,p1_o,best_classification\n4.07e18,0.6,,RRab\n", "row 1 .*4.07e18"),
        ("", "empty"),
    ],
)
def test_a_wrong_star_file_is_an_error_that_names_it(tmp_path, text, message):
    path = write_stars(tmp_path, text)
    with pytest.raises(SurveyError, match=rf"vari_rrlyrae\.csv\.gz.*{message}"):
        DR3.read_stars([path])


@pytest.fixture(scope="module")
def real(mirror):
    """The real star table, and the light curves of its stars."""
    folder = mirror / "gaia_dr3"
    files = [folder / "ogle_periods_for_gaia_dr3.csv", folder / "vari_rrlyrae_subset.csv.gz"]
    stars = check_stars(DR3.read_stars(files)).set_index("star_id", drop=False)
    archives = sorted((folder / "epoch_photometry").glob("*.zip"))
    return stars, read_curves(archives, stars["star_id"])


def test_real_products_have_the_clean_epochs_of_the_archive(real):
    stars, curves = real
    assert (stars["status"] == "ok").all()
    assert all(curve.problem is None for curve in curves.values())
    found = pd.Series({star_id: len(curve.table) for star_id, curve in curves.items()})
    expected = stars["archive_n_epochs"].reindex(found.index).dropna()
    # 896 have an OGLE period, 864 are in the archive's table, 57 are both.
    assert (len(found), len(expected)) == (1703, 864)
    assert (found[expected.index] == expected).all()


def test_real_phases_are_those_of_the_sine_series(real):
    stars, curves = real
    stars = stars[stars["archive_phi31"].notna() & (stars["archive_n_epochs"] > 40)]
    differences = []
    for star_id, star in stars.loc[stars.index.intersection([*curves])].iterrows():
        table = curves[star_id].table
        angle = 2 * np.pi * table["time"].to_numpy()[:, None] / star["period"] * np.arange(1, 6)
        design = np.hstack([np.ones((len(table), 1)), np.sin(angle), np.cos(angle)])
        solution = np.linalg.lstsq(design, table["mag"].to_numpy(), rcond=None)[0]
        phase = np.arctan2(solution[6:], solution[1:6])
        differences.append(
            [star[f"archive_phi{k}1"] - (phase[k - 1] - k * phase[0]) for k in (2, 3)]
        )
    angles = np.angle(np.exp(1j * np.array(differences)))
    assert len(angles) > 50
    assert (np.abs(np.median(angles, axis=0)) < 0.02).all()
    assert (np.median(np.abs(angles), axis=0) < 0.1).all()


def test_real_cells_hold_the_ogle_positions(mirror):
    stars = DR3.read_stars([mirror / "gaia_dr3/ogle_periods_for_gaia_dr3.csv"])
    ogle = survey("ogle").read_stars([mirror / "ogle_ocvs/ogle4/blg/ident_edit.dat"])
    both = stars.merge(ogle, left_on="ogle_id", right_on="star_id", suffixes=("", "_ogle"))
    assert len(both) > 300
    offset = np.hypot(
        (both["ra"] - both["ra_ogle"]) * np.cos(np.radians(both["dec"])),
        both["dec"] - both["dec_ogle"],
    )
    assert offset.max() < 60 / 3600


@pytest.fixture(scope="module")
def real_product(mirror):
    """The real product of one star as the archive's flat CSV, with 30 transits and more."""
    (first, *_) = sorted((mirror / "gaia_dr3/epoch_photometry").glob("*.zip"))
    member = next(member for member in stream_members(first) if len(member.data) > 15_000)
    return member.name, member.data


# The archive's own spelling of electrons a second, which parsers do not take.
ELECTRONS = units.Unit("'electron'.s**-1", parse_strict="silent")


def by_transit(points: pd.DataFrame) -> Table:
    """One row a transit, in the columns of mirror/gaia_archive_samples/dr3_epoch_*.txt."""
    table = Table({"transit_id": np.unique(points["transit_id"])})
    prefixes = {"G": ("g_transit_time", "g_transit_"), "BP": ("bp_obs_time", "bp_")}
    prefixes["RP"] = ("rp_obs_time", "rp_")
    for band, (time, prefix) in prefixes.items():
        rows = points[points["band"] == band].set_index("transit_id")
        rows = rows.reindex(table["transit_id"])
        table[time] = Column(rows["time"].to_numpy(), unit="d")
        for name in ("flux", "flux_error"):
            table[f"{prefix}{name}"] = Column(rows[name].to_numpy(), unit=ELECTRONS)
        table[f"{prefix}flux_over_error"] = rows["flux_over_error"].to_numpy(np.float32)
        table[f"{prefix}mag"] = Column(rows["mag"].to_numpy(), unit="mag")
        rejected = rows["rejected_by_variability"] == True  # noqa: E712
        table[f"variability_flag_{band.lower()}_reject"] = rejected.to_numpy()
    return table


def with_sources(table: Table) -> Table:
    table = table.copy()
    table.add_column(np.full(len(table), int(ID)), index=0, name="source_id")
    return table


def by_source(table: Table) -> Table:
    """One row a source with arrays in its cells."""
    raw = Table({"source_id": [int(ID)], "n_transits": [len(table)]})
    for name in table.colnames:
        raw[name] = table[name].reshape(1, -1)
    return raw


def as_text_of_lists(table: Table, brackets: str) -> bytes:
    """One row a source with arrays as text, as in the archive's bulk files and at the AIP."""
    cells = {"source_id": ID}
    for name in table.colnames:
        values = ["null" if value != value else str(value) for value in table[name]]
        cells[name] = f'"{brackets[0]}{",".join(values)}{brackets[1]}"'
    return f"{','.join(cells)}\n{','.join(cells.values())}\n".encode()


LAYOUTS = {
    **{
        f"transits, {serialisation}": lambda table, serialisation=serialisation: serialise(
            with_sources(table), serialisation
        )
        for serialisation in ("tabledata", "binary", "binary2", "fits", "ecsv", "csv")
    },
    **{
        f"sources, {serialisation}": lambda table, serialisation=serialisation: serialise(
            by_source(table), serialisation
        )
        for serialisation in ("tabledata", "binary", "binary2", "fits")
    },
    "sources, bulk csv": lambda table: as_text_of_lists(table, "[]"),
    "sources, aip csv": lambda table: as_text_of_lists(table, "{}"),
}


def at_the_aip(table: Table, serialisation: str) -> bytes:
    """One row a source with arrays as text, in an answer of the AIP's TAP service."""
    header, row = as_text_of_lists(table, "{}").decode().splitlines()
    cells = [cell.strip('"') for cell in re.findall(r'"[^"]*"|[^,"]+', row)]
    columns = dict(zip(header.split(","), cells, strict=True))
    columns["source_id"] = int(columns["source_id"])
    return serialise(Table([columns]), serialisation)


LAYOUTS["sources, aip votable"] = lambda table: at_the_aip(table, "tabledata")
LAYOUTS["sources, aip fits"] = lambda table: at_the_aip(table, "fits")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("band", ["G", "BP", "RP"])
def test_every_layout_of_a_real_product_gives_the_same_light_curve(
    tmp_path, real_product, layout, band
):
    name, flat = real_product
    star_id = re.findall(r"\d{10,}", name)[0]
    expected = read_curves([write_folder(tmp_path / "flat", {name: flat})], [star_id], band)
    points = pd.read_csv(io.BytesIO(flat))
    data = LAYOUTS[layout](by_transit(points))
    assert {"csv", "aip"} & {*layout.replace(",", "").split()} or b"electron" in data
    path = write_zip(tmp_path / "x.zip", {"EPOCH_PHOTOMETRY_RAW.xml": gzip.compress(data)})
    found = read_curves([path], [ID], band)
    assert len(expected[star_id].table) > 20
    pd.testing.assert_frame_equal(
        found[ID].table.sort_values("time", ignore_index=True),
        expected[star_id].table.sort_values("time", ignore_index=True),
        rtol=1e-6,
    )
    assert DR3.read_stars([path])["star_id"].tolist() == [ID]


@pytest.mark.parametrize("serialisation", ["binary2", "fits", "ecsv"])
@pytest.mark.parametrize("named", ["product", "parameter"])
def test_a_product_says_its_source_in_its_name_or_in_a_parameter(
    tmp_path, real_product, serialisation, named
):
    table = by_transit(pd.read_csv(io.BytesIO(real_product[1])))
    if named == "parameter":
        table.meta["source_id"] = int(ID)
    data = serialise(table, serialisation)
    if named == "parameter" and serialisation == "binary2":
        parameter = f'<PARAM datatype="long" name="source_id" value="{ID}"/><FIELD'
        data = data.replace(b"<FIELD", parameter.encode(), 1)
    path = write_zip(tmp_path / "x.zip", {product(ID if named == "product" else "7"): data})
    assert len(read_curves([path], [ID])[ID].table) > 20


@pytest.mark.parametrize("serialisation", ["tabledata", "binary2", "fits"])
def test_one_file_has_the_arrays_of_many_sources(tmp_path, real_product, serialisation):
    table = by_transit(pd.read_csv(io.BytesIO(real_product[1])))
    sources = {ID: table, "5937083312263887616": table[:12], "7": table[:0]}
    raw = Table({"source_id": np.array([*sources], dtype=np.int64)})
    for name in table.colnames:
        cells = np.empty(len(sources), dtype=object)
        arrays = [np.asarray(part[name]) for part in sources.values()]
        # astropy writes BINARY2 of masked arrays only.
        masked = serialisation == "binary2"
        cells[:] = [np.ma.array(a, mask=np.zeros(len(a))) for a in arrays] if masked else arrays
        raw[name] = cells
    path = write_zip(
        tmp_path / "x.zip", {"EPOCH_PHOTOMETRY_RAW.fits": serialise(raw, serialisation)}
    )
    curves = read_curves([path], [*sources])
    found = {star_id: len(curve.table) for star_id, curve in curves.items()}
    assert found.keys() == {ID, "5937083312263887616"}
    assert 0 < found["5937083312263887616"] <= 12 < found[ID]
    assert DR3.read_stars([path])["star_id"].tolist() == [*sources]


def test_a_source_whose_arrays_differ_in_length_is_unreadable(tmp_path):
    cells = ["[1,2]", "[15,15]", "[9,9]", "[false]"]
    columns = ["g_transit_time", "g_transit_mag", "g_transit_flux_over_error"]
    header = ",".join(["source_id", *columns, "variability_flag_g_reject"])
    row = ",".join([ID, *(f'"{cell}"' for cell in cells)])
    path = write_zip(tmp_path / "x.zip", {product(): f"{header}\n{row}\n".encode()})
    assert "differ in length" in read_curves([path], [ID])[ID].problem


def test_one_bad_source_of_many_is_a_problem_of_its_own(tmp_path):
    others = ["5937083312263887616", "4071632917964102401"]
    bad = epochs(others[0]).replace("1700.5", "noon")
    rows = epochs() + "".join(text.removeprefix(HEADER) for text in (bad, epochs(others[1])))
    path = write_zip(tmp_path / "x.zip", {"COMBINED.csv": rows.encode()})
    curves = read_curves([path], [ID, *others])
    assert curves[others[0]].table is None
    assert "COMBINED.csv: " in curves[others[0]].problem
    assert "noon" in curves[others[0]].problem
    assert len(curves[ID].table) == len(curves[others[1]].table) == 2


def test_a_damaged_file_of_many_stars_is_in_the_log(tmp_path, caplog):
    path = write_zip(tmp_path / "x.zip", {"EPOCH_PHOTOMETRY_RAW.xml": b"<VOTABLE>"})
    assert read_curves([path], [ID]) == {}
    assert "EPOCH_PHOTOMETRY_RAW.xml: not a VOTable" in caplog.text


@pytest.mark.parametrize("serialisation", ["tabledata", "binary2", "fits", "ecsv", "csv"])
def test_star_tables_come_in_every_serialisation(tmp_path, serialisation):
    table = Table(
        {
            "SOURCE_ID": [int(ID), 2],
            "pf": MaskedColumn([0.61234567890123, 0.0], mask=[False, True]),
            "p1_o": MaskedColumn([0.0, 0.3], mask=[True, False]),
            "best_classification": ["RRab", "RRc"],
            "num_clean_epochs_g": np.array([22, 30], dtype=np.int32),
            "ra": [10.0, 20.0],
            "dec": [-20.0, 5.0],
            "pmra": [-3.25, 1.5],
            "pmdec": [1.0, np.nan],
            "ref_epoch": [2016.0, 2016.0],
            "phot_g_mean_mag": np.array([15.1, 16.2], dtype=np.float32),
        }
    )
    path = tmp_path / "result.vot.gz"
    path.write_bytes(gzip.compress(serialise(table, serialisation)))
    stars = check_stars(DR3.read_stars([path]))
    assert stars["star_id"].tolist() == [ID, "2"]
    assert stars["period"].tolist() == [0.61234567890123, 0.3]
    assert stars["archive_n_epochs"].tolist() == [22, 30]
    np.testing.assert_array_equal(stars["pmdec"], [1.0, np.nan])
    assert stars["ref_epoch"].tolist() == [2016.0, 2016.0]
    assert_allclose(stars["phot_g_mean_mag"], [15.1, 16.2], rtol=1e-6)
    assert not stars["position_from_cell"].any()


def test_real_answers_for_gaia_source_say_where_stars_are(tmp_path, mirror):
    sources = mirror / "gaia_archive_samples/1710099405832VAL-result.vot"
    stars = check_stars(DR3.read_stars([sources]), periods_required=False)
    assert stars["star_id"].tolist() == ["4583627001381815936", "5348723816842275584"]
    assert_allclose(stars["dec"], locate_source(stars["star_id"])[1], atol=60 / 3600)
    listed = write_stars(
        tmp_path,
        "source_id,pf,p1_o,best_classification\n4583627001381815936,0.6,,RRab\n1,0.6,,RRab\n",
    )
    joined = DR3.read_stars([listed, sources])
    assert joined["star_id"].tolist() == ["4583627001381815936", "1"]
    assert joined["position_from_cell"].tolist() == [False, True]
    assert joined["pmra"].notna().tolist() == [True, False]


# Releases as data


def rename(text: str) -> str:
    """Give the flat file of a light curve the columns of DR4's draft, one row a transit."""
    points = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    tables = []
    for band in ("G", "BP", "RP"):
        names = ["time", "mag", "flux", "flux_error", "flux_over_error"]
        rows = points[points["band"] == band].set_index("transit_id")[names]
        new = {name: f"{band.lower()}_{name}" for name in names} | {
            "time": f"{band.lower()}_obs_time"
        }
        tables.append(rows.rename(columns=new))
    table = pd.concat(tables, axis="columns").fillna("").reset_index()
    table.insert(0, "source_id", points["source_id"][0])
    return table.to_csv(index=False)


def used(transits, star_id=ID, names=("g_used", "bp_used", "rp_used")) -> str:
    """Return the product of flags of one star, in which these transits were used in G."""
    rows = [f"{star_id},{n},{str(n in transits).lower()},true," for n in range(1, 6)]
    return "\n".join([",".join(["source_id", "transit_id", *names]), *rows, ""])


def flags_file(star_id: str = ID) -> str:
    return f"EPOCH_FLAGS_VARI-Gaia DR4 {star_id}.csv"


DR4 = survey("gaia_dr4")


def test_dr4_uses_what_its_product_of_flags_has_used(tmp_path):
    members = {product(): rename(epochs()).encode(), flags_file(): used({1, 4, 5}).encode()}
    together = [write_zip(tmp_path / "x.zip", members)]
    apart = [write_zip(tmp_path / f"{n}.zip", dict([m])) for n, m in enumerate(members.items())]
    for paths in (together, apart, apart[::-1], [write_folder(tmp_path / "folder", members)]):
        table = read_curves(paths, [ID], release=DR4)[ID].table
        assert table["time"].tolist() == [1700.5, 1703.5]
        assert_allclose(table["mag_err"], [2.5 / np.log(10) / 100, np.nan])
    assert len(read_curves(together, [ID], "BP", DR4)[ID].table) == 1
    # A flag without a value is not raised: of RP nothing was used.
    assert read_curves(together, [ID], "RP", DR4)[ID].table.empty


def test_dr4_with_the_flags_of_dr3_needs_no_product(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): epochs().encode()})
    assert len(read_curves([path], [ID], release=DR4)[ID].table) == 2


def test_dr4_with_its_flags_beside_its_light_curves_needs_no_product(tmp_path):
    table = pd.read_csv(io.StringIO(rename(epochs())), dtype=str, keep_default_na=False)
    table["g_used"] = table["transit_id"].isin(["1", "4"])
    path = write_zip(tmp_path / "x.zip", {product(): table.to_csv(index=False).encode()})
    found = read_curves([path], [ID], release=DR4)[ID].table
    assert found["time"].tolist() == [1700.5, 1703.5]


def test_without_the_product_there_is_one_error_and_a_survey_that_goes_on(tmp_path):
    path = write_zip(tmp_path / "x.zip", {product(): rename(epochs()).encode()})
    with pytest.raises(SurveyError, match=r"EPOCH_FLAGS_VARI.*gaia_dr4_without_flags"):
        read_curves([path], [ID], release=DR4)
    unflagged = survey("gaia_dr4_without_flags")
    assert len(read_curves([path], [ID], release=unflagged)[ID].table) == 3
    text = f"source_id,pf,p1_o,best_classification\n{ID},0.5,,RRab\n"
    assert unflagged.read_stars([write_stars(tmp_path, text)])["epoch_flags"].tolist() == [
        "not_used"
    ]
    assert "epoch_flags" not in DR4.read_stars([write_stars(tmp_path, text)])


def test_a_product_of_flags_with_gaps_loses_no_star(tmp_path, caplog):
    other = "5937083312263887616"
    members = {
        product(): rename(epochs()).encode(),
        product(other): rename(epochs(other)).encode(),
        flags_file(): used({1, 4}).replace(f"{ID},4,true,true,\n", "").encode(),
    }
    curves = read_curves([write_zip(tmp_path / "x.zip", members)], [ID, other], release=DR4)
    # Transit 4 is not in the product.
    assert curves[ID].table["time"].tolist() == [1700.5]
    assert curves[other].table is None
    assert "EPOCH_FLAGS_VARI has no flags of it" in curves[other].problem
    members[flags_file(other)] = b"\x00"
    curves = read_curves([write_zip(tmp_path / "y.zip", members)], [ID, other], release=DR4)
    assert curves[other].problem
    assert flags_file(other) in caplog.text


@pytest.mark.parametrize("damage", [None, "a file", "a source twice"])
def test_flags_that_are_read_together_are_those_that_are_read_alone(tmp_path, damage):
    flags = {flags_file(star): used({1 + n % 4, 4}, star).encode() for n, star in enumerate(MANY)}
    if damage == "a file":
        flags[flags_file(MANY[4])] = flags[flags_file(MANY[4])].replace(b",2,", b",x,")
    elif damage:
        flags[flags_file("123456")] = used({2}, MANY[4]).encode()
    curves = {product(star): rename(epochs(star)).encode() for star in MANY}
    photometry = write_zip(tmp_path / "curves.zip", curves)
    apart = [
        write_zip(tmp_path / f"{number}.zip", {name: data})
        for number, (name, data) in enumerate(flags.items())
    ]
    together = read_curves(
        [photometry, write_zip(tmp_path / "flags.zip", flags)], MANY, release=DR4
    )
    assert_same_curves(together, read_curves([photometry, *apart], MANY, release=DR4))
    assert together[MANY[1]].table["time"].tolist() == [1701.5, 1703.5]
    if damage:
        assert together[MANY[4]].table is None or len(together[MANY[4]].table) == 1


def test_a_transit_that_comes_twice_has_the_stricter_verdict(tmp_path):
    flags = used({1, 4}) + f"{ID},4,false,true,\n"
    members = {product(): rename(epochs()).encode(), flags_file(): flags.encode()}
    table = read_curves([write_zip(tmp_path / "x.zip", members)], [ID], release=DR4)[ID].table
    assert table["time"].tolist() == [1700.5]


def test_one_file_has_the_flags_of_many_sources_in_arrays(tmp_path):
    row = f'{ID},"[1,2,4]","[true,false,true]"\n'
    flags = f"source_id,transit_id,g_used\n{row}"
    members = {
        "EPOCH_PHOTOMETRY_RAW.csv": rename(epochs()).encode(),
        "EPOCH_FLAGS_VARI_RAW.csv": flags.encode(),
    }
    table = read_curves([write_zip(tmp_path / "x.zip", members)], [ID], release=DR4)[ID].table
    assert table["time"].tolist() == [1700.5, 1703.5]


def test_a_magnitude_error_comes_of_flux_and_its_error(tmp_path):
    text = rename(epochs()).replace("g_flux_over_error", "g_unknown")
    members = {product(): text.encode(), flags_file(): used({1, 2, 4}).encode()}
    table = read_curves([write_zip(tmp_path / "x.zip", members)], [ID], release=DR4)[ID].table
    assert_allclose(table["mag_err"], 2.5 / np.log(10) / 100)
    members[product()] = text.replace("g_flux_error", "g_unknown_error").encode()
    (curve,) = read_curves([write_zip(tmp_path / "y.zip", members)], [ID], release=DR4).values()
    assert "no column for flux_over_error (g_flux_over_error or" in curve.problem
    assert "g_unknown_error, g_unknown, bp_obs_time" in curve.problem


def test_a_renamed_column_is_named_with_the_columns_there_are(tmp_path):
    text = rename(epochs()).replace("g_obs_time", "g_time")
    path = write_zip(tmp_path / "x.zip", {product(): text.encode(), flags_file(): b"x"})
    problem = read_curves([path], [ID], release=DR4)[ID].problem
    assert "no column for time (g_obs_time or g_transit_time); its columns: source_id" in problem


def test_a_release_is_a_block_of_names(tmp_path):
    text = RELEASES_FILE.read_text().replace("[pf]", "[period_f, pf]")
    path = tmp_path / "releases.yaml"
    path.write_text(text)
    release = read_releases(path)["gaia_dr4"]
    assert release.digest != RELEASES["gaia_dr4"].digest
    stars = write_stars(
        tmp_path, f"source_id,period_f,pf,p1_o,best_classification\n{ID},0.5,9,,RRab\n"
    )
    assert read_stars([stars], release)["period"].tolist() == ["0.5"]
    path.write_text(text.replace("marks: used", "marks: good"))
    with pytest.raises(SurveyError, match=r"gaia_dr4.*marks is 'good'; it is used or rejected"):
        read_releases(path)
