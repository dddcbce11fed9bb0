"""Which columns a cut may name."""

from collections.abc import Iterable

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
    *("gp_length_scale", "gp_amplitude", "gp_noise", "gp_log_likelihood"),
    *("gp_log_bayes_factor", "gp_converged"),
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
