"""Acquire the sources of a study, or simulate them.

Input   the mirror or the archives; nothing for a simulated sky
Output  <results>/sources/<path>, in the archives' own formats; what neither mirror nor archive
        has, made from other sources
        <results>/replies/<path>/, what archives answered to queries, as it came
        <results>/sources/simulated/truth.csv, the true metallicities of a simulated sky
        <results>/sources.csv, where each source comes from
        <results>/queries.txt, what the archives would be asked
        <results>/release_check/, whether a release of Gaia is there and as expected
"""

from time import time_ns

if study.has_example:

    rule simulate_survey:
        output:
            stars=config["stars"],
            light_curves=config["lightcurves"],
        log:
            "<logs>/simulate_survey.log",
        benchmark:
            "<benchmarks>/simulate_survey.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(2000),
            runtime=by_attempt(20),
        params:
            settings=config["example"],
            seed=config["seed"],
            library=fingerprint("simulate_survey.py"),
        message:
            "Simulating a survey that stands in for your own stars"
        script:
            "../scripts/simulate_survey.py"


if study.is_simulated:

    rule simulate:
        output:
            sources=sources(study.sample_sources()),
            truth="<results>/sources/simulated/truth.csv",
        log:
            "<logs>/simulate.log",
        benchmark:
            "<benchmarks>/simulate.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(2000),
            runtime=by_attempt(20),
        params:
            folder=subpath(output.truth, ancestor=2),
            settings=config["simulate"],
            seed=config["seed"],
            library=fingerprint("simulate.py"),
        message:
            "Simulating the archives' files of a small sky"
        script:
            "../scripts/simulate.py"

else:

    # The nodes of a cluster often have no network. (The directive localrules would not know the
    # names that another workflow gives these rules.)
    rule acquire:
        input:
            stars=stars_of_query,
            ingredients=ingredients,
            # A new version of the project is no reason to ask the archives again.
            registry=ancient(SOURCES),
            archives=ancient(ARCHIVES),
        output:
            "<results>/sources/{source}",
        log:
            "<logs>/acquire/{source}.log",
        benchmark:
            "<benchmarks>/acquire/{source}.tsv"
        localrule: True
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(2000),
            runtime=by_attempt(240),
            local_jobs=1,
        params:
            query=query_of,
            ingredients=lambda wildcards: ingredients_of_source(wildcards.source),
            replies=f"results/{config['study']}/replies",
            sources=f"results/{config['study']}/sources",
            slots=f"results/{config['study']}/.slots",
        message:
            "Acquiring {wildcards.source}"
        script:
            "../scripts/acquire.py"

    # These two look at what is there now, whenever they are asked for.
    rule sources:
        input:
            registry=ancient(SOURCES),
            archives=ancient(ARCHIVES),
        output:
            "<results>/sources.csv",
        log:
            "<logs>/sources.log",
        benchmark:
            "<benchmarks>/sources.tsv"
        localrule: True
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(1000),
            runtime=by_attempt(10),
            local_jobs=1,
        params:
            names=study.needed_sources(),
            folder=f"results/{config['study']}/sources",
            asked_at=lambda wildcards: time_ns(),
        message:
            "Looking where the sources come from"
        script:
            "../scripts/list_sources.py"

    rule queries:
        input:
            archives=ancient(ARCHIVES),
        output:
            "<results>/queries.txt",
        log:
            "<logs>/queries.log",
        benchmark:
            "<benchmarks>/queries.tsv"
        localrule: True
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(1000),
            runtime=by_attempt(10),
            local_jobs=1,
        params:
            folder=f"results/{config['study']}/sources",
            asked_at=lambda wildcards: time_ns(),
        message:
            "Writing what the archives would be asked"
        script:
            "../scripts/list_queries.py"

    # There and as expected, or an error; the report, the proposed names and the archive's replies
    # stay beside the output in any case.
    rule check_release:
        input:
            archives=ancient(ARCHIVES),
            releases=ancient(GAIA_RELEASES),
        output:
            "<results>/release_check/as_expected.txt",
        log:
            "<logs>/check_release.log",
        benchmark:
            "<benchmarks>/check_release.tsv"
        localrule: True
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(1000),
            runtime=by_attempt(60),
            local_jobs=1,
        params:
            release=study.gaia_release(),
            slots=f"results/{config['study']}/.slots",
            asked_at=lambda wildcards: time_ns(),
        message:
            "Looking whether the release of Gaia is there and as expected"
        script:
            "../scripts/check_release.py"
