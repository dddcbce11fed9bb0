"""Which columns a cut may name."""

from collections.abc import Iterable

from metalyra.fit.columns import FIT_COLUMNS

LABEL_COLUMNS = (
    *("feh", "feh_err", "feh_err_light_curve", "feh_err_relation", "training_err"),
    "label_phi31_err",
)
"""Columns of the labels table that hold numbers."""


def is_measured(column: str) -> bool:
    """Say whether a column is one of the fits or labels, which every sample has."""
    return column in FIT_COLUMNS or column in LABEL_COLUMNS


def columns_of_labels(band: str) -> dict[str, str]:
    """Return the columns of the fits behind labels, by the names that cuts have for them.

    A model may be cut on the light curves of another band that its labels are of, as Dékány &
    Grebel (2022, their gfeh.par) do on the amplitude in I: the name says the band.

    Parameters
    ----------
    band
        Of the labelled sample.

    Returns
    -------
    dict
        Such as ``{"amplitude_I": "amplitude"}``.
    """
    return {f"{column}_{band}": column for column in FIT_COLUMNS}


def list_columns(samples: Iterable[tuple[str, str]]) -> list[str]:
    """Return the columns that cuts may name for some samples.

    Parameters
    ----------
    samples
        Names of the survey of the light curves and of that of the star list of each; the
        published values in a list are the columns ``archive_*``. Of another survey's list, only
        those of the star itself count: see `metalyra.surveys.interface.OF_THE_STAR`.
    """
    # The readers of all archives take seconds to import, and few cuts need them.
    from metalyra.surveys import survey
    from metalyra.surveys.interface import OF_THE_STAR

    published = [
        name
        for own, lister in samples
        for name in survey(lister).archive_columns
        if own == lister or name in OF_THE_STAR
    ]
    return list(dict.fromkeys([*FIT_COLUMNS, *LABEL_COLUMNS, *published]))
