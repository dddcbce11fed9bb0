"""Every native file of the mirror is read; the counts are those of its README or its lines."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from metalyra.core.containers import stream_members
from metalyra.surveys import Survey, survey
from metalyra.surveys.formats.literature import read_metallicities
from metalyra.surveys.formats.serialisations import read_tables
from metalyra.surveys.formats.text_tables import parse_numbers, read_text
from metalyra.surveys.ifeh import read_calibrators, read_light_curve_parameters
from metalyra.train.published import read_architecture, read_weights

OGLE, GAIA, VVV, DG22, IFEH = map(survey, ("ogle", "gaia_dr3", "vvv", "dg22", "ifeh"))

DOCUMENTS = (
    *("README.md", "SHA256SUMS", "*/README.txt", "*/remarks.txt", "*.par"),
    "gaia_archive_samples/dr3_epoch_photometry_fields.txt",
)
"""Files for people, or for other programs."""


def stars_of(source: Survey) -> Callable[[Path], int]:
    return lambda path: len(source.read_stars([path]))


def points_of(source: Survey, band: str, star_id: Callable[[str], str], apertures: int = 1):
    """Return how many points a file of one star has."""

    def read(path: Path) -> int:
        stars = pd.DataFrame({"star_id": [star_id(path.name)]})
        (curve,) = source.read_light_curves([path], stars, band)
        return len(curve.table) // apertures

    return read


def curves_of(
    source: Survey, band: str, lists: Callable[[Path], list[Path]]
) -> Callable[[Path], int]:
    """Return how many readable light curves an archive has."""

    def read(path: Path) -> int:
        stars = source.read_stars(lists(path))
        curves = source.read_light_curves([path], stars, band)
        return sum(curve.table is not None for curve in curves)

    return read


def rows_of_csv(separator: str = ",", **options: object) -> Callable[[Path], int]:
    return lambda path: len(read_text(path, path.read_bytes(), sep=separator, **options))


def bulge_star(name: str) -> str:
    return f"OGLE-BLG-RRLYR-{name.lstrip('b')[:5]}"


def rows_of_numbers(path: Path) -> int:
    return len(parse_numbers(path.read_bytes()))


def rows_of_answers(path: Path) -> int:
    return sum(len(table) for member in stream_members(path) for table in read_tables(member.data))


def lines(path: Path) -> int:
    return sum(1 for line in path.read_text().splitlines() if line.strip())


PREDICTED = ("id", "repeat", "true", "predicted")

READERS: dict[str, tuple[Callable[[Path], int], int]] = {
    "dekany_grebel_2022/lc_dev_g.tar.gz": (stars_of(DG22), 13_323),
    "dekany_grebel_2022/lc_target_k.tar.gz": (
        curves_of(DG22, "Ks", lambda path: [path.with_name("inner_bulge_new_rrab.dat")]),
        4_447,
    ),
    "dekany_grebel_2022/inner_bulge_new_rrab.dat": (stars_of(DG22), 4_447),
    "dekany_grebel_2022/g_dev_reconstructed.csv": (stars_of(DG22), 3_567),
    "dekany_grebel_2022/results_g/*/model.json": (lambda path: bool(read_architecture(path)), 1),
    "dekany_grebel_2022/results_k/*/model.json": (lambda path: bool(read_architecture(path)), 1),
    "dekany_grebel_2022/results_g/*/weights_*.h5": (lambda path: bool(read_weights(path)), 10),
    "dekany_grebel_2022/results_k/*/weights_*.h5": (lambda path: bool(read_weights(path)), 10),
    "dekany_grebel_2022/results_g/*/published_val_predictions.csv": (rows_of_csv(), 3_567),
    "dekany_grebel_2022/results_k/*/predict_val_*.dat": (rows_of_csv(" ", names=PREDICTED), 7_534),
    "dekany_grebel_2022/results_k/*/predict_train_*.dat": (
        rows_of_csv(" ", names=PREDICTED),
        9 * 7_534,
    ),
    "dekany_2021_ifeh/CHR_X_phot_single.dat": (lambda path: len(read_calibrators([path])), 522),
    "dekany_2021_ifeh/LIT_hires_feh_*_X_phot.dat": (
        lambda path: len(read_calibrators([path])),
        178 + 110,
    ),
    "dekany_2021_ifeh/o4rr*_param.dat": (
        lambda path: len(read_light_curve_parameters(path)),
        6_759 + 5_193 + 10_734 + 9_903 + 831,
    ),
    "dekany_2021_ifeh/photometry.tar.gz": (
        curves_of(IFEH, "I", lambda path: [path.with_name("CHR_X_phot_single.dat"), path]),
        2_187,
    ),
    "gaia_archive_samples/*.vot": (rows_of_answers, 2 + 3),
    "gaia_archive_samples/*.vot.gz": (rows_of_answers, 3),
    "gaia_archive_samples/*.ecsv": (rows_of_answers, 5),
    "gaia_dr3/vari_rrlyrae_subset.csv.gz": (stars_of(GAIA), 14_629),
    "gaia_dr3/ogle_periods_for_gaia_dr3.csv": (stars_of(GAIA), 896),
    "gaia_dr3/epoch_photometry/datalink_*.zip": (stars_of(GAIA), 2_500),
    "hds_metallicities/*_abundances.dat": (lambda path: len(read_metallicities(path)), 797),
    "lcfit_examples/test1.lst": (stars_of(OGLE), 3),
    "lcfit_examples/test2.lst": (stars_of(VVV), 1),
    "lcfit_examples/phasedlc_test/*.dat": (rows_of_numbers, 411 + 119 + 147),
    "lcfit_examples/synlc_test/*.dat": (rows_of_numbers, 3 * 120),
    "lcfit_examples/test_photometry/b12700.dat": (
        points_of(VVV, "Ks", lambda name: name.removesuffix(".dat"), apertures=5),
        623,
    ),
    "lcfit_examples/test_photometry/b[25]*.dat": (
        points_of(OGLE, "I", bulge_star),
        367 + 99 + 127,
    ),
    "muraveva_2025/table_a2_lmc.csv.gz": (lambda path: len(read_metallicities(path)), 13_728),
    "muraveva_2025/feh_4042.csv": (lambda path: len(read_metallicities(path)), 4_042),
    "ogle_ocvs/ogle3_rrlyr.txt.gz": (stars_of(OGLE), 44_217),
    "ogle_ocvs/ogle4/blg/RR?.dat": (stars_of(OGLE), 19_079 + 333),
    "ogle_ocvs/ogle4/gd/RR*.dat": (stars_of(OGLE), 7_819 + 2_242 + 125),
    "ogle_ocvs/ogle4/*/aRRd.dat": (stars_of(OGLE), 47 + 16),
    "ogle_ocvs/ogle4/*/gc.dat": (stars_of(OGLE), 655 + 13),
    "ogle_ocvs/ogle4/blg/ident_edit.dat": (stars_of(OGLE), 68_148),
    "ogle_ocvs/ogle4/gd/ident*.dat": (stars_of(OGLE), 2 * 10_202),
    "ogle_ocvs/lightcurves/*.o3": (points_of(OGLE, "I", bulge_star), lines),
    "ogle_ocvs/lightcurves/*.o4": (points_of(OGLE, "I", bulge_star), lines),
    "vvv_zero_points/input.lst": (stars_of(VVV), 3),
    "vvv_zero_points/test_data/*_xmatch.dat": (
        points_of(VVV, "Ks", lambda name: name.removesuffix("_xmatch.dat"), apertures=5),
        lambda path: lines(Path(str(path).replace("_xmatch.dat", ".dat~"))),
    ),
    "vvv_zero_points/test_data/*.dat~": (
        points_of(VVV, "Ks", lambda name: name.removesuffix(".dat~"), apertures=5),
        lines,
    ),
}
"""What reads each file, and how many stars, light curves or rows all those of a name have."""


@pytest.mark.parametrize("pattern", READERS)
def test_every_file_is_read_to_its_end(mirror, pattern):
    read, expected = READERS[pattern]
    paths = sorted(mirror.glob(pattern))
    if callable(expected):
        expected = sum(map(expected, paths))
    assert sum(map(read, paths)) == expected > 0


def test_no_file_of_the_mirror_is_without_a_reader(mirror):
    listed = [
        line.split(maxsplit=1)[1] for line in (mirror / "SHA256SUMS").read_text().splitlines()
    ]
    left = [
        name
        for name in (Path(name.removeprefix("./")) for name in listed)
        if sum(name.match(pattern) for pattern in (*READERS, *DOCUMENTS)) != 1
    ]
    assert left == []


def test_values_are_those_of_the_mirrors_readme(mirror):
    gaia = GAIA.read_stars([mirror / "gaia_dr3/vari_rrlyrae_subset.csv.gz"])
    assert gaia["pulsation_type"].value_counts().to_dict() == {"RRab": 8_000, "RRc": 6_629}
    assert gaia["archive_phi31"].notna().mean() == pytest.approx(0.5, abs=0.1)
    longest = max(lines(path) for path in (mirror / "ogle_ocvs/lightcurves").iterdir())
    assert longest == 16_644
    assert len([*(mirror / "ogle_ocvs/lightcurves").glob("*.o4")]) == 5
    hds = {
        path.stem: read_metallicities(path).groupby("name")["feh"].mean()
        for path in (mirror / "hds_metallicities").iterdir()
    }
    # The papers agree on which stars are metal-rich and which metal-poor.
    for name, centre in (("SW_And", -0.15), ("X_Ari", -2.5)):
        found = [feh[name] for feh in hds.values() if name in feh]
        assert len(found) >= 5
        assert all(abs(feh - centre) < 0.4 for feh in found)
    members = OGLE.read_stars(
        [mirror / "ogle_ocvs/ogle4/blg" / name for name in ("ident_edit.dat", "gc.dat")]
    )
    assert members["globular_cluster"].notna().sum() > 600
