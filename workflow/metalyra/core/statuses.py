"""What can become of a star: the closed list of statuses."""

from collections.abc import Mapping

import pandas as pd

OK = "ok"

STATUSES: Mapping[str, str] = {
    OK: "The star has passed this stage.",
    "duplicate_id": "An earlier row of the star list has the same identifier.",
    "invalid_period": "The period is missing, not a number, or not positive.",
    "no_light_curve": "The archive has no light curve of the star in this band.",
    "unreadable_light_curve": "The light-curve file cannot be read in its survey's format.",
    "too_few_epochs": "Fewer usable epochs than the configured minimum.",
    "constant_magnitude": "All usable magnitudes are equal.",
    "period_not_found": "No period repeats in the light curve with a probability of 90 %.",
    "not_rr_lyrae": "The light curve repeats, but not in the shape of an RR Lyrae star.",
    "fit_failed": "The light-curve fit has no finite solution.",
    "implausible_period": "No star of this pulsation type has such a period.",
    "not_variable": "A periodic curve describes the magnitudes no better than a constant.",
    "no_match": "No star of the reference sample lies within the match radius.",
    "ambiguous_match": "The match is not one to one within the match radius.",
    "period_mismatch": "No star of the reference sample in the match radius has its period.",
    "prediction_failed": "The model gives no finite metallicity for the light curve.",
    "unlike_training": "The shape of the light curve is unlike those the model was trained on.",
    "outside_training_range": "Period or amplitude is beyond those the model was trained on.",
    "wrong_pulsation_type": "The model or relation is for stars of another pulsation type.",
    "no_relation": "No metallicity relation is configured for the star.",
    "no_archive_phi31": "The archive has no phi31 of the star, and the study takes no other.",
    "no_model": "No model or relation is configured for the sample, or too few stars trained it.",
}
"""Every status but `cut:<column>`, with its meaning, in the order of the ledger."""

CUT = "cut:"
"""Prefix of the status of a star outside a selection cut, before the column's name."""


def check_status(status: str) -> str:
    """Return `status` if it is of the closed list or ``cut:<column>``.

    Raises
    ------
    ValueError
        If it is not; the message lists what is allowed.
    """
    if status in STATUSES or (status.startswith(CUT) and len(status) > len(CUT)):
        return status
    raise ValueError(f"unknown status {status!r}; allowed: {', '.join(STATUSES)}, {CUT}<column>")


def describe_status(status: str) -> str:
    """Return the meaning of a status in one sentence."""
    check_status(status)
    if status.startswith(CUT):
        return f"Outside the selection cut on {status.removeprefix(CUT)}."
    return STATUSES[status]


def restore_star_id(table: pd.DataFrame) -> pd.Series:
    """Return the identifiers as the star list has them.

    Within a study the second row with the identifier ``ID`` is ``ID#2``, so that
    identifiers are unique; outside it the star has its own name again.
    """
    repeated = table["status"] == "duplicate_id"
    plain = table["star_id"].str.replace(r"#\d+$", "", regex=True)
    return table["star_id"].where(~repeated, plain)
