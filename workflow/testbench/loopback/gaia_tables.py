"""Gaia's tables, made of the files of a folder."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord

from metalyra.surveys.gaia import locate_source
from testbench.loopback.datalink import EpochPhotometry, read_epochs
from testbench.loopback.tables import Builder, Column, whole_numbers

_STAR_FILES = ("vari_rrlyrae.csv.gz", "vari_rrlyrae_subset.csv.gz")
_RELEASES = {"gaia_dr2": "Gaia DR2", "gaia_dr3": "Gaia DR3", "gaia_dr4": "Gaia DR4"}
_EPOCHS = {"gaia_dr2": 2015.5, "gaia_dr3": 2016.0, "gaia_dr4": 2017.5}

# The columns of vari_rrlyrae but those whose values are arrays:
# https://docs.rs/crate/gaia_access/0.2.0/source/src/data/gaiadr3/vari_rrlyrae/mod.rs
_BANDS = ("g", "bp", "rp")
_WITH_ERRORS = (
    "pf",
    "p1_o",
    *(f"epoch_{band}" for band in (*_BANDS, "rv")),
    *(f"int_average_{band}" for band in _BANDS),
    "average_rv",
    *(f"peak_to_peak_{band}" for band in (*_BANDS, "rv")),
    "metallicity",
    "r21_g",
    "r31_g",
    "phi21_g",
    "phi31_g",
)
_COUNTS = tuple(f"num_clean_epochs_{band}" for band in (*_BANDS, "rv"))
_RR_LYRAE = (
    "solution_id",
    "source_id",
    *(name + suffix for name in _WITH_ERRORS for suffix in ("", "_error")),
    *_COUNTS,
    *(f"zp_mag_{band}" for band in _BANDS),
    *(f"num_harmonics_for_p1_{band}" for band in (*_BANDS, "rv")),
    *(f"reference_time_{band}" for band in (*_BANDS, "rv")),
    "fund_freq1",
    "fund_freq1_error",
    "fund_freq2",
    "fund_freq2_error",
    "best_classification",
    "g_absorption",
    "g_absorption_error",
)
_OF_DR2 = ("p2_o", "p2_o_error", "p3_o", "p3_o_error")

METADATA = {
    column.name: column
    for column in (
        Column("source_id", "long", "", "meta.id", "Unique source identifier"),
        Column("ra", "double", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("dec", "double", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("l", "double", "deg", "pos.galactic.lon", "Galactic longitude"),
        Column("b", "double", "deg", "pos.galactic.lat", "Galactic latitude"),
        Column("ref_epoch", "double", "yr", "meta.ref;time.epoch", "Reference epoch"),
        Column("pmra", "double", "mas.yr**-1", "pos.pm;pos.eq.ra", "Proper motion"),
        Column("pmdec", "double", "mas.yr**-1", "pos.pm;pos.eq.dec", "Proper motion"),
        Column("pf", "double", "d", "time.period", "Period of the fundamental mode"),
        Column("p1_o", "double", "d", "time.period", "Period of the first overtone"),
        Column("phot_g_mean_mag", "double", "mag", "phot.mag;em.opt", "G-band mean magnitude"),
        Column("int_average_g", "double", "mag", "", "Intensity-averaged magnitude in G"),
        Column("peak_to_peak_g", "double", "mag", "", "Peak-to-peak amplitude in G"),
        Column("phi31_g", "double", "rad", "", "Fourier parameter phi31 in G"),
    )
}


def gaia_tables(
    folder: Path, prefix: str, *, epochs: bool, dr4: str = "as_dr3"
) -> dict[str, Builder]:
    """Return the tables of Gaia's releases.

    Parameters
    ----------
    folder
        Laid out as the mirror.
    prefix
        The schemas are called ``<prefix>dr2`` and so on.
    epochs
        With a table of the light curves, one row a transit and band.
    dr4
        One of `testbench.loopback.datalink.DR4_MODES`. In those of the draft the column of the
        pulsation types has another name, a fifth of the sources are in the tables
        ``all_source_*`` alone, some of them without a position, and there is a crosswalk.
    """
    tables: dict[str, Builder] = {}
    for survey, release in _RELEASES.items():
        if survey == "gaia_dr4" and not (folder / survey).is_dir():
            continue
        schema = prefix + survey.removeprefix("gaia_")
        tables[f"{schema}.vari_rrlyrae"] = partial(_rr_lyrae, folder, survey)
        tables[f"{schema}.gaia_source"] = partial(_gaia_source, folder, survey, release)
        if epochs:
            tables[f"{schema}.epoch_photometry"] = partial(read_epochs, folder, release)
        if survey == "gaia_dr4" and dr4 != "as_dr3":
            source = tables[f"{schema}.gaia_source"]
            tables |= {
                f"{schema}.vari_rrlyrae": partial(_rename_types, tables[f"{schema}.vari_rrlyrae"]),
                f"{schema}.gaia_source": partial(_good_sources, source),
                f"{schema}.all_source_astrometry": partial(_all_astrometry, source),
                f"{schema}.all_source_photometry": partial(_all_photometry, source),
                f"{schema}.dr3_neighbourhood": partial(_neighbourhood, source),
            }
    return tables


def _read_stars(folder: Path, survey: str) -> pd.DataFrame:
    """Read the list of RR Lyrae stars of a release."""
    for name in _STAR_FILES:
        path = folder / survey / name
        if path.is_file():
            return pd.read_csv(path)
    return pd.DataFrame({"source_id": pd.Series(dtype="int64")})


def _rr_lyrae(folder: Path, survey: str) -> pd.DataFrame:
    """Return the archive's table of RR Lyrae stars; what the file has not is null."""
    stars = _read_stars(folder, survey)
    names = [*_RR_LYRAE, *(_OF_DR2 if survey == "gaia_dr2" else ())]
    return pd.DataFrame({name: _column(stars, name) for name in names})


def _column(stars: pd.DataFrame, name: str) -> pd.Series:
    """Return a column with the archive's type."""
    if name not in stars:
        return pd.Series(np.nan, index=stars.index)
    if name == "best_classification":
        return stars[name]
    if name in ("source_id", *_COUNTS):
        return whole_numbers(stars[name])
    return pd.to_numeric(stars[name], errors="coerce").astype("float64")


def vizier_light_curves(folder: Path) -> dict[str, Builder]:
    """Return the light curves of DR3 under VizieR's names, a row a transit."""
    return {"I/355/epphot": partial(_epphot, folder)}


def _epphot(folder: Path) -> pd.DataFrame:
    points = read_epochs(folder, "Gaia DR3")
    key = ["source_id", "transit_id"]
    table = points[key].drop_duplicates().set_index(key)
    for band in ("G", "BP", "RP"):
        rows = points[points["band"] == band].drop_duplicates(key).set_index(key)
        names = {"time": f"Time{band}", "flux": f"F{band}", "flux_error": f"e_F{band}"}
        flags = rows["rejected_by_variability"].astype("boolean").astype("Int64")
        chosen = rows[[*names, "mag"]].rename(columns={**names, "mag": f"{band}mag"})
        table = table.join(chosen.assign(**{f"{band}rVFlag": flags}))
    return table.reset_index().rename(columns={"source_id": "Source", "transit_id": "TransitID"})


def _rename_types(stars: Builder) -> pd.DataFrame:
    return stars().rename(columns={"best_classification": "best_class_name"})


def _good_sources(source: Builder) -> pd.DataFrame:
    sources = source()
    return sources[sources["random_index"] % 5 != 0]


def _all_astrometry(source: Builder) -> pd.DataFrame:
    sources = source()
    names = ["source_id", "ref_epoch", "ra", "dec", "pmra", "pmra_error", "pmdec", "pmdec_error"]
    return sources.loc[sources["random_index"] % 15 != 0, names]


def _all_photometry(source: Builder) -> pd.DataFrame:
    return source()[["source_id", *(f"phot_{band}_mean_mag" for band in _BANDS)]]


def old_identifier(source_id: pd.Series) -> pd.Series:
    """Return the identifiers in DR3 of sources of DR4: of every third, another one."""
    return source_id.where(source_id // 128 % 3 != 0, source_id + 64)


def _neighbourhood(source: Builder) -> pd.DataFrame:
    """Return the crosswalk from DR3; every second source has a neighbour that it is not."""
    sources = source()
    own = pd.DataFrame(
        {
            "source_id": sources["source_id"],
            "dr3_source_id": old_identifier(sources["source_id"]),
            "angular_distance": 0.5,
            "magnitude_difference": 0.01,
            "probable_match": True,
        }
    )
    other = own[own["source_id"] // 128 % 2 == 0].assign(
        source_id=lambda table: table["source_id"] + 32,
        angular_distance=0.3,
        probable_match=False,
    )
    return pd.concat([own, other], ignore_index=True)


def _gaia_source(folder: Path, survey: str, release: str) -> pd.DataFrame:
    """Return the archive's sources: those in the list of stars and those with light curves."""
    stars = _read_stars(folder, survey).drop_duplicates("source_id")
    photometry = EpochPhotometry(folder, id_limit=0, layout="bands")
    others = pd.DataFrame({"source_id": photometry.sources(release)}, dtype="int64")
    sources = pd.concat([stars, others[~others["source_id"].isin(stars["source_id"])]])
    sources = sources.reset_index(drop=True)
    cells = locate_source(sources["source_id"])
    ra, dec = (
        sources[name].fillna(pd.Series(cell)) if name in sources else pd.Series(cell)
        for name, cell in zip(("ra", "dec"), cells, strict=True)
    )
    galactic = SkyCoord(ra.to_numpy() * units.deg, dec.to_numpy() * units.deg).galactic
    # Mixed bits of the identifier, so that neighbours on the sky are apart.
    mixed = sources["source_id"].to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    missing = pd.Series(np.nan, index=sources.index)
    return pd.DataFrame(
        {
            "designation": release + " " + sources["source_id"].astype(str),
            "source_id": sources["source_id"],
            "random_index": np.argsort(np.argsort(mixed)),
            "ref_epoch": _EPOCHS[survey],
            "ra": ra,
            "dec": dec,
            "parallax": missing,
            "parallax_error": missing,
            "pmra": missing,
            "pmra_error": missing,
            "pmdec": missing,
            "pmdec_error": missing,
            "ruwe": missing,
            **{f"phot_{band}_mean_mag": _column(sources, f"int_average_{band}") for band in _BANDS},
            "l": galactic.l.to_value(units.deg),
            "b": galactic.b.to_value(units.deg),
        }
    )
