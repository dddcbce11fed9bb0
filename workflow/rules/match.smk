"""Cross-match a sample with its reference, which gives it period and pulsation type.

Input   <results>/stars/<sample>.parquet, for the sample and its reference
Output  <results>/matched/<sample>.parquet
"""


rule match:
    input:
        stars="<results>/stars/{sample}.parquet",
        reference=lambda wildcards: star_table(
            config["samples"][wildcards.sample]["match"]["reference"]
        ),
    output:
        "<results>/matched/{sample}.parquet",
    log:
        "<logs>/match/{sample}.log",
    benchmark:
        "<benchmarks>/match/{sample}.tsv"
    conda:
        "../../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        radius=lambda wildcards: config["samples"][wildcards.sample]["match"]["radius"],
        library=fingerprint("crossmatch"),
    message:
        "Cross-matching {wildcards.sample}"
    script:
        "../scripts/match.py"
