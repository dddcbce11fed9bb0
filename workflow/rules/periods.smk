"""Find the periods and types of the stars of a sample, or check those that are given.

Input   the star table of the list or match, and <results>/light_curves/<sample>/<chunk>.parquet,
        and those of light_curves_of_other_bands/ if the sample has the key period_bands
Output  <results>/periods/<sample>/<chunk>.parquet   the stars of a chunk
        <results>/periods/<sample>.parquet           all, in the list's order
"""


rule periods:
    input:
        stars=lambda wildcards: listed_stars(wildcards.sample),
        light_curves="<results>/light_curves/{sample}/{chunk}.parquet",
        others=other_bands,
    output:
        "<results>/periods/{sample}/{chunk}.parquet",
    log:
        "<logs>/periods/{sample}/{chunk}.log",
    benchmark:
        "<benchmarks>/periods/{sample}/{chunk}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(120),
    params:
        mode=of_sample("periods"),
        bands=lambda wildcards: study.period_bands_of(wildcards.sample),
        chunks=of_sample("chunks"),
        library=fingerprint("periods.py"),
    message:
        "Finding the periods of {wildcards.sample}, chunk {wildcards.chunk}"
    script:
        "../scripts/periods.py"


rule join_periods:
    input:
        stars=lambda wildcards: listed_stars(wildcards.sample),
        chunks=lambda wildcards: chunk_files("periods", wildcards.sample),
    output:
        "<results>/periods/{sample}.parquet",
    log:
        "<logs>/join_periods/{sample}.log",
    benchmark:
        "<benchmarks>/join_periods/{sample}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        library=fingerprint("join_periods.py"),
    message:
        "Joining the periods of {wildcards.sample}"
    script:
        "../scripts/join_periods.py"
