"""Read what the stages wrote, for the scripts that look at a whole study.

The inputs of their rules are named <stage>_<sample>, predictions_<model>_OF_<sample> and
development_<model>.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from metalyra.core import list_columns, read_table, read_tables
from metalyra.products import READ, StageTable

if TYPE_CHECKING:
    import pandas as pd
    from snakemake.iocontainers import InputFiles

STATUS = ["star_id", "status"]


def read_measured(files: "InputFiles", study: dict[str, Any]) -> tuple[Any, ...]:
    """Return what `metalyra.products.catalogue.make_catalogue` takes of the samples of a study."""
    samples = study["samples"]
    return (
        study,
        {sample: read_table(files[f"stars_{sample}"]) for sample in samples},
        {sample: _read_needed(files[f"fits_{sample}"]) for sample in samples},
        {
            sample: read_table(files[f"labels_{sample}"])
            for sample in samples
            if sample in study["labels"]
        },
        {
            (model, sample): _read_needed(files[f"predictions_{model}_OF_{sample}"])
            for model, sample in _predictions(study)
        },
    )


def _read_needed(chunks: list[str]) -> "pd.DataFrame":
    """Read what a catalogue is made of; all columns of 300,000 stars take some gigabytes."""
    return read_tables(chunks, [name for name in list_columns(chunks[0]) if name in READ])


def read_stages(files: "InputFiles", study: dict[str, Any]) -> Iterator[StageTable]:
    """Give the status of every star in every stage, which is all that a ledger counts."""
    listed = {}
    for sample in study["samples"]:
        listed[sample] = read_table(files[f"listed_{sample}"], STATUS)
        yield StageTable("stars", sample, listed[sample])
        settings, last = study["samples"][sample], files[f"stars_{sample}"]
        if "match" in settings:
            matched = files.get(f"before_periods_{sample}", last)
            yield StageTable("match", sample, read_table(matched, STATUS))
        if settings["periods"] != "given":
            yield StageTable("periods", sample, read_table(last, STATUS))
        yield StageTable("fit", sample, read_tables(files[f"fits_{sample}"], STATUS))
        if sample in study["labels"]:
            yield StageTable("label", sample, read_table(files[f"labels_{sample}"], STATUS))
    for model, settings in study["models"].items():
        if development := files.get(f"development_{model}"):
            table, own = read_table(development, STATUS), listed[settings["sample"]]
            # Of the samples that are joined, the first one's stars are all there.
            for further in settings.get("further_samples", []):
                others = set(listed[further]["star_id"]) - set(own["star_id"])
                table = table[~table["star_id"].isin(others)]
            yield StageTable("develop", settings["sample"], table, model)
    for model, sample in _predictions(study):
        table = read_tables(files[f"predictions_{model}_OF_{sample}"], STATUS)
        yield StageTable("predict", sample, table, model)


def _predictions(study: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the models and samples of the predictions for the samples of a study."""
    return [
        (entry["model"], entry["sample"])
        for entry in study["predict"]
        if entry["sample"] in study["samples"]
    ]
