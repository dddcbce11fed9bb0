"""The columns of tables as astronomers have them, and our names for them.

Case, blanks, marks and a unit in brackets do not count: ``e_[Fe/H]``, ``Period (d)``, ``MAG``.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from metalyra.core.registry import ask_whether_meant
from metalyra.surveys.interface import SurveyError

Aliases = Mapping[str, tuple[str, ...]]
"""Other names of columns, by ours, as `simplify` makes them."""

_IDENTIFIERS = (
    *("source_id", "sourceid", "id", "name", "objid", "obj_id", "objectid", "object_id"),
    *("object", "star", "starid", "star_name", "masterid", "identifier"),
)

_POSITIONS: Aliases = {
    "ra": (
        *("raj2000", "ra_j2000", "ra_deg", "radeg", "ra_icrs", "ra_hms", "right_ascension"),
        *("alpha", "objra", "coord_ra"),
    ),
    "dec": (
        *("dej2000", "decj2000", "dec_j2000", "de_j2000", "dec_deg", "decdeg", "dedeg", "de_icrs"),
        *("dec_icrs", "dec_dms", "decl", "de", "declination", "delta", "objdec", "coord_dec"),
    ),
}

STAR_ALIASES: Aliases = {
    "star_id": _IDENTIFIERS,
    **_POSITIONS,
    "period": ("per", "p", "p_1", "period_d", "period_days", "pulsation_period"),
    "pulsation_type": (
        *("type", "class", "subtype", "subclass", "rrtype", "rr_type", "rrclass", "vartype"),
        *("var_type", "variable_type", "best_classification", "mode"),
    ),
    "feh": ("fe_h", "feh_spec"),
    "feh_err": (
        *("e_feh", "e_fe_h", "fe_h_err", "feh_error", "err_feh", "fe_h_error", "efeh"),
        *(
            "feherr",
            "sigma_feh",
            "feh_unc",
        ),
    ),
    "fold": (),
}
"""Of star lists."""

TIMES = (
    *("mjd", "hjd", "bjd", "jd", "hmjd", "mhjd", "bmjd", "mbjd", "rjd", "btjd", "bkjd", "bjd_tdb"),
    *("bjdtdb", "mjd_utc", "mjd_tai", "jd_utc", "hjd_utc", "midpointmjdtai", "expmidptmjd"),
)
"""Names of columns of times that say on what scale they are."""

CURVE_ALIASES: Aliases = {
    "star_id": _IDENTIFIERS,
    "time": (*TIMES, "t", "obs_time", "obstime", "time_obs"),
    "mag": ("magnitude", "mags", "psfmag"),
    "mag_err": (
        *("magerr", "e_mag", "err", "error", "mag_error", "magnitude_error", "e_magnitude"),
        *("magerror", "mag_unc", "mag_sigma", "sigma_mag", "emag", "dmag", "sigma", "merr"),
    ),
    "flux": ("psfflux", "flux_njy", "flux_mjy", "flux_jy", "flux_ujy"),
    "flux_err": (
        *("psffluxerr", "fluxerr", "e_flux", "flux_error", "flux_unc", "eflux", "sigma_flux"),
        *("flux_err_njy", "flux_err_mjy"),
    ),
    "band": ("filter", "passband", "filterid", "filtercode", "filt", "flt", "filter_name", "fid"),
    **_POSITIONS,
}
"""Of light curves."""

# A unit that a name carries is in brackets at its end; [Fe/H] is none.
_UNIT = re.compile(r"(?<=.)\s*[(\[](?!fe)[^)\]]*[)\]]\s*$")


_IN_BOTH = ("star_id", "ra", "dec")
"""Columns of star lists and of light curves, which need not have one name in both."""


def simplify(name: str) -> str:
    """Return the name of a column in lower case, with nothing but letters, digits and ``_``."""
    plain = _UNIT.sub("", name.strip().lower())
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def name_columns(
    place: object,
    found: Sequence[str],
    aliases: Aliases,
    given: Mapping[str, str],
    in_order: Collection[str] = (),
) -> dict[str, str]:
    """Return which column of a table is which of ours.

    Parameters
    ----------
    place
        The file, for the message.
    found
        Names of the table's columns.
    aliases
        `STAR_ALIASES` or `CURVE_ALIASES`.
    given
        What the user says: the table's name by ours. Names that stars and light curves both
        have need not concern this table.
    in_order
        Our names of which the first alias that the table has counts, whatever follows.

    Returns
    -------
    dict
        The table's name by ours, for those that it has.

    Raises
    ------
    SurveyError
        If two columns have one meaning and the user does not say which one counts.
    """
    named: dict[str, str] = {}
    plain = {name: simplify(name) for name in found}
    for ours, other_names in aliases.items():
        said = [name for name in found if name.strip() == given.get(ours)]
        said = said or [name for name in found if plain[name] == simplify(given.get(ours, ""))]
        if said:
            named[ours] = said[0]
            continue
        if ours in given and ours not in _IN_BOTH:
            continue
        known = (ours, *other_names)
        matching = [name for name in found if plain[name] in known and name not in given.values()]
        if ours in in_order:
            matching = sorted(matching, key=lambda name: known.index(plain[name]))[:1]
        if len(matching) > 1:
            both = " and ".join(repr(name) for name in matching)
            raise SurveyError(
                f"{place}: the columns {both} are all {ours}; say which one counts with "
                f"columns: {{{ours}: {matching[0]}}}"
            )
        if matching:
            named[ours] = matching[0]
    return named


def require_columns(
    place: object, found: Iterable[str], named: Mapping[str, str], required: Sequence[str]
) -> None:
    """Raise `SurveyError` unless a table has the columns it needs.

    Parameters
    ----------
    place
        The file, for the message.
    found
        Names of the table's columns.
    named
        Which of them is which of ours; see `name_columns`.
    required
        Our names of those that it must have.
    """
    found = list(found)
    others = [name for name in found if name not in named.values()]
    for ours in required:
        if ours not in named:
            has = ", ".join(name[:40] for name in found[:30]) or "none"
            raise SurveyError(
                f"{place}: no column {ours!r}; {ask_whether_meant(ours, others)}it has {has}; name "
                f"yours with columns: {{{ours}: <name>}}"
            )


def check_given(given: Mapping[str, str], *known: Aliases) -> None:
    """Raise `SurveyError` unless the names that a user gives are of columns that there are."""
    allowed = list(dict.fromkeys(name for aliases in known for name in aliases))
    for ours in given:
        if ours not in allowed:
            raise SurveyError(
                f"columns: {ours!r} is unknown; {ask_whether_meant(ours, allowed)}allowed: "
                f"{', '.join(allowed)}"
            )
