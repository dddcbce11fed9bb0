"""Gather the catalogue, and account for every star.

Input   what all stages wrote for all samples
Output  <results>/catalogue/metallicities.{parquet,vot,fits,csv}   one row a star
        <results>/catalogue/estimates.parquet   one row a star and model or relation
        <results>/ledger.csv    stars by stage and status; the rule fails if one is lost
"""

targets += expand(
    "<results>/catalogue/metallicities.{suffix}", suffix=["parquet", "vot", "fits", "csv"]
)
targets.append("<results>/ledger.csv")


rule catalogue:
    input:
        **measured_files(),
    output:
        parquet="<results>/catalogue/metallicities.parquet",
        votable="<results>/catalogue/metallicities.vot",
        fits="<results>/catalogue/metallicities.fits",
        estimates="<results>/catalogue/estimates.parquet",
        csv=report(
            "<results>/catalogue/metallicities.csv",
            caption="../report/catalogue.rst",
            category="Catalogue",
            labels={"product": "metallicities"},
        ),
    log:
        "<logs>/catalogue.log",
    benchmark:
        "<benchmarks>/catalogue.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        study=study.catalogue_settings(),
        library=fingerprint("catalogue.py"),
    message:
        "Gathering the catalogue"
    script:
        "../scripts/catalogue.py"


rule ledger:
    input:
        **measured_files(),
        **counted_files(),
        catalogue="<results>/catalogue/metallicities.parquet",
    output:
        report(
            "<results>/ledger.csv",
            caption="../report/ledger.rst",
            category="Catalogue",
            labels={"product": "ledger"},
        ),
    log:
        "<logs>/ledger.log",
    benchmark:
        "<benchmarks>/ledger.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        study=study.catalogue_settings(),
        library=fingerprint("ledger.py"),
    message:
        "Counting the stars of every stage"
    script:
        "../scripts/ledger.py"


if study.writes_own_stars:
    targets.append(config["output"])

    rule own_stars:
        input:
            **measured_files(),
            **counted_files(),
            given=config["stars"],
        output:
            config["output"],
        log:
            "<logs>/own_stars.log",
        benchmark:
            "<benchmarks>/own_stars.tsv"
        conda:
            "../../envs/catalogue.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            study=study.catalogue_settings(),
            given=given_files("own_stars"),
            sample="own_stars",
            survey=config["samples"]["own_stars"]["survey"],
            reading=study.reading_of("own_stars"),
            library=fingerprint(
                "own_stars.py",
                f"metalyra.surveys.{config['samples']['own_stars']['survey']}",
            ),
        message:
            "Writing the metallicities of your own stars to {output}"
        script:
            "../scripts/own_stars.py"
