"""The studies that reproduce papers as one workflow, and what the papers print beside ours.

Input   what each paper prints (resources/published), and the products that are named there
Output  results/papers/reproduction.csv    every printed number, ours and a verdict
        results/papers/reproduction.html   the same as a page, with the figures
"""

from metalyra.core import StudyLockedError, explain_failures, fingerprint, lock_study
from metalyra.products import read_paper
from metalyra.study import read_yaml
from snakemake.exceptions import WorkflowError

HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
REPRODUCING = ["dg22", "monti24", "monti25"]

if unknown := [name for name in config["papers"] if name not in REPRODUCING]:
    raise WorkflowError(
        f"papers: {', '.join(map(str, unknown))} reproduces no paper; the studies that do are "
        + ", ".join(REPRODUCING)
    )


def configure(name):
    """Return the configuration of a study, with the keys that are given for all."""
    given = {key: value for key, value in config.items() if key not in ("study", "papers")}
    return {**read_yaml(HERE.parent / f"config/{name}.yaml"), **given}


STUDIES = {name: configure(name) for name in config["papers"]}


def published(name):
    """Return the file with what the paper of a study prints."""
    return HERE.parent / f"resources/published/{STUDIES[name]['reproduces']}.yaml"


def reproducing_products(wildcards):
    """Return the products and figures that the papers are compared with."""
    return [
        f"results/{name}/{product}"
        for name in STUDIES
        for paper in [read_paper(published(name))]
        for product in paper.list_files()
    ]


if "dg22" in STUDIES:

    module dg22:
        snakefile:
            "Snakefile"
        config:
            STUDIES["dg22"]

    use rule * from dg22 as dg22_*


if "monti24" in STUDIES:

    module monti24:
        snakefile:
            "Snakefile"
        config:
            STUDIES["monti24"]

    use rule * from monti24 as monti24_*


if "monti25" in STUDIES:

    module monti25:
        snakefile:
            "Snakefile"
        config:
            STUDIES["monti25"]

    use rule * from monti25 as monti25_*


rule papers:
    input:
        published=[published(name) for name in STUDIES],
        products=reproducing_products,
    output:
        page="results/papers/reproduction.html",
        table="results/papers/reproduction.csv",
    log:
        "results/papers/logs/reproduction.log",
    benchmark:
        "results/papers/benchmarks/reproduction.tsv"
    conda:
        "../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        results=[f"results/{name}" for name in STUDIES],
        effort=config.get("effort", "quick"),
        library=fingerprint("reproduction.py"),
    message:
        "Comparing the studies with the papers that they reproduce"
    script:
        "scripts/reproduction.py"


# As modules, the studies lock nothing themselves.
onstart:
    try:
        for name in ("papers", *STUDIES):
            lock_study(Path(f"results/{name}"))
    except StudyLockedError as error:
        raise WorkflowError(str(error)) from None


onerror:
    for file in log:
        for line in explain_failures(Path(file).read_text(errors="replace"), Path.cwd()):
            logger.error(f"MetaLyra: {line}")


# As in rules/runs.smk, for the rule that comes after those of the studies.
if workflow.remote_exec:
    workflow.localrules("papers")
