"""Read the archives' formats into tables: the front door of every sample.

Input   the sources of the sample
Output  <results>/stars/<sample>.parquet                    one row a star, in the list's order
        <results>/light_curves/<sample>/<chunk>.parquet     one row an epoch
"""

from metalyra.surveys import SURVEYS

# The number of chunks is the sample's own, so that each sample has a rule of its own.
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
            light_curves=chunk_files("light_curves", sample),
        log:
            f"<logs>/ingest/{sample}.log",
        benchmark:
            f"<benchmarks>/ingest/{sample}.tsv"
        conda:
            "../../envs/archives.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=120,
        params:
            given=given_files(sample),
            survey=settings["survey"],
            band=settings["band"],
            only_with_light_curves=settings["only_with_light_curves"],
            periods_required="match" not in settings and settings["phases"] == "measured",
            library=fingerprint("ingest.py", SURVEYS.module_of(settings["survey"])),
        message:
            f"Reading the stars and light curves of {sample}"
        script:
            "../scripts/ingest.py"
