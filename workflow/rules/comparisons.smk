"""Compare [Fe/H] of a sample with another of the same stars.

Input   star tables, fits, predictions and labels of samples, and tables of the literature
Output  <results>/distributions/<name>.csv              modes of distributions, of any stars
        <results>/comparisons/<name>.parquet            the stars, those that differ most first
        <results>/comparisons/<name>.csv                how they agree, in numbers
        <results>/comparisons/<name>.steps.csv          how many stars each step leaves
        <results>/comparisons/<name>.discrepant.csv     the most discrepant stars
"""

targets += expand("<results>/comparisons/{comparison}.csv", comparison=config["comparisons"])
targets += expand(
    "<results>/distributions/{distribution}.csv", distribution=config["distributions"]
)


rule comparison:
    input:
        unpack(compared_files),
    output:
        stars="<results>/comparisons/{comparison}.parquet",
        steps="<results>/comparisons/{comparison}.steps.csv",
        discrepant="<results>/comparisons/{comparison}.discrepant.csv",
        metrics=report(
            "<results>/comparisons/{comparison}.csv",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}", "product": "metrics"},
        ),
    log:
        "<logs>/comparison/{comparison}.log",
    benchmark:
        "<benchmarks>/comparison/{comparison}.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        settings=lambda wildcards: study.comparison(wildcards.comparison),
        library=fingerprint("comparison.py"),
    message:
        "Comparing the metallicities of {wildcards.comparison}"
    script:
        "../scripts/comparison.py"


rule distribution:
    input:
        unpack(distributed_files),
    output:
        stars="<results>/distributions/{distribution}.parquet",
        modes=report(
            "<results>/distributions/{distribution}.csv",
            caption="../report/distribution.rst",
            category="Comparisons",
            labels={"distribution": "{distribution}", "product": "modes"},
        ),
    log:
        "<logs>/distribution/{distribution}.log",
    benchmark:
        "<benchmarks>/distribution/{distribution}.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        sides=lambda wildcards: study.distribution(wildcards.distribution),
        library=fingerprint("distribution.py"),
    message:
        "Finding the modes of the metallicities of {wildcards.distribution}"
    script:
        "../scripts/distribution.py"
