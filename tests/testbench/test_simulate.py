import gzip
import hashlib
import io
import re
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix

from metalyra.core.randomness import generator
from metalyra.surveys import ingest, survey
from testbench.simulate import archive_files, simulate_sky, write_archives
from testbench.simulate.archive_files import _sexagesimal
from testbench.simulate.defects import EXPECTED_STATUS, SURVEY_DEFECTS
from testbench.simulate.pulsation import FourierCurve, draw_rrab, draw_rrc
from testbench.simulate.sky import COPIES, _draw_star, _plan_stars

SETTINGS = {"n_rrab": 30, "n_rrab_field": 6, "n_rrc": 20}
BULGE = {"I": 16.0, "G": 17.0, "Ks": 14.5}

# Byte columns of ogle_ocvs/ogle4/blg/README.txt, counted from 1.
IDENT_BYTES = {
    "star_id": (1, 20),
    "pulsation_type": (23, 26),
    "hours": (29, 30),
    "minutes": (32, 33),
    "seconds": (35, 39),
    "sign": (41, 41),
    "degrees": (42, 43),
    "arcminutes": (45, 46),
    "arcseconds": (48, 51),
}
PARAMETER_BYTES = {
    "star_id": (1, 20),
    "mean_mag": (23, 28),
    "period": (38, 47),
    "period_err": (49, 58),
    "time_of_maximum": (61, 70),
    "amplitude": (73, 77),
    "r21": (80, 84),
    "phi21": (86, 90),
    "r31": (93, 97),
    "phi31": (99, 103),
}


@pytest.fixture(scope="module")
def sky():
    return simulate_sky(SETTINGS, seed=42)


@pytest.fixture(scope="module")
def files(sky):
    return dict(archive_files(sky))


@pytest.fixture(scope="module")
def rrab():
    return [draw_rrab(generator(1, "test", str(i)), BULGE) for i in range(400)]


@pytest.fixture(scope="module")
def rrc():
    bands = {band: BULGE[band] for band in ("I", "G")}
    return [draw_rrc(generator(1, "test", str(i)), bands) for i in range(400)]


def cut_bytes(content, layout):
    return pd.DataFrame(
        [
            {name: line[first - 1 : last].strip() for name, (first, last) in layout.items()}
            for line in content.decode("ascii").splitlines()
        ]
    )


def read_tar(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


def read_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_gaia_stars(content):
    return pd.read_csv(io.BytesIO(gzip.decompress(content)), dtype={"source_id": str})


def broken(sky, survey, defect):
    truth = sky.truth
    ids = truth["star_id"][(truth["survey"] == survey) & (truth["defect"] == defect)]
    assert len(ids) == COPIES * (2 if defect == "duplicate_id" else 1)
    return list(ids)


def in_band(curve):
    """Return the columns of magnitudes of a light curve, of Gaia's the rows in G."""
    curve = curve[curve["band"] == "G"] if "band" in curve else curve
    return curve[[name for name in curve if re.fullmatch(r"mag(_\d)?", name)]]


def sound_curves(sky, survey):
    truth = sky.truth[(sky.truth["survey"] == survey) & (sky.truth["defect"] == "")]
    return {star: sky.archives[survey].light_curves[star] for star in truth["star_id"]}


# Pulsation


def test_rrab_follow_the_d21_relation(rrab):
    curves = [star.curves["I"] for star in rrab]
    feh = [
        -5.819 - 6.350 * star.period + 5.785 * curve.amplitudes[1]
        + 1.248 * curve.phase_difference(3, 5.88)
        for star, curve in zip(rrab, curves, strict=True)
    ]  # fmt: skip
    residual = feh - np.array([star.feh for star in rrab])
    assert abs(residual.mean()) < 0.006
    assert 0.025 < residual.std() < 0.035


def test_rrc_follow_the_relations_of_both_bands(rrc):
    true = np.array([star.feh for star in rrc])
    dekany, muraveva = [], []
    for star in rrc:
        i_band, g_band = star.curves["I"], star.curves["G"]
        a1, a2, _ = i_band.amplitudes
        phi31 = i_band.phase_difference(3, 6.83)
        dekany.append(-1.821 - 10.014 * star.period + 13.835 * a1 - 34.704 * a2 + 0.325 * phi31)
        cosine = g_band.phase_difference(3, 6.83) - np.pi
        muraveva.append(0.80 - 8.54 * star.period + 0.23 * cosine - 9.34 * g_band.amplitudes[1])
    for feh in (dekany, muraveva):
        assert abs(np.mean(feh - true)) < 0.006
        assert 0.025 < np.std(feh - true) < 0.035


@pytest.mark.parametrize(
    ("stars", "band", "harmonic", "centre"),
    [
        ("rrab", "I", 2, 9.1),
        ("rrab", "I", 3, 5.88),
        ("rrab", "G", 3, 5.5),
        ("rrab", "Ks", 3, 8.2),
        ("rrc", "I", 3, 6.83),
        ("rrc", "G", 3, 6.83),
    ],
)
def test_phase_differences_stay_clear_of_the_ends_of_their_window(
    stars, band, harmonic, centre, request
):
    phases = [
        star.curves[band].phase_difference(harmonic, centre)
        for star in request.getfixturevalue(stars)
    ]
    assert abs(np.median(phases) - centre) < 0.7
    assert np.ptp(phases) < 5.0
    assert np.abs(np.array(phases) - centre).max() < np.pi - 0.2


def test_metallicities_spread_as_in_the_bulge(rrab):
    feh = np.array([star.feh for star in rrab])
    assert -2.4 < feh.min() < -2.0
    assert -0.6 < feh.max() < -0.2
    assert -1.6 < np.median(feh) < -1.3


def test_amplitudes_fall_with_period_and_wavelength(rrab):
    period = [star.period for star in rrab]
    amplitude = {
        band: np.array([star.curves[band].peak_to_peak() for star in rrab]) for band in BULGE
    }
    for values in amplitude.values():
        assert np.corrcoef(period, values)[0, 1] < -0.2
    assert np.mean(amplitude["G"] > amplitude["I"]) > 0.98
    assert 1.15 < np.median(amplitude["G"] / amplitude["I"]) < 1.35
    assert np.median(amplitude["Ks"]) < 0.6 * np.median(amplitude["I"])


def test_curves_rise_faster_than_they_decline(rrab):
    for star in rrab[:50]:
        curve = star.curves["I"]
        grid = np.arange(0, 1, 0.01)
        faintest = grid[np.argmax(curve.magnitude(grid))]
        assert (curve.brightest_phase() - faintest) % 1 < 0.4


def test_series_is_a_sine_series_in_magnitudes():
    curve = FourierCurve(15.0, np.array([0.3, 0.1]), np.array([0.5, 1.2]))
    expected = 15.0 + 0.3 * np.sin(2 * np.pi * 0.2 + 0.5) + 0.1 * np.sin(4 * np.pi * 0.2 + 1.2)
    assert curve.magnitude(np.array([0.2]))[0] == pytest.approx(expected)
    assert curve.phase_difference(2, 0.0) == pytest.approx(1.2 - 2 * 0.5)


# Native files


def test_ogle_ident_has_the_byte_columns_of_the_readme(sky, files):
    table = cut_bytes(files["ogle_ocvs/ogle4/blg/ident.dat"], IDENT_BYTES)
    stars = sky.archives["ogle"].stars
    assert list(table["star_id"]) == list(stars["star_id"])
    assert list(table["pulsation_type"]) == list(stars["pulsation_type"])
    number = table.drop(columns=["star_id", "pulsation_type", "sign"]).astype(float)
    ra = 15 * (number["hours"] + number["minutes"] / 60 + number["seconds"] / 3600)
    dec = number["degrees"] + number["arcminutes"] / 60 + number["arcseconds"] / 3600
    dec = dec.where(table["sign"] == "+", -dec)
    np.testing.assert_allclose(ra, stars["ra"], atol=15 * 0.0051 / 3600)
    np.testing.assert_allclose(dec, stars["dec"], atol=0.051 / 3600)
    assert number["seconds"].max() < 60
    assert list(table["sign"] == "-") == list(stars["dec"] < 0)


def test_ogle_parameters_have_the_byte_columns_of_the_readme(sky, files):
    stars = sky.archives["ogle"].stars
    for kind in ("RRab", "RRc"):
        table = cut_bytes(files[f"ogle_ocvs/ogle4/blg/{kind}.dat"], PARAMETER_BYTES)
        expected = stars[stars["pulsation_type"] == kind]
        assert len(table) > 0
        assert list(table["star_id"]) == list(expected["star_id"])
        for column, digits in {"mean_mag": 3, "time_of_maximum": 5, "r21": 3, "phi31": 3}.items():
            np.testing.assert_allclose(
                table[column].astype(float), expected[column], atol=0.51 * 10.0**-digits
            )
        text = [str(period).startswith("-") or period == "unknown" for period in table["period"]]
        valid = ~np.array(text)
        np.testing.assert_allclose(
            table["period"][valid].astype(float),
            expected["period"].to_numpy()[valid].astype(float),
            atol=0.51e-8,
        )


def test_ogle_lines_look_like_the_real_ones(files, mirror):
    def layouts(content):
        return {
            re.sub(rb"\d", b"0", line).rstrip()
            for line in content.splitlines()
            if line.count(b".") == 9
        }

    name = "ogle_ocvs/ogle4/blg/RRc.dat"
    real = layouts((mirror / name).read_bytes())
    # These have no V magnitude, as many real stars.
    assert layouts(files[name])
    assert layouts(files[name]) <= real


def test_sexagesimal_positions_never_show_sixty_seconds():
    assert _sexagesimal(17.999999999, 2) == "18:00:00.00"
    assert _sexagesimal(29 + 59 / 60 + 59.96 / 3600, 1) == "30:00:00.0"


def test_ogle_light_curves_have_time_magnitude_and_error(sky, files):
    members = read_tar(files["ogle_ocvs/ogle4/blg/phot.tar.gz"])
    curves = sound_curves(sky, "ogle")
    for star_id, curve in curves.items():
        assert re.fullmatch(r"OGLE-BLG-RRLYR-\d{5}", star_id)
        text = members[f"phot/I/{star_id}.dat"].decode()
        assert re.fullmatch(r"[ \d]\d{3}\.\d{5} \d\d\.\d{3} \d\.\d{3}", text.splitlines()[0])
        np.testing.assert_allclose(
            np.loadtxt(io.StringIO(text)), curve.to_numpy(), atol=5.1e-4, rtol=0
        )


def test_gaia_epoch_photometry_has_the_archives_columns(sky, files):
    for release, name in (("gaia_dr2", "Gaia DR2"), ("gaia_dr3", "Gaia DR3")):
        members = read_zip(files[f"{release}/epoch_photometry.zip"])
        for source_id, curve in sound_curves(sky, release).items():
            table = pd.read_csv(
                io.BytesIO(members[f"EPOCH_PHOTOMETRY-{name} {source_id}.csv"]),
                dtype={"source_id": str},
            )
            assert set(table["source_id"]) == {source_id}
            assert list(table["band"].unique()) == ["G", "BP", "RP"]
            np.testing.assert_allclose(table["mag"], curve["mag"], rtol=1e-12)
            g = table[table["band"] == "G"].dropna(subset="mag")
            zero_points = g["mag"] + 2.5 * np.log10(g["flux"])
            np.testing.assert_allclose(zero_points, 25.68737, atol=1e-9)
            np.testing.assert_allclose(g["flux"] / g["flux_error"], g["flux_over_error"])


def test_gaia_files_have_the_header_and_types_of_the_real_ones(sky, files, mirror):
    with zipfile.ZipFile(mirror / "gaia_dr3/epoch_photometry/datalink_00.zip") as archive:
        real = pd.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
        assert re.fullmatch(r"EPOCH_PHOTOMETRY-Gaia DR3 \d+\.csv", archive.namelist()[0])
    members = read_zip(files["gaia_dr3/epoch_photometry.zip"])
    source_id = next(iter(sound_curves(sky, "gaia_dr3")))
    simulated = pd.read_csv(io.BytesIO(members[f"EPOCH_PHOTOMETRY-Gaia DR3 {source_id}.csv"]))
    assert list(simulated) == list(real)
    assert dict(simulated.dtypes) == dict(real.dtypes)
    real_stars = pd.read_csv(mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz", nrows=5)
    stars = read_gaia_stars(files["gaia_dr3/vari_rrlyrae.csv.gz"])
    assert set(stars) == {*real_stars, "ra", "dec"}


@pytest.mark.parametrize("release", ["gaia_dr2", "gaia_dr3"])
def test_source_id_is_in_the_cell_of_the_position(release, files):
    stars = read_gaia_stars(files[f"{release}/vari_rrlyrae.csv.gz"])
    cells = HEALPix(nside=4096, order="nested").lonlat_to_healpix(
        stars["ra"].to_numpy() * units.deg, stars["dec"].to_numpy() * units.deg
    )
    assert [int(source_id) // 2**35 for source_id in stars["source_id"]] == list(cells)


def test_vvv_light_curves_have_five_apertures(sky, files):
    members = read_tar(files["vvv/light_curves.tar.gz"])
    stars = pd.read_csv(io.BytesIO(files["vvv/stars.csv"]))
    assert list(stars) == ["id", "ra", "dec"]
    for star_id, curve in sound_curves(sky, "vvv").items():
        table = np.loadtxt(io.BytesIO(members[f"{star_id}.dat"]))
        assert table.shape == (len(curve), 16)
        assert (np.diff(table[:, 0]) > 0).all()
        assert ((table[:, 0] > 55260) & (table[:, 0] < 57286)).all()
        assert (np.ptp(np.median(table[:, 1::3], axis=0))) < 0.3
        assert (table[:, 2::3] > 0).all()


def test_periods_and_positions_agree_between_surveys(sky):
    truth = sky.truth[sky.truth["star"].str.startswith("rrab/")]
    assert truth.groupby("star")["survey"].nunique().eq(3).all()
    assert truth.groupby("star")["feh_true"].nunique().eq(1).all()
    positions = {}
    for name, key in (("ogle", "star_id"), ("gaia_dr2", "source_id"), ("vvv", "id")):
        stars = sky.archives[name].stars.astype({key: str}).drop_duplicates(key).set_index(key)
        of_survey = truth[truth["survey"] == name].sort_values("star")
        rows = stars.loc[of_survey["star_id"]]
        positions[name] = SkyCoord(rows["ra"], rows["dec"], unit="deg")
        if name != "vvv":
            period = rows["period" if name == "ogle" else "pf"].astype(float)
            np.testing.assert_allclose(period, of_survey["period"], atol=1e-5)
    for name in ("gaia_dr2", "vvv"):
        assert positions["ogle"].separation(positions[name]).arcsec.max() < 0.7


# Observations


@pytest.mark.parametrize(
    ("name", "band", "zero", "column"),
    [
        ("ogle", "I", 2_450_000.0, "mag"),
        ("vvv", "Ks", 2_400_000.0, "mag_1"),
        ("gaia_dr2", "G", 2_455_197.5, "mag"),
    ],
)
def test_folded_curves_scatter_about_the_noiseless_one(sky, name, band, zero, column):
    plans = {plan.name: plan for plan in _plan_stars(SETTINGS)}
    truth = sky.truth[(sky.truth["survey"] == name) & (sky.truth["defect"] == "")]
    scatter, amplitude = [], []
    for row in truth[truth["star"].str.startswith("rrab/")].itertuples():
        star = _draw_star(plans[row.star], 42)
        curve = sky.archives[name].light_curves[row.star_id]
        curve = curve[curve["band"] == "G"] if "band" in curve else curve
        curve = curve.dropna(subset=column)
        phase = (curve["time"].to_numpy() + zero - star.epoch) / star.period % 1
        residual = curve[column] - star.curves[band].magnitude(phase)
        scatter.append(1.4826 * np.median(np.abs(residual - np.median(residual))))
        amplitude.append(star.curves[band].peak_to_peak())
    low, high = {"ogle": (0.005, 0.02), "vvv": (0.015, 0.035), "gaia_dr2": (0.005, 0.015)}[name]
    assert low < np.median(scatter) < high
    assert (np.array(scatter) < 0.5 * np.array(amplitude)).all()


def test_observations_have_the_cadence_of_the_surveys(sky):
    ogle = sound_curves(sky, "ogle").values()
    assert all(120 <= len(curve) <= 500 for curve in ogle)
    days = np.concatenate([(curve["time"] - 5197.5) % 365.25 for curve in ogle])
    assert days.min() > 25
    assert days.max() < 320
    n_gaia = [len(in_band(curve)) for curve in sound_curves(sky, "gaia_dr2").values()]
    assert 33 < np.median(n_gaia) < 50
    n_vvv = [len(curve) for curve in sound_curves(sky, "vvv").values()]
    assert 60 < np.median(n_vvv) < 75
    times = [
        curve.loc[curve["band"] == "G", "time"] for curve in sound_curves(sky, "gaia_dr3").values()
    ]
    gaps = np.concatenate([np.diff(time.dropna()) for time in times])
    short = np.round(gaps[gaps < 0.3], 2)
    assert set(np.unique(short)) <= {0.07, 0.08, 0.17, 0.18, 0.25}


def test_fainter_stars_are_noisier(sky):
    for name, error in (("ogle", "mag_err"), ("vvv", "mag_err_1")):
        curves = sound_curves(sky, name).values()
        magnitude = [in_band(curve).iloc[:, 0].median() for curve in curves]
        assert np.corrcoef(magnitude, [curve[error].median() for curve in curves])[0, 1] > 0.6


# Broken stars


def test_every_defect_of_every_survey_has_its_stars_and_status(sky):
    for name, defects in SURVEY_DEFECTS.items():
        for defect in defects:
            rows = sky.truth[(sky.truth["survey"] == name) & (sky.truth["defect"] == defect)]
            assert (rows["expected_status"] == EXPECTED_STATUS[defect]).sum() == COPIES
    sound = sky.truth[sky.truth["defect"] == ""]
    assert set(sound["expected_status"]) == {"ok"}


def test_truth_has_the_rows_of_the_star_tables(sky):
    for name, archive in sky.archives.items():
        truth = sky.truth[sky.truth["survey"] == name]
        plain = truth["star_id"].str.replace(r"#\d+$", "", regex=True)
        assert list(plain) == list(archive.stars.iloc[:, 0].astype(str))
        assert truth["star_id"].is_unique


@pytest.mark.parametrize("name", list(SURVEY_DEFECTS))
def test_broken_light_curves_are_broken(name, sky, files):
    path = {
        "ogle": "ogle_ocvs/ogle4/blg/phot.tar.gz",
        "vvv": "vvv/light_curves.tar.gz",
    }.get(name, f"{name}/epoch_photometry.zip")
    members = read_zip(files[path]) if path.endswith("zip") else read_tar(files[path])
    curves = sky.archives[name].light_curves

    def content(star_id):
        return next(data for member, data in members.items() if f"{star_id}." in member)

    for star_id in broken(sky, name, "no_light_curve"):
        assert not any(f"{star_id}." in member for member in members)
    for star_id in broken(sky, name, "empty_file"):
        assert content(star_id) == b""
    for star_id in broken(sky, name, "error_page"):
        assert content(star_id).startswith(b"<html>")
    for star_id in broken(sky, name, "random_bytes"):
        with pytest.raises(UnicodeDecodeError):
            content(star_id).decode()
    for star_id in broken(sky, name, "few_epochs"):
        assert 0 < len(in_band(curves[star_id])) < 20
    for star_id in broken(sky, name, "nan_magnitudes"):
        assert in_band(curves[star_id]).isna().all(axis=None)
        assert len(in_band(curves[star_id])) >= 20
    for star_id in broken(sky, name, "constant_magnitude"):
        assert in_band(curves[star_id]).nunique().eq(1).all()
    for star_id in broken(sky, name, "some_infinite_magnitudes"):
        assert np.isinf(curves[star_id].filter(regex=r"^mag(_\d)?$")).sum().eq(3).all()
    for star_id in broken(sky, name, "repeated_epochs"):
        assert curves[star_id].duplicated().sum() > 5


@pytest.mark.parametrize("name", ["ogle", "gaia_dr3"])
def test_broken_periods_are_broken_in_the_files(name, sky, files):
    if name == "ogle":
        table = cut_bytes(files["ogle_ocvs/ogle4/blg/RRab.dat"], PARAMETER_BYTES)
        period = table.drop_duplicates("star_id").set_index("star_id")["period"]
    else:
        table = read_gaia_stars(files[f"{name}/vari_rrlyrae.csv.gz"])
        period = table.drop_duplicates("source_id").set_index("source_id")["p1_o"].fillna("-")
    assert all(float(period[star]) == 0 for star in broken(sky, name, "period_zero"))
    assert all(float(period[star]) < -0.1 for star in broken(sky, name, "period_negative"))
    assert all(period[star] == "unknown" for star in broken(sky, name, "period_text"))
    assert all(period[star] == "-" for star in broken(sky, name, "period_missing"))


@pytest.mark.parametrize("name", ["gaia_dr2", "vvv"])
def test_ambiguous_and_unmatched_stars_are_so_by_position(name, sky):
    ogle = sky.archives["ogle"].stars
    reference = SkyCoord(ogle["ra"], ogle["dec"], unit="deg")
    stars = sky.archives[name].stars
    position = stars.set_index(stars.iloc[:, 0].astype(str))[["ra", "dec"]]
    for defect, expected in (("ambiguous_match", 2), ("no_match", 0)):
        for star_id in broken(sky, name, defect):
            here = SkyCoord(*position.loc[star_id], unit="deg")
            assert (here.separation(reference).arcsec < 1.0).sum() == expected


@pytest.mark.parametrize(
    ("name", "band", "paths"),
    [
        (
            "ogle",
            "I",
            (
                "ogle_ocvs/ogle4/blg/ident.dat",
                "ogle_ocvs/ogle4/blg/RRab.dat",
                "ogle_ocvs/ogle4/blg/RRc.dat",
                "ogle_ocvs/ogle4/blg/phot.tar.gz",
            ),
        ),
        ("gaia_dr3", "G", ("gaia_dr3/vari_rrlyrae.csv.gz", "gaia_dr3/epoch_photometry.zip")),
    ],
)
def test_survey_readers_account_for_every_star(name, band, paths, sky, tmp_path):
    write_archives(sky, tmp_path)
    *stars, light_curves = (tmp_path / path for path in paths)
    table = ingest(survey(name), stars, [light_curves], band, tmp_path / "chunks", 1)
    truth = sky.truth[sky.truth["survey"] == name].set_index("star_id")
    expected = truth["expected_status"][table["star_id"]]
    # Whether the epochs suffice is for the fit to say.
    expected = expected.replace(["too_few_epochs", "constant_magnitude"], "ok")
    assert list(table["status"]) == list(expected)
    assert len(table) == len(truth)


# Reproducibility


def test_same_seed_gives_the_same_bytes(files, tmp_path):
    again = simulate_sky(SETTINGS, seed=42)
    write_archives(again, tmp_path)
    written = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert written == files


def test_another_seed_gives_another_sky(files):
    other = dict(archive_files(simulate_sky(SETTINGS, seed=43)))
    assert other.keys() == files.keys()
    assert all(
        hashlib.sha256(other[path]).digest() != hashlib.sha256(files[path]).digest()
        for path in files
    )


def test_more_stars_leave_the_others_as_they_are(sky):
    larger = simulate_sky({"n_rrab": 33, "n_rrab_field": 7, "n_rrc": 24}, seed=42)
    kept = larger.truth[larger.truth["star"].isin(sky.truth["star"])]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), sky.truth)
    assert len(larger.truth) > len(kept)
    for name, archive in sky.archives.items():
        for star_id, curve in archive.light_curves.items():
            other = larger.archives[name].light_curves[star_id]
            if isinstance(curve, bytes):
                assert other == curve
            else:
                pd.testing.assert_frame_equal(other, curve)
