"""Acquire the sources of a study, or simulate them.

Input   the mirror or the archives; nothing for a simulated sky
Output  <results>/sources/<path>, in the archives' own formats
        <results>/replies/<path>/, what archives answered to queries, as it came
        <results>/sources/simulated/truth.csv, the true metallicities of a simulated sky
"""

if "simulate" in config:

    rule simulate:
        output:
            sources=simulated_sources(),
            truth="<results>/sources/simulated/truth.csv",
        log:
            "<logs>/simulate.log",
        benchmark:
            "<benchmarks>/simulate.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=20,
        params:
            folder=subpath(output.truth, ancestor=2),
            settings=config["simulate"],
            seed=config["seed"],
            library=fingerprint("simulate"),
        message:
            "Simulating the archives' files of a small sky"
        script:
            "../scripts/simulate.py"

else:

    # The nodes of a cluster often have no network.
    localrules:
        acquire,

    rule acquire:
        input:
            stars=stars_of_query,
            # A new version of the project is no reason to ask the archives again.
            registry=ancient(SOURCES),
            archives=ancient(ARCHIVES),
        output:
            "<results>/sources/{source}",
        log:
            "<logs>/acquire/{source}.log",
        benchmark:
            "<benchmarks>/acquire/{source}.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=240,
        params:
            query=query_of,
            replies="<results>/replies",
            slots="<results>/.slots",
        message:
            "Acquiring {wildcards.source}"
        script:
            "../scripts/acquire.py"
