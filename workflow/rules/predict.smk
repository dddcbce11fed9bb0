"""Predict the metallicities of a chunk of stars with an ensemble.

Input   <results>/fits/ and folded/<sample>/<chunk>.parquet, <results>/models/<model>/
Output  <results>/predictions/<model>/<sample>/<chunk>.parquet
"""


rule predict:
    input:
        stars=lambda wildcards: star_table(wildcards.sample),
        fits="<results>/fits/{sample}/{chunk}.parquet",
        folded="<results>/folded/{sample}/{chunk}.parquet",
        others=folded_in_other_bands,
        card=lambda wildcards: f"{model_folder(wildcards.model)}/card.json",
        training_set=lambda wildcards: f"{model_folder(wildcards.model)}/training_set.parquet",
        members=lambda wildcards: member_files(wildcards.model),
        relations=lambda wildcards: relation_files(study.relation_of(wildcards.model)),
    output:
        "<results>/predictions/{model}/{sample}/{chunk}.parquet",
    log:
        "<logs>/predict/{model}/{sample}/{chunk}.log",
    benchmark:
        "<benchmarks>/predict/{model}/{sample}/{chunk}.tsv"
    group:
        "predict"
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(20),
    params:
        pulsation_type=of_model("pulsation_type"),
        prediction=lambda wildcards: study.prediction(wildcards.model, wildcards.sample),
        relation=lambda wildcards: study.relation_of(wildcards.model),
        fit=lambda wildcards: study.fitting_of(wildcards.sample),
        band=of_sample("band"),
        library=program("predict.py"),
    message:
        "Predicting {wildcards.sample} with {wildcards.model}, chunk {wildcards.chunk}"
    script:
        "../scripts/predict.py"
