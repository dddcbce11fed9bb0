"""Make the development set of a model: cuts, sequences, folds.

Input   <results>/fits/ and folded/ of the model's samples, labels, the match between both
        <results>/joined/<model>/       of a model that is trained on several samples
        <results>/unlabelled/<model>/   light curves that its populations learn from besides
Output  <results>/development/<model>.parquet   one row a star of the sample
        <results>/development/<model>.npz       the sequences of the stars that are used
"""


rule join_samples:
    input:
        unpack(joined_files),
    output:
        **joined_tables("{model}", "stars", "fits", "folded", "labels"),
    log:
        "<logs>/join_samples/{model}.log",
    benchmark:
        "<benchmarks>/join_samples/{model}.tsv"
    conda:
        "../../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        samples=lambda wildcards: list(study.training_samples(wildcards.model)),
        through_match=lambda wildcards: study.samples_labelled_through_match(wildcards.model),
        library=fingerprint("join_samples.py"),
    message:
        "Joining the samples that {wildcards.model} is trained on"
    script:
        "../scripts/join_samples.py"


rule develop:
    input:
        unpack(development_files),
    output:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
    log:
        "<logs>/develop/{model}.log",
    benchmark:
        "<benchmarks>/develop/{model}.tsv"
    conda:
        "../../envs/light_curves.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        pulsation_type=of_model("pulsation_type"),
        cuts=of_model("cuts"),
        optional_cuts=of_model("optional_cuts"),
        label_columns=lambda wildcards: study.label_columns(wildcards.model),
        through_match=lambda wildcards: study.is_labelled_through_match(wildcards.model),
        sequence=lambda wildcards: config["models"][wildcards.model].get(
            "sequence", {"recipe": "gp_curve"}
        ),
        folds=of_model("folds"),
        repeats=of_model("repeats"),
        fewest_stars=of_model("fewest_stars"),
        seed=config["seed"],
        library=fingerprint("develop.py"),
    message:
        "Making the development set of {wildcards.model}"
    script:
        "../scripts/develop.py"


rule collect_unlabelled:
    input:
        unpack(unlabelled_files),
    output:
        fits="<results>/unlabelled/{model}/fits.parquet",
        folded="<results>/unlabelled/{model}/folded.parquet",
    log:
        "<logs>/collect_unlabelled/{model}.log",
    benchmark:
        "<benchmarks>/collect_unlabelled/{model}.tsv"
    conda:
        "../../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        samples=lambda wildcards: study.unlabelled_samples(wildcards.model),
        most=lambda wildcards: config["models"][wildcards.model]["stack"].get(
            "most_unlabelled", 5000
        ),
        pulsation_type=of_model("pulsation_type"),
        seed=config["seed"],
        library=fingerprint("collect_unlabelled.py"),
    message:
        "Collecting the light curves that {wildcards.model} learns from without labels"
    script:
        "../scripts/collect_unlabelled.py"
