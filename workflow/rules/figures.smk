"""Draw the figures and write the tables of papers.

Input   the catalogue, or what the stages before it wrote
Output  <results>/tables/<table>.{csv,vot,dat}
        <results>/tables/ReadMe
        <results>/figures/metallicities.png
        <results>/figures/<figure>/<sample, model, map, ...>.png, each as .pdf as well

A figure is a function of metalyra.products.figures, which says what it is of and what it reads.
"""

from metalyra.products import declared_figures

# Those that compare models; others list the stars of a sample.
model_tables = [name for name, table in config["tables"].items() if "sample" not in table]

targets += expand("<results>/tables/{table}.{kind}", table=config["tables"], kind=["csv", "vot"])
targets += ["<results>/tables/ReadMe"] if config["tables"] else []
targets += expand("<results>/tables/{experiment}.csv", experiment=config["experiments"])
targets += expand("<results>/tables/{accuracy}.csv", accuracy=config["accuracy_by_epochs"])
targets += [
    f"{figure_path(figure)}.png".format(**names)
    for figure in declared_figures().values()
    if is_drawn(figure)
    for names in SUBJECTS[figure.of][1]()
]
if study.is_simulated:
    targets.append("<results>/tables/recovery.csv")


for figure in declared_figures().values():

    rule:
        name:
            f"figure_{figure.name}"
        input:
            unpack(figure_files(figure)),
        output:
            report(
                f"{figure_path(figure)}.png",
                caption=f"../report/{figure.name}.rst",
                category=figure.category,
                labels=figure_labels(figure),
            ),
            pdf=f"{figure_path(figure)}.pdf",
        log:
            f"{figure_path(figure)}.log".replace("<results>", "<logs>"),
        benchmark:
            f"{figure_path(figure)}.tsv".replace("<results>", "<benchmarks>")
        wildcard_constraints:
            type="RRab|RRc",
        localrule: True
        conda:
            "../../envs/catalogue.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(4000),
            runtime=by_attempt(10),
            local_jobs=1,
        params:
            figure=figure.name,
            settings=figure_settings(figure),
            titles=lambda wildcards: study.titles_of(dict(wildcards.items())),
            library=fingerprint("figure.py", figure.module),
        message:
            f"Drawing {figure.name}: {{wildcards}}"
        script:
            "../scripts/figure.py"


rule paper_table:
    input:
        unpack(product_files("tables", "table")),
    output:
        csv=report(
            "<results>/tables/{table}.csv",
            caption="../report/paper_table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        votable="<results>/tables/{table}.vot",
        lines="<results>/tables/{table}.dat",
    log:
        "<logs>/paper_table/{table}.log",
    benchmark:
        "<benchmarks>/paper_table/{table}.tsv"
    wildcard_constraints:
        table="|".join(name for name in config["tables"] if name not in model_tables) or "-",
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        layout=layout_of_table,
        library=program(
            "paper_table.py", lambda wildcards: [LAYOUTS.module_of(layout_of_table(wildcards))]
        ),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/paper_table.py"


rule model_table:
    input:
        unpack(compared_model_files),
    output:
        csv=report(
            "<results>/tables/{table}.csv",
            caption="../report/paper_table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        votable="<results>/tables/{table}.vot",
        lines="<results>/tables/{table}.dat",
    log:
        "<logs>/model_table/{table}.log",
    benchmark:
        "<benchmarks>/model_table/{table}.tsv"
    wildcard_constraints:
        table="|".join(model_tables) or "-",
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        layout=layout_of_table,
        models=lambda wildcards: config["tables"][wildcards.table]["models"],
        library=program(
            "model_table.py", lambda wildcards: [LAYOUTS.module_of(layout_of_table(wildcards))]
        ),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/model_table.py"


rule tables_readme:
    input:
        expand("<results>/tables/{table}.csv", table=config["tables"]),
    output:
        "<results>/tables/ReadMe",
    log:
        "<logs>/tables_readme.log",
    benchmark:
        "<benchmarks>/tables_readme.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        study=config["study"],
        described=describe_layouts(),
        library=fingerprint("tables_readme.py"),
    message:
        "Describing the tables"
    script:
        "../scripts/tables_readme.py"


rule experiment_table:
    input:
        unpack(experiment_files),
    output:
        report(
            "<results>/tables/{experiment}.csv",
            caption="../report/experiment_table.rst",
            category="Tables",
            labels={"table": "{experiment}"},
        ),
    log:
        "<logs>/experiment_table/{experiment}.log",
    benchmark:
        "<benchmarks>/experiment_table/{experiment}.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        models=lambda wildcards: study.models_of(wildcards.experiment),
        library=fingerprint("experiment_table.py"),
    message:
        "Writing the table of the experiment {wildcards.experiment}"
    script:
        "../scripts/experiment_table.py"


rule accuracy_by_epochs:
    input:
        unpack(compared_by_epochs),
    output:
        pairs="<results>/accuracy_by_epochs/{accuracy}.parquet",
        table=report(
            "<results>/tables/{accuracy}.csv",
            caption="../report/accuracy_by_epochs_table.rst",
            category="Tables",
            labels={"table": "{accuracy}"},
        ),
    log:
        "<logs>/accuracy_by_epochs/{accuracy}.log",
    benchmark:
        "<benchmarks>/accuracy_by_epochs/{accuracy}.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        models=lambda wildcards: config["accuracy_by_epochs"][wildcards.accuracy]["models"],
        edges=lambda wildcards: config["accuracy_by_epochs"][wildcards.accuracy]["edges"],
        library=fingerprint("accuracy_by_epochs.py"),
    message:
        "Measuring the accuracy of models by the number of epochs: {wildcards.accuracy}"
    script:
        "../scripts/accuracy_by_epochs.py"


if study.is_simulated:

    rule recovery:
        input:
            catalogue="<results>/catalogue/metallicities.parquet",
            truth="<results>/sources/simulated/truth.csv",
        output:
            pairs="<results>/tables/truth.parquet",
            table=report(
                "<results>/tables/recovery.csv",
                caption="../report/recovery_table.rst",
                category="Truth",
                labels={"sample": "all", "product": "metrics"},
            ),
        log:
            "<logs>/recovery.log",
        benchmark:
            "<benchmarks>/recovery.tsv"
        localrule: True
        conda:
            "../../envs/catalogue.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(4000),
            runtime=by_attempt(10),
            local_jobs=1,
        params:
            surveys={sample: study.lister_of(sample) for sample in config["samples"]},
            library=fingerprint("recovery.py"),
        message:
            "Comparing the catalogue with the simulated truth"
        script:
            "../scripts/recovery.py"
