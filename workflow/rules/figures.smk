"""Draw the figures and write the tables of papers.

Input   the catalogue, or what the stages before it wrote
Output  <results>/tables/<table>.csv
        <results>/figures/metallicities.png
        <results>/figures/<kind>/<sample, model or map>.png
"""

targets += expand("<results>/tables/{table}.csv", table=config["tables"])
targets += expand("<results>/tables/{experiment}.csv", experiment=config["experiments"])
targets.append("<results>/figures/metallicities.png")
targets += expand("<results>/figures/sky_maps/{sky_map}.png", sky_map=config["sky_maps"])
targets += expand("<results>/figures/light_curves/{sample}.png", sample=config["samples"])
targets += expand(
    "<results>/figures/{kind}/{sample}.png",
    kind=["bailey", *(["recovery"] if study.is_simulated else [])],
    sample=study.samples_with_metallicities(),
)
targets += expand(
    "<results>/figures/{kind}/{model}.png",
    kind=["out_of_fold", "out_of_fold_histogram"],
    model=study.usual_models(),
)
targets += expand(
    "<results>/figures/{kind}/{model}.png",
    kind=["weights", "learning_curves"],
    model=[model for model in study.usual_models() if model in study.network_models()],
)
targets += expand("<results>/figures/archive/{sample}.png", sample=config["archive_comparisons"])
if study.is_simulated:
    targets.append("<results>/tables/recovery.csv")


rule paper_table:
    input:
        unpack(product_files("tables", "table")),
    output:
        report(
            "<results>/tables/{table}.csv",
            caption="../report/paper_table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "<logs>/paper_table/{table}.log",
    benchmark:
        "<benchmarks>/paper_table/{table}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        product=lambda wildcards: config["tables"][wildcards.table],
        library=fingerprint("paper_table.py"),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/paper_table.py"


rule sky_map:
    input:
        unpack(product_files("sky_maps", "sky_map")),
        regions=REGIONS,
    output:
        report(
            "<results>/figures/sky_maps/{sky_map}.png",
            caption="../report/sky_map.rst",
            category="Sky maps",
            labels={"map": "{sky_map}"},
        ),
    log:
        "<logs>/sky_map/{sky_map}.log",
    benchmark:
        "<benchmarks>/sky_map/{sky_map}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        product=lambda wildcards: config["sky_maps"][wildcards.sky_map],
        library=fingerprint("sky_map.py"),
    message:
        "Drawing the sky map {wildcards.sky_map}"
    script:
        "../scripts/sky_map.py"


rule metallicity_histogram:
    input:
        "<results>/catalogue/metallicities.parquet",
    output:
        report(
            "<results>/figures/metallicities.png",
            caption="../report/metallicity_histogram.rst",
            category="Metallicities",
            labels={"product": "distribution", "sample": "all"},
        ),
    log:
        "<logs>/metallicity_histogram.log",
    benchmark:
        "<benchmarks>/metallicity_histogram.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        library=fingerprint("metallicity_histogram.py"),
    message:
        "Drawing the distribution of the metallicities"
    script:
        "../scripts/metallicity_histogram.py"


rule bailey_diagram:
    input:
        "<results>/catalogue/metallicities.parquet",
    output:
        report(
            "<results>/figures/bailey/{sample}.png",
            caption="../report/bailey_diagram.rst",
            category="Metallicities",
            labels={"product": "Bailey diagram", "sample": "{sample}"},
        ),
    log:
        "<logs>/bailey_diagram/{sample}.log",
    benchmark:
        "<benchmarks>/bailey_diagram/{sample}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        band=of_sample("band"),
        library=fingerprint("bailey_diagram.py"),
    message:
        "Drawing the Bailey diagram of {wildcards.sample}"
    script:
        "../scripts/bailey_diagram.py"


rule light_curves:
    input:
        fits=lambda wildcards: chunk_files("fits", wildcards.sample),
        folded=lambda wildcards: chunk_files("folded", wildcards.sample),
    output:
        report(
            "<results>/figures/light_curves/{sample}.png",
            caption="../report/light_curves.rst",
            category="Light curves",
            labels={"sample": "{sample}"},
        ),
    log:
        "<logs>/light_curves/{sample}.log",
    benchmark:
        "<benchmarks>/light_curves/{sample}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        show=of_sample("show"),
        library=fingerprint("light_curves.py"),
    message:
        "Drawing light curves of {wildcards.sample}"
    script:
        "../scripts/light_curves.py"


rule archive_comparison:
    input:
        stars=lambda wildcards: star_table(wildcards.sample),
        fits=lambda wildcards: chunk_files("fits", wildcards.sample),
    output:
        report(
            "<results>/figures/archive/{sample}.png",
            caption="../report/archive_comparison.rst",
            category="Light curves",
            labels={"sample": "{sample}", "product": "against the archive"},
        ),
    log:
        "<logs>/archive_comparison/{sample}.log",
    benchmark:
        "<benchmarks>/archive_comparison/{sample}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        library=fingerprint("archive_comparison.py"),
    message:
        "Comparing the Fourier phases of {wildcards.sample} with the archive's"
    script:
        "../scripts/archive_comparison.py"


rule out_of_fold:
    input:
        "<results>/models/{model}/out_of_fold.parquet",
    output:
        report(
            "<results>/figures/out_of_fold/{model}.png",
            caption="../report/out_of_fold.rst",
            category="Models",
            labels={"model": "{model}", "product": "cross-validation"},
        ),
    log:
        "<logs>/out_of_fold/{model}.log",
    benchmark:
        "<benchmarks>/out_of_fold/{model}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        library=fingerprint("out_of_fold.py"),
    message:
        "Drawing the cross-validation of {wildcards.model}"
    script:
        "../scripts/out_of_fold.py"


rule out_of_fold_histogram:
    input:
        "<results>/models/{model}/out_of_fold.parquet",
    output:
        report(
            "<results>/figures/out_of_fold_histogram/{model}.png",
            caption="../report/out_of_fold_histogram.rst",
            category="Models",
            labels={"model": "{model}", "product": "distribution"},
        ),
    log:
        "<logs>/out_of_fold_histogram/{model}.log",
    benchmark:
        "<benchmarks>/out_of_fold_histogram/{model}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        library=fingerprint("out_of_fold_histogram.py"),
    message:
        "Drawing the distribution that {wildcards.model} predicts"
    script:
        "../scripts/out_of_fold_histogram.py"


rule sample_weights:
    input:
        "<results>/development/{model}.parquet",
    output:
        report(
            "<results>/figures/weights/{model}.png",
            caption="../report/sample_weights.rst",
            category="Models",
            labels={"model": "{model}", "product": "sample weights"},
        ),
    log:
        "<logs>/sample_weights/{model}.log",
    benchmark:
        "<benchmarks>/sample_weights/{model}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        weights=of_model("weights"),
        library=fingerprint("sample_weights.py"),
    message:
        "Drawing the weights of the stars that {wildcards.model} is trained on"
    script:
        "../scripts/sample_weights.py"


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
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        models=lambda wildcards: study.models_of(wildcards.experiment),
        library=fingerprint("experiment_table.py"),
    message:
        "Writing the table of the experiment {wildcards.experiment}"
    script:
        "../scripts/experiment_table.py"


rule learning_curves:
    input:
        lambda wildcards: member_files(wildcards.model, "history", "parquet"),
    output:
        report(
            "<results>/figures/learning_curves/{model}.png",
            caption="../report/learning_curves.rst",
            category="Models",
            labels={"model": "{model}", "product": "training"},
        ),
    log:
        "<logs>/learning_curves/{model}.log",
    benchmark:
        "<benchmarks>/learning_curves/{model}.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        library=fingerprint("learning_curves.py"),
    message:
        "Drawing the training of {wildcards.model}"
    script:
        "../scripts/learning_curves.py"


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
        conda:
            "../../envs/catalogue.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            surveys={name: sample["survey"] for name, sample in config["samples"].items()},
            library=fingerprint("recovery.py"),
        message:
            "Comparing the catalogue with the simulated truth"
        script:
            "../scripts/recovery.py"

    rule recovery_figure:
        input:
            "<results>/tables/truth.parquet",
        output:
            report(
                "<results>/figures/recovery/{sample}.png",
                caption="../report/recovery.rst",
                category="Truth",
                labels={"sample": "{sample}", "product": "figure"},
            ),
        log:
            "<logs>/recovery_figure/{sample}.log",
        benchmark:
            "<benchmarks>/recovery_figure/{sample}.tsv"
        conda:
            "../../envs/catalogue.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            library=fingerprint("recovery_figure.py"),
        message:
            "Drawing {wildcards.sample} against the simulated truth"
        script:
            "../scripts/recovery_figure.py"
