"""Read the archives' formats into tables: the front door of every sample.

Input   the sources of the sample
Output  <results>/stars/<sample>.parquet                    one row a star, in the list's order
        <results>/light_curves/<sample>/<chunk>.parquet     one row an epoch
        <results>/light_curves_of_other_bands/<sample>/<chunk>.parquet
                                                            of samples with the key period_bands
                                                            or shape_bands
"""

from metalyra.surveys import SURVEYS

# One job reads an archive once and writes every chunk. How many there are is the sample's own,
# and Snakemake takes the outputs of a rule for all its wildcards alike: so each sample has a rule
# of its own. A folder as the output would hide from the fits which chunk has changed or is lost.
for sample, settings in config["samples"].items():

    rule:
        name:
            f"ingest_{sample}"
        input:
            stars=sample_files(sample, "stars"),
            light_curves=sample_files(sample, "light_curves"),
            # A folder's own time stamp does not change with the files in it.
            contents=folder_contents(sample),
        output:
            stars=f"<results>/stars/{sample}.parquet",
            # Not temporary, although the folded curves have the magnitudes too: a fit that is
            # repeated would read the archive again, and with it all that follows the star list.
            light_curves=chunk_files("light_curves", sample),
        log:
            f"<logs>/ingest/{sample}.log",
        benchmark:
            f"<benchmarks>/ingest/{sample}.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(2000),
            runtime=by_attempt(120),
        params:
            given=given_files(sample),
            survey=settings["survey"],
            listed_by=study.lister_of(sample),
            band=settings["band"],
            reading=study.reading_of(sample),
            only_with_light_curves=settings["only_with_light_curves"],
            periods_required=study.needs_periods(sample),
            assume_types=not study.finds_periods(sample),
            # The releases of one archive are read by one module, with names of their own.
            names=[SURVEYS[name].names for name in study.surveys_of(sample)],
            library=fingerprint("ingest.py", *map(SURVEYS.module_of, study.surveys_of(sample))),
        message:
            f"Reading the stars and light curves of {sample}"
        script:
            "../scripts/ingest.py"

    if study.other_bands_of(sample):

        rule:
            name:
                f"ingest_other_bands_{sample}"
            input:
                stars=f"<results>/stars/{sample}.parquet",
                light_curves=sample_files(sample, "light_curves"),
                contents=folder_contents(sample),
            output:
                chunk_files("light_curves_of_other_bands", sample),
            log:
                f"<logs>/ingest_other_bands/{sample}.log",
            benchmark:
                f"<benchmarks>/ingest_other_bands/{sample}.tsv"
            conda:
                "../../envs/archives.yaml"
            threads: 1
            resources:
                mem_mb=by_attempt(2000),
                runtime=by_attempt(120),
            params:
                given=given_files(sample),
                survey=settings["survey"],
                band=settings["band"],
                other_bands=study.other_bands_of(sample),
                reading=study.reading_of(sample),
                names=SURVEYS[settings["survey"]].names,
                library=fingerprint(
                    "ingest_other_bands.py",
                    f"metalyra.surveys.{settings['survey'].partition('_')[0]}",
                ),
            message:
                f"Reading the light curves of {sample} in other bands"
            script:
                "../scripts/ingest_other_bands.py"
