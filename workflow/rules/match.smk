"""Cross-match a sample with its reference, which gives it period and pulsation type.

Input   <results>/stars/<sample>.parquet, for the sample and its reference
Output  <results>/matched/<sample>.parquet
        <results>/chance_matches/<sample>.parquet    matches of stars that were moved away
        <results>/tables/match/<sample>.csv
"""

targets += expand("<results>/tables/match/{sample}.csv", sample=study.matched_samples())


rule match:
    input:
        unpack(match_inputs),
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
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        settings=lambda wildcards: study.matching_of(wildcards.sample),
        library=fingerprint("match.py"),
    message:
        "Cross-matching {wildcards.sample}"
    script:
        "../scripts/match.py"


rule match_report:
    input:
        unpack(match_inputs),
        matched="<results>/matched/{sample}.parquet",
    output:
        by_chance="<results>/chance_matches/{sample}.parquet",
        table=report(
            "<results>/tables/match/{sample}.csv",
            caption="../report/match_table.rst",
            category="Cross-matches",
            labels={"sample": "{sample}", "product": "numbers"},
        ),
    log:
        "<logs>/match_report/{sample}.log",
    benchmark:
        "<benchmarks>/match_report/{sample}.tsv"
    localrule: True
    conda:
        "../../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        settings=lambda wildcards: study.matching_of(wildcards.sample),
        library=fingerprint("match_report.py"),
    message:
        "Describing the cross-match of {wildcards.sample}"
    script:
        "../scripts/match_report.py"
