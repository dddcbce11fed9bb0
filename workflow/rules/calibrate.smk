"""Calibrate a metallicity relation on spectroscopic metallicities.

Input   tables of spectroscopic [Fe/H], or a star table that has it, and our fits of the same stars
Output  <results>/calibration/<name>/relations.yaml     the relation, for `labels`
        <results>/calibration/<name>/*.csv, .parquet    coefficients, accuracy, features, draws
"""


rule calibrate:
    input:
        spectra=lambda wildcards: sources(
            config["calibrate"][wildcards.calibration].get("spectra", [])
        ),
        stars=labelled_stars,
        fits=lambda wildcards: chunk_files(
            "fits", config["calibrate"][wildcards.calibration]["sample"]
        ),
        relations=RELATIONS,
    output:
        relations="<results>/calibration/{calibration}/relations.yaml",
        draws="<results>/calibration/{calibration}/draws.parquet",
        coefficients=report(
            "<results>/calibration/{calibration}/coefficients.csv",
            caption="../report/calibration_coefficients.rst",
            category="Calibration",
            labels={"relation": "{calibration}", "product": "coefficients"},
        ),
        accuracy=report(
            "<results>/calibration/{calibration}/accuracy.csv",
            caption="../report/calibration_accuracy.rst",
            category="Calibration",
            labels={"relation": "{calibration}", "product": "accuracy"},
        ),
        features=report(
            "<results>/calibration/{calibration}/features.csv",
            caption="../report/calibration_features.rst",
            category="Calibration",
            labels={"relation": "{calibration}", "product": "features"},
        ),
    log:
        "<logs>/calibrate/{calibration}.log",
    benchmark:
        "<benchmarks>/calibrate/{calibration}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        settings=lambda wildcards: config["calibrate"][wildcards.calibration],
        band=lambda wildcards: config["samples"][
            config["calibrate"][wildcards.calibration]["sample"]
        ]["band"],
        seed=config["seed"],
        library=fingerprint("calibrate.py"),
    message:
        "Calibrating the relation {wildcards.calibration}"
    script:
        "../scripts/calibrate.py"
