"""The real light curves that the benchmarks share, from the mirror."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metalyra.core import generator
from metalyra.fit import FitSettings, LightCurveError, fold_best_aperture, read_points
from metalyra.fit.folding import FoldedCurve
from metalyra.surveys import check_stars, survey
from metalyra.surveys.ifeh import IFEH, read_calibrators
from metalyra.surveys.interface import Survey

CALIBRATOR_TABLES = (
    "dekany_2021_ifeh/CHR_X_phot_single.dat",
    "dekany_2021_ifeh/LIT_hires_feh_1_X_phot.dat",
    "dekany_2021_ifeh/LIT_hires_feh_2_X_phot.dat",
)


def find_mirror() -> Path:
    """Return the folder that METALYRA_MIRROR names, else ../shared/mirror."""
    default = Path(__file__).parents[2] / "shared" / "mirror"
    mirror = Path(os.environ.get("METALYRA_MIRROR", default))
    if not mirror.is_dir():
        raise SystemExit(f"no real data: METALYRA_MIRROR names no folder ({mirror})")
    return mirror


def read_sample(
    source: Survey, band: str, stars: Sequence[Path], light_curves: Sequence[Path]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the star table and the light curves of a sample."""
    table = check_stars(source.read_stars(stars))
    parts = [
        curve.table.assign(star_id=curve.star_id, band=band)
        for curve in source.read_light_curves(light_curves, table, band)
        if curve.table is not None
    ]
    return table, pd.concat(parts, ignore_index=True)


def read_asas(mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return stars, light curves and published columns of the calibrators in ASAS."""
    tables = [mirror / name for name in CALIBRATOR_TABLES]
    archive = mirror / "dekany_2021_ifeh" / "photometry.tar.gz"
    stars, light_curves = read_sample(IFEH, "I", tables, [archive])
    published = read_calibrators(tables)
    published = published[(published["photometry"] == "asas") & published["period"].notna()]
    published = published.drop_duplicates("star_id").reset_index(drop=True)
    measured = set(light_curves["star_id"])
    published = published[published["star_id"].isin(measured)]
    stars = stars[stars["star_id"].isin(published["star_id"])].reset_index(drop=True)
    published = published.set_index("star_id").loc[stars["star_id"]].reset_index()
    return stars, light_curves, published


def read_ogle(mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars and OGLE-IV I-band light curves, up to 16,644 epochs."""
    stars, light_curves = read_sample(
        survey("ogle"),
        "I",
        [mirror / "ogle_ocvs" / "ogle3_rrlyr.txt.gz"],
        sorted((mirror / "ogle_ocvs" / "lightcurves").glob("*.o4")),
    )
    return stars[stars["star_id"].isin(light_curves["star_id"])], light_curves


def read_gaia_dr2(mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars and folded G-band light curves of the development set."""
    folder = mirror / "dekany_grebel_2022"
    return read_sample(
        survey("dg22"), "G", [folder / "g_dev_reconstructed.csv"], [folder / "lc_dev_g.tar.gz"]
    )


def read_vvv(mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars and folded Ks-band light curves of the inner bulge."""
    folder = mirror / "dekany_grebel_2022"
    return read_sample(
        survey("dg22"), "Ks", [folder / "inner_bulge_new_rrab.dat"], [folder / "lc_target_k.tar.gz"]
    )


def read_gaia_dr3(mirror: Path, band: str = "G") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return stars of known period and their light curves in a band."""
    folder = mirror / "gaia_dr3"
    stars, light_curves = read_sample(
        survey("gaia_dr3"),
        band,
        [folder / "vari_rrlyrae_subset.csv.gz", folder / "ogle_periods_for_gaia_dr3.csv"],
        sorted((folder / "epoch_photometry").glob("datalink_*.zip")),
    )
    return stars[stars["star_id"].isin(light_curves["star_id"])], light_curves


def fold_stars(
    stars: pd.DataFrame, light_curves: pd.DataFrame, settings: FitSettings
) -> list[FoldedCurve]:
    """Return the folded light curves of the stars that have one and can be folded."""
    curves = dict(list(light_curves.groupby("star_id", sort=False)))
    folded = []
    for star in stars[stars["star_id"].isin(curves)].itertuples(index=False):
        points = read_points(curves[star.star_id], settings.phases == "published")
        rng = generator(1, "fit", star.star_id)
        try:
            folded.append(
                fold_best_aperture(points, star.period, star.pulsation_type, settings, rng)
            )
        except LightCurveError:
            continue
    return folded
