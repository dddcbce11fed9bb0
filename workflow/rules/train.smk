"""Train the members of an ensemble, or read those that were published.

Input   <results>/development/<model>.{parquet,npz}, or the published weights
Output  <results>/models/<model>/member_<k>.keras        one network a cross-validation fold, or
        <results>/models/<model>/member_<k>.npz          one member of a stack
        <results>/models/<model>/history_<k>.parquet     its loss, epoch by epoch
        <results>/models/<model>/out_of_fold.parquet     its predictions of stars not trained on
        <results>/models/<model>/metrics_<k>.parquet     its metrics on these and on the others
        <results>/models/<model>/training_set.parquet    its stars and their folds
        <results>/models/<model>/in_fold.parquet         its networks' predictions of stars trained on
        <results>/models/<model>/layers.parquet          the layers of its networks
        <results>/models/<model>/card.json               what the ensemble is, and its metrics
        <results>/models/<model>/published/              the published model that a stack joins

A job trains one member, or a batch of several (`members_per_job`, for a GPU). A batch
writes into a folder of its own, for it has as many files as it has members; each member's are
taken out of it.
"""

batched = [model for model in study.network_models() if study.trains_in_batches(model)]
single = [model for model in study.network_models() if model not in batched]
joining = [model for model in study.stacked_models() if study.joined_by(model)]


rule train:
    input:
        unpack(stars_of),
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        network="<results>/models/{model}/member_{member}.keras",
        history="<results>/models/{model}/history_{member}.parquet",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
        in_fold="<results>/models/{model}/in_fold_{member}.parquet",
        metrics="<results>/models/{model}/metrics_{member}.parquet",
    log:
        "<logs>/train/{model}/{member}.log",
    benchmark:
        "<benchmarks>/train/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(single) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(240),
        gpu=config["gpu"],
    params:
        folder=subpath(output.network, parent=True),
        members=lambda wildcards: [int(wildcards.member)],
        checkpoints=checkpoint_folder,
        network=of_model("network"),
        training=of_model("training"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=program("train.py"),
    message:
        "Training member {wildcards.member} of {wildcards.model}"
    script:
        "../scripts/train.py"


rule train_batch:
    input:
        unpack(stars_of),
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        temp(directory("<results>/batches/{model}/{batch}")),
    log:
        "<logs>/train/{model}/{batch}.log",
    benchmark:
        "<benchmarks>/train/{model}/{batch}.tsv"
    wildcard_constraints:
        model="|".join(batched) or "-",
        batch=r"\d+_to_\d+",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=lambda wildcards, attempt: 240 * len(batch_of(wildcards)) * attempt,
        gpu=config["gpu"],
    params:
        folder=lambda wildcards, output: output[0],
        members=lambda wildcards: list(batch_of(wildcards)),
        checkpoints=checkpoint_folder,
        network=of_model("network"),
        training=of_model("training"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=program("train.py"),
    message:
        "Training members {wildcards.batch} of {wildcards.model}"
    script:
        "../scripts/train.py"


# As copies, for a file may not be older than the folder that it is taken out of. They wait for no
# download: of local_jobs they take none.
rule take_from_batch:
    input:
        batch_folder,
    output:
        "<results>/models/{model}/member_{member}.keras",
        "<results>/models/{model}/history_{member}.parquet",
        "<results>/models/{model}/out_of_fold_{member}.parquet",
        "<results>/models/{model}/in_fold_{member}.parquet",
        "<results>/models/{model}/metrics_{member}.parquet",
    log:
        "<logs>/take_from_batch/{model}/{member}.log",
    benchmark:
        "<benchmarks>/take_from_batch/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(batched) or "-",
    localrule: True
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(100),
        runtime=by_attempt(5),
        local_jobs=0,
    message:
        "Taking member {wildcards.member} of {wildcards.model} out of its batch"
    shell:
        'for file in {output}; do cp {input}/"$(basename "$file")" "$file"; done 2> {log}'


rule evaluate:
    input:
        unpack(stars_of),
        fits=fits_of,
        out_of_fold=lambda wildcards: member_files(wildcards.model, "out_of_fold", "parquet"),
        in_fold=lambda wildcards: member_files(wildcards.model, "in_fold", "parquet"),
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
        in_fold="<results>/models/{model}/in_fold.parquet",
        training_set="<results>/models/{model}/training_set.parquet",
    log:
        "<logs>/evaluate/{model}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}.tsv"
    wildcard_constraints:
        model="|".join(study.network_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        network=of_model("network"),
        sequence=of_model("sequence"),
        training=of_model("training"),
        weights=of_model("weights"),
        seed=config["seed"],
        band=lambda wildcards: study.band_of(wildcards.model),
        relation=lambda wildcards: study.relation_of(wildcards.model),
        pulsation_type=of_model("pulsation_type"),
        fit=lambda wildcards: study.fitting_of(config["models"][wildcards.model]["sample"]),
        search=of_model("from_search"),
        library=program("evaluate.py"),
    message:
        "Evaluating the ensemble {wildcards.model} on stars that its members were not trained on"
    script:
        "../scripts/evaluate.py"


rule train_stack:
    input:
        table="<results>/development/{model}.parquet",
        fits=fits_of,
        folded=folded_of,
        others=folded_in_other_bands_of,
        unlabelled=unlabelled_tables,
    output:
        member="<results>/models/{model}/member_{member}.npz",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
    log:
        "<logs>/train_stack/{model}/{member}.log",
    benchmark:
        "<benchmarks>/train_stack/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(study.stacked_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(60),
    params:
        stack=of_model("stack"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=program("train_stack.py"),
    message:
        "Training member {wildcards.member} of the stack {wildcards.model}"
    script:
        "../scripts/train_stack.py"


# A stack that a published model joins holds a copy of it.
rule join_published:
    input:
        lambda wildcards: model_files(study.joined_by(wildcards.model)),
    output:
        directory("<results>/models/{model}/published"),
    log:
        "<logs>/join_published/{model}.log",
    benchmark:
        "<benchmarks>/join_published/{model}.tsv"
    wildcard_constraints:
        model="|".join(joining) or "-",
    localrule: True
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        library=fingerprint("join_published.py"),
    message:
        "Joining a published model to the stack {wildcards.model}"
    script:
        "../scripts/join_published.py"


rule evaluate_stack:
    input:
        table="<results>/development/{model}.parquet",
        fits=fits_of,
        folded=folded_of,
        out_of_fold=lambda wildcards: member_files(wildcards.model, "out_of_fold", "parquet"),
        published=joined_folder,
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
        model="|".join(study.stacked_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        stack=of_model("stack"),
        seed=config["seed"],
        band=lambda wildcards: study.band_of(wildcards.model),
        relation=lambda wildcards: study.relation_of(wildcards.model),
        weights=of_model("weights"),
        pulsation_type=of_model("pulsation_type"),
        fewest_stars=of_model("fewest_stars"),
        fit=lambda wildcards: study.fitting_of(config["models"][wildcards.model]["sample"]),
        library=program("evaluate_stack.py"),
    message:
        "Learning the weights of the stack {wildcards.model} out of fold"
    script:
        "../scripts/evaluate_stack.py"


# In one job, for to load Keras takes much longer than to read a network.
rule publish_members:
    input:
        architecture=architecture_of,
        weights=all_weights_of,
    output:
        temp(directory("<results>/published/{model}")),
    log:
        "<logs>/publish/{model}/members.log",
    benchmark:
        "<benchmarks>/publish/{model}/members.tsv"
    wildcard_constraints:
        model="|".join(study.published_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(20),
    params:
        sequence=of_model("sequence"),
        library=program("publish_members.py"),
    message:
        "Reading the published members of {wildcards.model}"
    script:
        "../scripts/publish_members.py"


rule publish_member:
    input:
        "<results>/published/{model}",
    output:
        "<results>/models/{model}/member_{member}.keras",
    log:
        "<logs>/publish/{model}/{member}.log",
    benchmark:
        "<benchmarks>/publish/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(study.published_models()) or "-",
    localrule: True
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(100),
        runtime=by_attempt(5),
        local_jobs=0,
    message:
        "Taking the published member {wildcards.member} of {wildcards.model}"
    shell:
        "cp {input}/member_{wildcards.member}.keras {output} 2> {log}"


rule publish_card:
    input:
        architecture=architecture_of,
        weights=all_weights_of,
        training_stars=lambda wildcards: sources(study.published_training_stars(wildcards.model)),
        known=PUBLISHED_MODELS,
    output:
        card="<results>/models/{model}/card.json",
        training_set="<results>/models/{model}/training_set.parquet",
    log:
        "<logs>/publish/{model}/card.log",
    benchmark:
        "<benchmarks>/publish/{model}/card.tsv"
    wildcard_constraints:
        model="|".join(study.published_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(20),
    params:
        settings=lambda wildcards: config["models"][wildcards.model],
        library=program("publish_card.py"),
    message:
        "Describing the published model {wildcards.model}"
    script:
        "../scripts/publish_card.py"


# As `evaluate` writes those of a model that is trained here.
rule published_predictions:
    input:
        predictions_published,
    output:
        "<results>/models/{model}/{part}.parquet",
    log:
        "<logs>/published_predictions/{model}/{part}.log",
    benchmark:
        "<benchmarks>/published_predictions/{model}/{part}.tsv"
    wildcard_constraints:
        model="|".join(filter(study.published_predictions, study.published_models())) or "-",
        part="|".join(PREDICTED_PARTS),
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(10),
    params:
        library=fingerprint("published_predictions.py"),
    message:
        "Reading the published predictions {wildcards.part} of {wildcards.model}"
    script:
        "../scripts/published_predictions.py"


rule layers:
    input:
        architecture=lambda wildcards: (
            [architecture_of(wildcards)] if wildcards.model in study.published_models() else []
        ),
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        "<results>/models/{model}/layers.parquet",
    log:
        "<logs>/layers/{model}.log",
    benchmark:
        "<benchmarks>/layers/{model}.tsv"
    wildcard_constraints:
        model="|".join([*study.published_models(), *study.network_models()]) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        network=of_model("network"),
        sequence=of_model("sequence"),
        library=program("layers.py"),
    message:
        "Listing the layers of {wildcards.model}"
    script:
        "../scripts/layers.py"
