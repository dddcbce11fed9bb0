"""Train the members of an ensemble, or read those that were published.

Input   <results>/development/<model>.{parquet,npz}, or the published weights
Output  <results>/models/<model>/member_<k>.keras        one network a cross-validation fold
        <results>/models/<model>/history_<k>.parquet     its loss, epoch by epoch
        <results>/models/<model>/out_of_fold.parquet     its predictions of stars not trained on
        <results>/models/<model>/card.json               what the ensemble is, and its metrics
"""


rule train:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
    output:
        network="<results>/models/{model}/member_{member}.keras",
        history="<results>/models/{model}/history_{member}.parquet",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
    log:
        "<logs>/train/{model}/{member}.log",
    benchmark:
        "<benchmarks>/train/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(trained_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=config["gpu"],
    params:
        network=of_model("network"),
        training=of_model("training"),
        seed=config["seed"],
        library=fingerprint("ensembles"),
    message:
        "Training member {wildcards.member} of {wildcards.model}"
    script:
        "../scripts/train.py"


rule evaluate:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
        out_of_fold=lambda wildcards: member_files(wildcards.model, "out_of_fold", "parquet"),
    output:
        card=report(
            "<results>/models/{model}/card.json",
            caption="../report/model_card.rst",
            category="Models",
            labels={"model": "{model}", "product": "card"},
        ),
        out_of_fold="<results>/models/{model}/out_of_fold.parquet",
    log:
        "<logs>/evaluate/{model}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}.tsv"
    wildcard_constraints:
        model="|".join(trained_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        network=of_model("network"),
        sequence=of_model("sequence"),
        training=of_model("training"),
        seed=config["seed"],
        band=lambda wildcards: band_of_model(config, wildcards.model),
        relation=lambda wildcards: config["labels"][config["models"][wildcards.model]["labels"]],
        library=fingerprint("ensembles"),
    message:
        "Evaluating the ensemble {wildcards.model} on stars that its members were not trained on"
    script:
        "../scripts/evaluate.py"


# The number of networks is the model's own, so that each published model has a rule of its own.
for model in published_models():

    rule:
        name:
            f"publish_{model}"
        input:
            architecture=f"<results>/sources/{config['models'][model]['published']}/model.json",
            weights=sources(
                f"{config['models'][model]['published']}/weights_{member}.h5"
                for member in members(model)
            ),
        output:
            card=f"<results>/models/{model}/card.json",
            members=member_files(model),
        log:
            f"<logs>/publish/{model}.log",
        benchmark:
            f"<benchmarks>/publish/{model}.tsv"
        conda:
            "../../envs/networks.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=20,
        params:
            name=model,
            settings=config["models"][model],
            library=fingerprint("published"),
        message:
            f"Reading the published networks of {model}"
        script:
            "../scripts/publish.py"
