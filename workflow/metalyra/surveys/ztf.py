"""The Zwicky Transient Facility: light curves of IRSA and of the HATS catalogue, by columns alone.

An object of ZTF is one filter, field and quadrant of a CCD: a star is several of them. They are
joined where the star list has a column `oid` with all identifiers of a star, where the table of
light curves has `star_id` besides, or where files are named after stars. Nothing is done about the
differences of their zero points, some 0.01 mag.
"""

from dataclasses import replace

from metalyra.surveys.formats.column_names import CURVE_ALIASES
from metalyra.surveys.formats.given_curves import Conventions
from metalyra.surveys.interface import register
from metalyra.surveys.own import make_survey

CONVENTIONS = Conventions(
    aliases={
        **CURVE_ALIASES,
        "star_id": (*CURVE_ALIASES["star_id"], "oid"),
        # Of the times of IRSA, the heliocentric one.
        "time": ("hjd", "hmjd", "mjd"),
        "band": ("filtercode", "filterid", "filter", "fid"),
    },
    bands={"1": "g", "2": "r", "3": "i"},
    flags=("catflags",),
    identifiers="oid",
    in_order=("star_id", "time", "band"),
    nested="lightcurve",
    many_tables=True,
)
"""Clean measurements have `catflags` 0 (the ZTF Science Data System's explanatory supplement)."""

ZTF = register(replace(make_survey("ztf", CONVENTIONS), title="ZTF"), __name__)
