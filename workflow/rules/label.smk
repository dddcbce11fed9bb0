"""Label the stars of a sample with the metallicities of a relation.

Input   the star table and <results>/fits/<sample>/
Output  <results>/labels/<sample>.parquet
"""


rule label:
    input:
        stars=lambda wildcards: star_table(wildcards.sample),
        fits=lambda wildcards: chunk_files("fits", wildcards.sample),
        relations=lambda wildcards: relation_files(config["labels"][wildcards.sample]),
    output:
        "<results>/labels/{sample}.parquet",
    log:
        "<logs>/label/{sample}.log",
    benchmark:
        "<benchmarks>/label/{sample}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(20),
    params:
        relation=lambda wildcards: config["labels"][wildcards.sample],
        settings=lambda wildcards: study.labelling_of(wildcards.sample),
        library=fingerprint("label.py"),
    message:
        "Estimating metallicities of {wildcards.sample} by the relation {params.relation}"
    script:
        "../scripts/label.py"
