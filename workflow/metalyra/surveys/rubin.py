"""The Rubin Observatory: forced photometry on all visits, by columns alone.

ForcedSource and ForcedSourceOnDiaObject have no times: they are looked up by `visit` in a table of
visits (Visit or VisitDetector) in the same folder. Fluxes are those of `psfFlux`, not of the
difference images, which lack the mean.
"""

from dataclasses import replace

from metalyra.surveys.formats.column_names import CURVE_ALIASES
from metalyra.surveys.formats.given_curves import ZERO_POINT_NJY, Conventions
from metalyra.surveys.formats.time_scales import parse_scale
from metalyra.surveys.interface import register
from metalyra.surveys.own import make_survey

CONVENTIONS = Conventions(
    aliases={
        **CURVE_ALIASES,
        "star_id": (*CURVE_ALIASES["star_id"], "diaobjectid"),
        "flux": ("psfflux",),
        "flux_err": ("psffluxerr",),
    },
    # The middle of the exposure at the telescope; light takes up to 8 minutes to the Sun.
    source=parse_scale("MJD TAI"),
    target=parse_scale("BJD TDB"),
    zero_point=ZERO_POINT_NJY,
    flags=(
        *("psfflux_flag", "invalidpsfflag"),
        *(
            f"pixelflags_{flag}"
            for flag in ("bad", "cr", "crcenter", "edge", "nodata", "saturatedcenter")
        ),
        "pixelflags_suspectcenter",
    ),
    in_order=("star_id", "time"),
    many_tables=True,
    visits=("visit", "expMidptMJD"),
)
"""Columns of DP1 and DP2 (lsst/sdm_schemas, dp2.yaml)."""

RUBIN = register(replace(make_survey("rubin", CONVENTIONS), title="Rubin"), __name__)
