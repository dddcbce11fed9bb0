"""MetaLyra: from the archives' light curves to a catalogue of metallicities.

    snakemake --cores all                                       the demo study
    snakemake --cores all --configfile config/<study>.yaml      another one

Every stage of the path of a star is a file of workflow/rules/; what a study writes is in
results/<study>/.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

ROOT = Path(workflow.basedir)
RELATIONS = ROOT / "resources/relations.yaml"
SOURCES = ROOT / "resources/sources.yaml"
PUBLISHED_MODELS = ROOT / "resources/published_models.yaml"
ARCHIVES = ROOT / "resources/archives.yaml"
REGIONS = ROOT / "resources/sky_regions.yaml"
sys.path.insert(0, str(ROOT / "workflow"))

from metalyra.configuration import (
    ConfigurationError,
    band_of_model,
    read_yaml,
    resolve_config,
)
from metalyra.fingerprints import fingerprint
from metalyra.given_paths import find_wrong_paths
from metalyra.locking import StudyLockedError, lock_study

# A study given on the command line replaces the demo instead of being merged into it.
if not workflow.overwrite_configfiles:

    configfile: ROOT / "config/config.yaml"


given_config = dict(config)

try:
    config = resolve_config(
        config,
        schema=read_yaml(ROOT / "config/schemas/study.schema.yaml"),
        relations=read_yaml(RELATIONS),
        archives=read_yaml(ARCHIVES)["archives"],
    )
    # The jobs of a cluster need not look again.
    if workflow.is_main_process and (problems := find_wrong_paths(config, os.environ)):
        raise ConfigurationError(problems)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None


pathvars:
    results=f"results/{config['study']}",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


report: "workflow/report/workflow.rst"


wildcard_constraints:
    sample="|".join(config["samples"]) or "-",
    model="|".join(config["models"]) or "-",
    table="|".join(config["tables"]) or "-",
    experiment="|".join(config["experiments"]) or "-",
    sky_map="|".join(config["sky_maps"]) or "-",
    calibration="|".join(config["calibrate"]) or "-",
    search="|".join(config["searches"]) or "-",
    chunk=r"\d+",
    member=r"\d+",


include: "workflow/rules/paths.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/match.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/label.smk"
include: "workflow/rules/develop.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/catalogue.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        final_targets(),


# The kernel lets go of this lock however the run ends, so that a killed run starts again with
# the same command; Snakemake's own lock (off in our profiles) would have to be taken away by hand.
onstart:
    try:
        lock_study(Path(f"results/{config['study']}"))
    except StudyLockedError as error:
        raise WorkflowError(str(error)) from None
