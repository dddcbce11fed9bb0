"""Train the members of an ensemble, or read those that were published.

Input   <results>/development/<model>.{parquet,npz}, or the published weights
Output  <results>/models/<model>/member_<k>.keras        one network a cross-validation fold, or
        <results>/models/<model>/member_<k>.npz          one member of a stack
        <results>/models/<model>/history_<k>.parquet     its loss, epoch by epoch
        <results>/models/<model>/out_of_fold.parquet     its predictions of stars not trained on
        <results>/models/<model>/metrics_<k>.parquet     its metrics on these and on the others
        <results>/models/<model>/training_set.parquet    its stars and their folds
        <results>/models/<model>/card.json               what the ensemble is, and its metrics
"""


rule train:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        networks=["<results>/models/{model}/member_{member}.keras"],
        histories=["<results>/models/{model}/history_{member}.parquet"],
        out_of_fold=["<results>/models/{model}/out_of_fold_{member}.parquet"],
        metrics=["<results>/models/{model}/metrics_{member}.parquet"],
    log:
        "<logs>/train/{model}/{member}.log",
    benchmark:
        "<benchmarks>/train/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(trained_singly()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=config["gpu"],
    params:
        members=lambda wildcards: [int(wildcards.member)],
        checkpoints=checkpoint_folder,
        network=of_model("network"),
        training=of_model("training"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=fingerprint("train.py"),
    message:
        "Training member {wildcards.member} of {wildcards.model}"
    script:
        "../scripts/train.py"


# A GPU trains several members in turn, which are named in the rule of their job.
for model, job in shared_training_jobs():

    rule:
        name:
            f"train_{model}_{job[0]}_to_{job[-1]}"
        input:
            table=f"<results>/development/{model}.parquet",
            sequences=f"<results>/development/{model}.npz",
            best=best_settings(model),
        output:
            networks=member_files(model, "member", numbers=job),
            histories=member_files(model, "history", "parquet", numbers=job),
            out_of_fold=member_files(model, "out_of_fold", "parquet", numbers=job),
            metrics=member_files(model, "metrics", "parquet", numbers=job),
        log:
            f"<logs>/train/{model}/{job[0]}_to_{job[-1]}.log",
        benchmark:
            f"<benchmarks>/train/{model}/{job[0]}_to_{job[-1]}.tsv"
        conda:
            "../../envs/networks.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=240 * len(job),
            gpu=config["gpu"],
        params:
            members=list(job),
            checkpoints=f"results/{config['study']}/checkpoints/models/{model}",
            network=config["models"][model].get("network"),
            training=config["models"][model]["training"],
            weights=config["models"][model]["weights"],
            seed=config["seed"],
            library=fingerprint("train.py"),
        message:
            f"Training members {job[0]} to {job[-1]} of {model}"
        script:
            "../scripts/train.py"


rule evaluate:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
        fits=lambda wildcards: chunk_files("fits", config["models"][wildcards.model]["sample"]),
        out_of_fold=lambda wildcards: member_files(wildcards.model, "out_of_fold", "parquet"),
        metrics=lambda wildcards: member_files(wildcards.model, "metrics", "parquet"),
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        card=report(
            "<results>/models/{model}/card.json",
            caption="../report/model_card.rst",
            category="Models",
            labels={"model": "{model}", "product": "card"},
        ),
        out_of_fold="<results>/models/{model}/out_of_fold.parquet",
        training_set="<results>/models/{model}/training_set.parquet",
    log:
        "<logs>/evaluate/{model}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}.tsv"
    wildcard_constraints:
        model="|".join(network_models()) or "-",
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
        weights=of_model("weights"),
        seed=config["seed"],
        band=lambda wildcards: band_of_model(config, wildcards.model),
        relation=lambda wildcards: relation_of(wildcards.model),
        pulsation_type=of_model("pulsation_type"),
        cuts=of_model("cuts"),
        fit=lambda wildcards: fit_of(config["models"][wildcards.model]["sample"]),
        search=of_model("from_search"),
        library=fingerprint("evaluate.py"),
    message:
        "Evaluating the ensemble {wildcards.model} on stars that its members were not trained on"
    script:
        "../scripts/evaluate.py"


rule train_stack:
    input:
        table="<results>/development/{model}.parquet",
        fits=lambda wildcards: chunk_files("fits", config["models"][wildcards.model]["sample"]),
        folded=lambda wildcards: chunk_files("folded", config["models"][wildcards.model]["sample"]),
    output:
        member="<results>/models/{model}/member_{member}.npz",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
    log:
        "<logs>/train_stack/{model}/{member}.log",
    benchmark:
        "<benchmarks>/train_stack/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(stacked_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        stack=of_model("stack"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=fingerprint("train_stack.py"),
    message:
        "Training member {wildcards.member} of the stack {wildcards.model}"
    script:
        "../scripts/train_stack.py"


# A stack that a published model joins holds a copy of it.
for model in stacked_models():

    rule:
        name:
            f"evaluate_{model}"
        input:
            table=f"<results>/development/{model}.parquet",
            fits=chunk_files("fits", config["models"][model]["sample"]),
            folded=chunk_files("folded", config["models"][model]["sample"]),
            out_of_fold=member_files(model, "out_of_fold", "parquet"),
            published=(
                model_files(config["models"][model]["stack"]["published"])
                if "published" in config["models"][model]["stack"]
                else []
            ),
        output:
            **(
                {"published": directory(f"<results>/models/{model}/published")}
                if "published" in config["models"][model]["stack"]
                else {}
            ),
            card=report(
                f"<results>/models/{model}/card.json",
                caption="../report/model_card.rst",
                category="Models",
                labels={"model": model, "product": "card"},
            ),
            out_of_fold=f"<results>/models/{model}/out_of_fold.parquet",
            training_set=f"<results>/models/{model}/training_set.parquet",
        log:
            f"<logs>/evaluate/{model}.log",
        benchmark:
            f"<benchmarks>/evaluate/{model}.tsv"
        conda:
            "../../envs/networks.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            model=model,
            stack=config["models"][model]["stack"],
            seed=config["seed"],
            band=band_of_model(config, model),
            relation=relation_of(model),
            weights=config["models"][model]["weights"],
            pulsation_type=config["models"][model]["pulsation_type"],
            cuts=config["models"][model]["cuts"],
            fit=fit_of(config["models"][model]["sample"]),
            library=fingerprint("evaluate_stack.py"),
        message:
            f"Learning the weights of the stack {model} out of fold"
        script:
            "../scripts/evaluate_stack.py"


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
            training_stars=sources(
                [config["models"][model]["training_stars"]]
                if "training_stars" in config["models"][model]
                else []
            ),
            known=PUBLISHED_MODELS,
        output:
            card=f"<results>/models/{model}/card.json",
            training_set=f"<results>/models/{model}/training_set.parquet",
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
            library=fingerprint("publish.py"),
        message:
            f"Reading the published networks of {model}"
        script:
            "../scripts/publish.py"
