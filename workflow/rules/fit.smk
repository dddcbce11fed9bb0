"""Fit the light curves of a chunk: Fourier series, periodic Gaussian process, errors.

Input   the star table and <results>/light_curves/<sample>/<chunk>.parquet
Output  <results>/fits/<sample>/<chunk>.parquet     one row a star
        <results>/folded/<sample>/<chunk>.parquet   one row an epoch
        <results>/folded_in_other_bands/<sample>/<chunk>.parquet
                                                    likewise, of samples with the key shape_bands
"""


rule fit:
    input:
        stars=lambda wildcards: star_table(wildcards.sample),
        light_curves="<results>/light_curves/{sample}/{chunk}.parquet",
    output:
        fits="<results>/fits/{sample}/{chunk}.parquet",
        folded="<results>/folded/{sample}/{chunk}.parquet",
    log:
        "<logs>/fit/{sample}/{chunk}.log",
    benchmark:
        "<benchmarks>/fit/{sample}/{chunk}.tsv"
    group:
        "fit"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(60),
    params:
        settings=lambda wildcards: study.fitting_of(wildcards.sample),
        chunks=of_sample("chunks"),
        seed=config["seed"],
        library=fingerprint("fit.py"),
    message:
        "Fitting the light curves of {wildcards.sample}, chunk {wildcards.chunk}"
    script:
        "../scripts/fit.py"


rule fold_other_bands:
    input:
        fits="<results>/fits/{sample}/{chunk}.parquet",
        light_curves="<results>/light_curves_of_other_bands/{sample}/{chunk}.parquet",
    output:
        "<results>/folded_in_other_bands/{sample}/{chunk}.parquet",
    log:
        "<logs>/fold_other_bands/{sample}/{chunk}.log",
    benchmark:
        "<benchmarks>/fold_other_bands/{sample}/{chunk}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        bands=lambda wildcards: study.shape_bands_of(wildcards.sample),
        library=fingerprint("fold_other_bands.py"),
    message:
        "Folding the light curves of {wildcards.sample} in other bands, chunk {wildcards.chunk}"
    script:
        "../scripts/fold_other_bands.py"
