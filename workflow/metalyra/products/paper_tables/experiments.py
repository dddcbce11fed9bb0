"""The table of an experiment, as those of Monti et al. (2024, 2025)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

EXPERIMENT_METRICS = ("r2", "wrmse", "wmae", "rmse", "mae")
"""Metrics in the order of Monti et al. (2024, Table A1; 2025, Table 1)."""

MEASURED = ("training", "validation", "validation_std", "validation_union")
"""What each metric is given for: the ends of the names of its columns."""


def tabulate_experiment(
    combinations: Sequence[Mapping[str, str]],
    cards: Sequence[Mapping[str, Any]],
    cpu_times: Sequence[float],
) -> pd.DataFrame:
    """Return the table of an experiment, a model a row.

    Parameters
    ----------
    combinations
        Settings of the models by axis: see `metalyra.study.experiments.name_models`.
    cards
        Their cards, with metrics on the stars that the members were trained on and on
        those that they were not.
    cpu_times
        What their training took (s), all members together.

    Returns
    -------
    pandas.DataFrame
        A column for each axis; n_stars; each of `EXPERIMENT_METRICS` for training and
        validation, the mean over the folds, with ``_std``, their standard deviation over
        the folds of the validation, and with ``_union``, the metric of all out-of-fold
        predictions together, where those of a star by several repeats are averaged (dex; the
        first three weighted by the inverse squared errors of the labels), NaN where a card has
        none; cpu_time (s).
    """
    rows = [
        {
            **combination,
            "n_stars": card["provenance"]["n_stars"],
            **{
                f"{metric}_{stars}": measured.get(metric, float("nan"))
                for metric in EXPERIMENT_METRICS
                for stars, measured in zip(MEASURED, _list_measured(card), strict=True)
            },
        }
        for combination, card in zip(combinations, cards, strict=True)
    ]
    return pd.DataFrame(rows).assign(cpu_time=list(cpu_times))


def _list_measured(card: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """Return the metrics of a card in the order of `MEASURED`."""
    unseen = card["metrics"]
    return [unseen["training"]["mean"], unseen["mean"], unseen["std"], unseen["union"]]


def read_cpu_time(paths: Sequence[Path | str]) -> float:
    """Return the CPU time (s) of several jobs together, from Snakemake's benchmarks."""
    return float(sum(pd.read_csv(path, sep="\t")["cpu_time"].sum() for path in paths))
