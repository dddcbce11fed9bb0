"""Gather the catalogue, and account for every star.

Input   what all stages wrote for all samples
Output  <results>/catalogue/metallicities.{parquet,vot,fits,csv}   one row a star
        <results>/catalogue/estimates.parquet   one row a star and model or relation
        <results>/release/      the catalogue ready for a data release
        <results>/ledger.csv    stars by stage and status; the rule fails if one is lost
"""

targets += expand(
    "<results>/catalogue/metallicities.{suffix}", suffix=["parquet", "vot", "fits", "csv"]
)
targets.append("<results>/ledger.csv")
if study.releases_data:
    targets.append("<results>/release/SHA256SUMS")


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
        mem_mb=by_attempt(8000),
        runtime=by_attempt(60),
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
        mem_mb=by_attempt(8000),
        runtime=by_attempt(30),
    params:
        study=study.catalogue_settings(),
        library=fingerprint("ledger.py"),
    message:
        "Counting the stars of every stage"
    script:
        "../scripts/ledger.py"


rule provenance:
    input:
        cards=released_cards,
        sources=released_sources,
        # A new version of the project is no reason to release the data again.
        registry=ancient(SOURCES),
        archives=ancient(ARCHIVES),
    output:
        "<results>/release/provenance.json",
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
    conda:
        "../../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(60),
    params:
        names=study.needed_sources(),
        simulated=study.is_simulated,
        configuration=lambda wildcards: describe_configuration(config),
        sources=f"results/{config['study']}/sources",
        replies=f"results/{config['study']}/replies",
        root=str(ROOT),
        library=fingerprint("provenance.py"),
    message:
        "Looking where the data come from"
    script:
        "../scripts/provenance.py"


rule data_release:
    input:
        catalogue="<results>/catalogue/metallicities.parquet",
        estimates="<results>/catalogue/estimates.parquet",
        provenance="<results>/release/provenance.json",
        published=RELATIONS,
        calibrated=released_relations,
        cards=released_cards,
    output:
        multiext("<results>/release/catalogue", ".vot", ".fits", ".parquet"),
        multiext("<results>/release/CITATION", ".md", ".bib"),
        readme="<results>/release/README.md",
        licence="<results>/release/LICENCE",
        sums="<results>/release/SHA256SUMS",
    log:
        "<logs>/data_release.log",
    benchmark:
        "<benchmarks>/data_release.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(60),
    params:
        settings=lambda wildcards: study.released_settings(),
        library=fingerprint("data_release.py"),
    message:
        "Making the catalogue ready for a data release"
    script:
        "../scripts/data_release.py"


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
            mem_mb=by_attempt(4000),
            runtime=by_attempt(30),
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
