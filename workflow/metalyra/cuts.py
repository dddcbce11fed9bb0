"""Cuts: bounds that a star is within, by column, and which columns they may name."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Cuts = Mapping[str, Sequence[float | None]]
"""Lowest and highest allowed value by column, both inclusive, None for no bound."""

ARCHIVE = "archive_"
"""What the names of the star list's own columns begin with."""

AMPLITUDES = 6
"""Harmonics whose amplitudes and phases the fits table has."""

_SHAPE = (
    *("mean_mag", "amplitude", *(f"a{k}" for k in range(1, AMPLITUDES + 1)), "phi1"),
    *(f"phi{k}1" for k in range(2, AMPLITUDES + 1)),
)

FIT_COLUMNS = (
    *("period", "n_epochs", *_SHAPE, *(f"{name}_err" for name in _SHAPE)),
    *("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31"),
    *("phase_coverage", "phase_coverage_2p", "snr", "sigma", "minmax", "cost", "fourier_order"),
    *("epoch", "phase_shift", "phase_of_maximum", "aperture"),
    *("gp_length_scale", "gp_amplitude", "gp_noise", "gp_log_likelihood", "gp_converged"),
)
"""Columns of the fits table that hold numbers."""

LABEL_COLUMNS = ("feh", "feh_err", "feh_err_light_curve", "feh_err_relation", "training_err")
"""Columns of the labels table that hold numbers."""


def is_measured(column: str) -> bool:
    """Say whether a column is one of the fits or labels, which every sample has."""
    return column in FIT_COLUMNS or column in LABEL_COLUMNS


def list_columns(surveys: Iterable[str]) -> list[str]:
    """Return the columns that cuts may name for samples of some surveys.

    Parameters
    ----------
    surveys
        Names of surveys; the published values in their star lists are the columns
        ``archive_*``.
    """
    # The readers of all archives take seconds to import, and few cuts need them.
    from metalyra.surveys import survey

    published = [name for survey_name in surveys for name in survey(survey_name).archive_columns]
    return list(dict.fromkeys([*FIT_COLUMNS, *LABEL_COLUMNS, *published]))


def join_archive(table: pd.DataFrame, stars: pd.DataFrame) -> pd.DataFrame:
    """Return a table of stars (`star_id`) with the archive_* columns of their star list."""
    own = stars.set_index("star_id").filter(regex=f"^{ARCHIVE}")
    return table.join(own[own.columns.difference(table.columns, sort=False)], on="star_id")


def apply_cuts(table: pd.DataFrame, cuts: Cuts) -> NDArray[np.str_]:
    """Return the column of the first cut that each row fails; empty where it passes all.

    Parameters
    ----------
    table
        n rows.
    cuts
        Tried in this order. A missing value fails.

    Raises
    ------
    ValueError
        If a cut names an unknown column or one without numbers.
    """
    failed = np.full(len(table), "", dtype=object)
    for column, (low, high) in cuts.items():
        if column not in table:
            raise ValueError(
                f"the cut on {column!r} names no column of the fits, labels or star list; "
                f"known are {', '.join(sorted(table.columns))}"
            )
        try:
            values = table[column].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            raise ValueError(f"the cut on {column!r}: the column does not hold numbers") from None
        inside = values >= (-np.inf if low is None else low)
        inside &= values <= (np.inf if high is None else high)
        failed = np.where((failed == "") & ~inside, column, failed)
    return failed
