"""Photometric bands: one name for each, whatever a table or a user calls it.

Bands of several instruments that go by one letter (g of SDSS, ZTF, LSST and Pan-STARRS) have one
name: in the shape of an RR Lyrae star's light curve they differ by less than relations scatter.
A bare letter keeps its case: ``g`` is not Gaia's ``G``, ``i`` not Cousins' ``I``.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

# Bands, and the surveys whose name may stand before or after their letters.
_FAMILIES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("sdss", "sloan", "ztf", "lsst", "lsstcam", "rubin", "ps1", "panstarrs"): tuple("ugrizy"),
    ("decam", "des", "skymapper", "atlas", "stripe82"): tuple("ugrizy"),
    ("asassn",): ("g", "V"),
    ("johnson", "bessell", "bessel", "landolt", "stetson"): ("U", "B", "V", "R", "I"),
    ("cousins",): ("R", "I"),
    ("ogle", "asas", "asas3"): ("V", "I"),
    ("crts", "css", "catalina"): ("V",),
    ("gaia", "gaia2", "gaia3", "gaiadr2", "gaiadr3", "phot"): ("G", "BP", "RP"),
    ("gaiag", "gaia2g", "gaia3g", "photg", "g"): ("BP", "RP"),
    ("wise", "neowise", "allwise"): ("W1", "W2"),
    ("2mass", "vista", "vvv"): ("J", "H", "Ks"),
}

_ALIASES: Mapping[str, str] = {
    **{f"phot{band.lower()}meanmag": band for band in ("G", "BP", "RP")},
    **{f"z{letter}": letter for letter in "gri"},
    **{f"{letter}p1": letter for letter in "grizy"},
    **{f"{letter}prime": letter for letter in "ugriz"},
    **{name.lower(): name for name in ("BP", "RP", "Ks", "W1", "W2", "TESS", "Kepler")},
    **{"gaia": "G", "w1mpro": "W1", "w2mpro": "W2", "kp": "Kepler", "kep": "Kepler"},
    **{"ic": "I", "rc": "R"},
}


def resolve_band(text: str) -> str:
    """Return the name of a photometric band.

    Parameters
    ----------
    text
        As a configuration or the cell of a table has it: ``zg``, ``ZTF g``, ``ztf_g``, ``g'``;
        ``Johnson V``; ``phot_bp``, ``G_BP``; ``I_C``; ``2MASS Ks``; ``SLOAN/SDSS.g``.

    Returns
    -------
    str
        The one name of a known band: u, g, r, i, z, y; U, B, V, R, I; J, H, Ks; G, BP, RP; W1,
        W2; TESS, Kepler. Of any other, the text without blanks at its ends.
    """
    stripped = text.strip()
    # The filter profile service of the SVO has the observatory before a slash.
    plain = stripped.rpartition("/")[2].lower()
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"['′]$", "prime", plain))
    return _known_names().get(plain, stripped)


@cache
def _known_names() -> dict[str, str]:
    """Return the bands by the names that they may have, without marks and in lower case."""
    return {**_ALIASES, **dict(_join_with_surveys())}


def _join_with_surveys() -> Iterator[tuple[str, str]]:
    """Give ``ztfg``, ``gztf``, ... with the band that they are."""
    for surveys, bands in _FAMILIES.items():
        for survey in surveys:
            for band in bands:
                yield f"{survey}{band.lower()}", band
                yield f"{band.lower()}{survey}", band
