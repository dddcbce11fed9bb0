"""What a results page says of a study in numbers."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metalyra.core.statuses import CUT, OK
from metalyra.products.ledger import NO_MODEL

DOUBTFUL = ("unlike_training", "outside_training_range")
"""Statuses of stars that have a value which their model does not vouch for, as cuts are."""

KINDS = ("ok", "doubtful", "none")
"""What a status means for the value of a star, in the order of a bar."""

COST_COLUMNS = ("stage", "jobs", "wall", "cpu", "memory")


def count_metallicities(stars: pd.DataFrame) -> dict[str, int]:
    """Return how many stars have a metallicity of status ok, a doubtful one, and none."""
    ok = stars["status"] == OK
    return {
        "ok": int(ok.sum()),
        "doubtful": int((~ok & stars["feh"].notna()).sum()),
        "none": int((~ok & stars["feh"].isna()).sum()),
    }


def summarise_samples(
    stars: pd.DataFrame, samples: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the stars and metallicities of each sample.

    Parameters
    ----------
    stars
        sample, status, feh.
    samples
        Settings with survey and band.

    Returns
    -------
    list of dict
        sample, survey, band, stars, the counts of `count_metallicities`, and median, low and high
        (dex): the median [Fe/H] of status ok and its 16th and 84th percentiles, None if none is.
    """
    rows = []
    for name, settings in samples.items():
        own = stars[stars["sample"] == name]
        feh = own.loc[own["status"] == OK, "feh"].to_numpy(float)
        levels = np.percentile(feh, [16, 50, 84]).tolist() if len(feh) else [None] * 3
        rows.append(
            {
                "sample": name,
                "survey": settings["survey"],
                "band": settings["band"],
                "stars": len(own),
                **count_metallicities(own),
                **dict(zip(("low", "median", "high"), levels, strict=True)),
            }
        )
    return rows


def summarise_models(cards: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the cards of models say of their accuracy on stars that they have not seen.

    Parameters
    ----------
    cards
        By the name that the study has for the model.

    Returns
    -------
    list of dict
        name, band, pulsation_type and relation; the number of stars and rmse, mae (dex), r2 out
        of fold, whether r2 is weighted by the errors of the labels, and the shares within the
        intervals by level, None where the card does not know;
        note, why a model was not trained.
    """
    rows = []
    for name, card in cards.items():
        metrics = card.get("metrics") or {}
        union, coverage = metrics.get("union") or {}, metrics.get("coverage") or {}
        rows.append(
            {
                "name": name,
                **{key: card.get(key) or "" for key in ("band", "pulsation_type", "relation")},
                "stars": union.get("n"),
                **{key: _known(union.get(key)) for key in ("rmse", "mae", "r2")},
                "weighted": "wrmse" in union if union.get("r2") is not None else None,
                "coverage_68": _known(coverage.get("0.68")),
                "coverage_95": _known(coverage.get("0.95")),
                "note": (card.get("provenance") or {}).get("note") or "",
            }
        )
    return rows


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def group_ledger(ledger: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the bars of a ledger, by stage.

    Parameters
    ----------
    ledger
        As `metalyra.products.ledger.make_ledger` returns it.

    Returns
    -------
    list of dict
        stage, and `bars`: sample, model, given, and `parts` with status, stars, share (%),
        description and kind: ok, doubtful (has a value), or none.
    """
    stages = []
    for stage, rows in ledger.groupby("stage", sort=False):
        bars = [
            {
                "sample": sample,
                "model": "" if model == NO_MODEL else model,
                "given": int(parts["given"].iloc[0]),
                "parts": list(_list_parts(parts)),
            }
            for (sample, model), parts in rows.groupby(["sample", "model"], sort=False)
        ]
        stages.append({"stage": stage, "bars": bars})
    return stages


def _list_parts(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the statuses of a bar that any star has: by kind, those of most stars first."""
    counted = rows.assign(
        kind=rows["status"].map(_kind_of), share=100 * rows["stars"] / rows["given"]
    )
    counted["place"] = counted["kind"].map(KINDS.index)
    ordered = counted.sort_values(["place", "stars"], ascending=[True, False], kind="stable")
    for row in ordered[ordered["stars"] > 0].to_dict("records"):
        yield {key: row[key] for key in ("status", "stars", "share", "description", "kind")}


def _kind_of(status: str) -> str:
    """Return whether a star of a status has a value: one of `KINDS`."""
    if status == OK:
        return "ok"
    return "doubtful" if status in DOUBTFUL or status.startswith(CUT) else "none"


def read_costs(folder: Path | str) -> pd.DataFrame:
    """Return what the stages of a study took, of Snakemake's benchmark files.

    Parameters
    ----------
    folder
        Of the files, `<stage>.tsv` or those below `<stage>/`.

    Returns
    -------
    pandas.DataFrame
        Columns `COST_COLUMNS`, the longest first: the number of jobs, the sums of their wall and
        CPU times (s), and the memory of the largest (MB); NaN where Snakemake did not look in
        time. Empty without benchmarks.
    """
    rows = [
        {"stage": path.relative_to(folder).with_suffix("").parts[0]} | _read_cost(path)
        for path in sorted(Path(folder).rglob("*.tsv"))
    ]
    if not rows:
        return pd.DataFrame(columns=list(COST_COLUMNS))
    costs = (
        pd.DataFrame(rows)
        .groupby("stage")
        .agg(
            jobs=("wall", "size"),
            wall=("wall", "sum"),
            cpu=("cpu", "sum"),
            memory=("memory", "max"),
        )
    )
    return costs.sort_values("wall", ascending=False, kind="stable").reset_index()


def _read_cost(path: Path) -> dict[str, float]:
    """Return what one job took; the last of its repeats."""
    last = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).iloc[-1]
    names = {"wall": "s", "cpu": "cpu_time", "memory": "max_rss"}
    return {key: float(last.get(name, math.nan)) for key, name in names.items()}
