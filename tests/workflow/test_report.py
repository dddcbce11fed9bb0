"""The captions of the report, rendered as Snakemake renders them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from docutils.core import publish_doctree
from docutils.nodes import system_message
from jinja2 import Environment, StrictUndefined

from metalyra.study.configuration import read_yaml, resolve_config

ROOT = Path(__file__).parents[2]
CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))
STUDIES = ("config", "dg22", "dekany21", "monti24", "monti25")

UNNAMED = ("sky_maps", "paper_table", "accuracy_by_epochs", "accuracy_by_epochs_table")
"""Captions that look a title up by the wildcard."""

# The targets that Snakemake adds to every text of a report.
LINKS = "\n\n.. _Workflow: javascript:show_panel('workflow')\n"


def read_study(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())


def resolve_study(name: str) -> dict[str, Any]:
    """Return a study as the captions of its files know it, with all defaults."""
    return resolve_config(
        read_study(name),
        relations=read_yaml(ROOT / "resources/relations.yaml"),
        archives=read_yaml(ROOT / "resources/archives.yaml")["archives"],
    )


def render(path: Path, study: dict[str, Any], **wildcards: str) -> str:
    """Return the plain text of a caption; fails on what docutils complains about."""
    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False
    )
    snakemake = SimpleNamespace(config=study, wildcards=SimpleNamespace(**wildcards))
    text = environment.from_string(path.read_text() + LINKS).render(snakemake=snakemake)
    settings = {"report_level": 1, "halt_level": 5, "warning_stream": False}
    document = publish_doctree(text, settings_overrides=settings)
    complaints = [message.astext() for message in document.findall(system_message)]
    # Snakemake's own target is unused in most captions.
    complaints = [text for text in complaints if "is not referenced" not in text]
    assert not complaints
    return document.astext()


def list_wildcards(caption: Path, study: dict[str, Any]) -> list[dict[str, str]]:
    """Return the wildcards of every file that has a caption."""
    by_kind = {
        "{sample}": [
            {"sample": name}
            for name, sample in study["samples"].items()
            if sample.get("match") or not caption.stem.startswith("match")
        ],
        "{model}": [{"model": name} for name in study.get("models", {})],
        "{search}": [{"search": name} for name in study.get("searches", {})],
        "{experiment}": [{"experiment": name} for name in study.get("experiments", {})],
        "{calibration}": [
            {"calibration": name, "type": kind}
            for name in study.get("calibrate", {})
            for kind in ("RRab", "RRc")
        ],
        "{table}": [{"table": name} for name in study.get("tables", {})],
        "{accuracy}": [{"accuracy": name} for name in study.get("accuracy_by_epochs", {})],
        "{comparison}": [{"comparison": name} for name in study.get("comparisons", {})],
        "{distribution}": [{"distribution": name} for name in study.get("distributions", {})],
        "{sky_map}": [{"sky_map": name} for name in study.get("sky_maps", {})],
    }
    text = caption.read_text()
    for kind, wildcards in by_kind.items():
        if f"snakemake.wildcards.{kind[1:-1]}" in text:
            return wildcards
    return [{}]


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("study", STUDIES)
def test_a_caption_renders_for_every_file_of_a_study(caption, study):
    study = resolve_study(study)
    for wildcards in list_wildcards(caption, study):
        text = render(caption, study, **wildcards)
        assert len(text) > 80
        for kind, name in wildcards.items():
            if f"wildcards.{kind}" in caption.read_text() and caption.stem not in UNNAMED:
                assert name in text


@pytest.mark.parametrize("study", STUDIES)
def test_the_front_page_lists_every_sample_with_its_survey_and_band(study):
    study = read_study(study)
    text = render(ROOT / "workflow/report/workflow.rst", study)
    assert study["study"] in text
    for name, sample in study["samples"].items():
        assert f"{name}\n\n{sample['survey']}\n\n{sample['band']}" in text
    assert ("simulated" in text) == ("simulate" in study)


def test_captions_say_where_a_metallicity_comes_from():
    study = read_study("dg22")
    report = ROOT / "workflow/report"
    for caption, wildcards, origin in (
        ("sky_maps", {"sky_map": "figure12"}, "that the ensemble dg22_ks predicts. Longitude"),
        ("paper_table", {"table": "table5"}, "predicted by the ensemble dg22_ks: Table 5"),
        ("paper_table", {"table": "table1"}, "by the relation dekany2021: Table 1"),
    ):
        text = render(report / f"{caption}.rst", study, **wildcards)
        assert origin in " ".join(text.split())
