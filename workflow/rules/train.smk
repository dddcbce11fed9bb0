"""Train the members of an ensemble, or read those that were published.

Input   <results>/development/<model>.{parquet,npz}, or the published weights
Output  <results>/models/<model>/member_<k>.keras        one network a cross-validation fold, or
        <results>/models/<model>/member_<k>.npz          one member of a stack
        <results>/models/<model>/history_<k>.parquet     its loss, epoch by epoch
        <results>/models/<model>/out_of_fold.parquet     its predictions of stars not trained on
        <results>/models/<model>/metrics_<k>.parquet     its metrics on these and on the others
        <results>/models/<model>/training_set.parquet    its stars and their folds
        <results>/models/<model>/card.json               what the ensemble is, and its metrics
        <results>/models/<model>/published/              the published model that joins a stack
"""


rule train:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        network="<results>/models/{model}/member_{member}.keras",
        history="<results>/models/{model}/history_{member}.parquet",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
        metrics="<results>/models/{model}/metrics_{member}.parquet",
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
        folder=subpath(output.network, parent=True),
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


# A GPU trains several members in turn: those of a batch. Their files are taken out of its folder,
# for the files of a rule do not differ in number.
rule train_batch:
    input:
        table="<results>/development/{model}.parquet",
        sequences="<results>/development/{model}.npz",
        best=lambda wildcards: best_settings(wildcards.model),
    output:
        temp(directory("<results>/models/{model}/batches/{first}_to_{last}")),
    log:
        "<logs>/train/{model}/{first}_to_{last}.log",
    benchmark:
        "<benchmarks>/train/{model}/{first}_to_{last}.tsv"
    wildcard_constraints:
        model="|".join(trained_in_batches()) or "-",
        first=r"\d+",
        last=r"\d+",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda wildcards: 240 * len(members_of_batch(wildcards)),
        gpu=config["gpu"],
    params:
        folder=lambda wildcards, output: output[0],
        members=members_of_batch,
        checkpoints=checkpoint_folder,
        network=of_model("network"),
        training=of_model("training"),
        weights=of_model("weights"),
        seed=config["seed"],
        library=fingerprint("train.py"),
    message:
        "Training members {wildcards.first} to {wildcards.last} of {wildcards.model}"
    script:
        "../scripts/train.py"


localrules:
    take_from_batch,


rule take_from_batch:
    input:
        batch_of_member,
    output:
        network="<results>/models/{model}/member_{member}.keras",
        history="<results>/models/{model}/history_{member}.parquet",
        out_of_fold="<results>/models/{model}/out_of_fold_{member}.parquet",
        metrics="<results>/models/{model}/metrics_{member}.parquet",
    log:
        "<logs>/take_from_batch/{model}/{member}.log",
    benchmark:
        "<benchmarks>/take_from_batch/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(trained_in_batches()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    message:
        "Taking member {wildcards.member} of {wildcards.model} out of its batch"
    shell:
        "for file in {output}; do ln -f {input}/$(basename $file) $file; done 2> {log}"


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


rule join_published:
    input:
        published_in_stack,
    output:
        directory("<results>/models/{model}/published"),
    log:
        "<logs>/join_published/{model}.log",
    benchmark:
        "<benchmarks>/join_published/{model}.tsv"
    wildcard_constraints:
        model="|".join(stacked_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        library=fingerprint("join_published.py"),
    message:
        "Copying the published model that joins the stack {wildcards.model}"
    script:
        "../scripts/join_published.py"


rule evaluate_stack:
    input:
        table="<results>/development/{model}.parquet",
        fits=lambda wildcards: chunk_files("fits", config["models"][wildcards.model]["sample"]),
        folded=lambda wildcards: chunk_files("folded", config["models"][wildcards.model]["sample"]),
        out_of_fold=lambda wildcards: member_files(wildcards.model, "out_of_fold", "parquet"),
        published=lambda wildcards: joined_folder(wildcards.model),
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
        model="|".join(stacked_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        stack=of_model("stack"),
        weights=of_model("weights"),
        seed=config["seed"],
        band=lambda wildcards: band_of_model(config, wildcards.model),
        relation=lambda wildcards: relation_of(wildcards.model),
        pulsation_type=of_model("pulsation_type"),
        cuts=of_model("cuts"),
        fit=lambda wildcards: fit_of(config["models"][wildcards.model]["sample"]),
        library=fingerprint("evaluate_stack.py"),
    message:
        "Learning the weights of the stack {wildcards.model} out of fold"
    script:
        "../scripts/evaluate_stack.py"


rule publish_member:
    input:
        architecture=lambda wildcards: published_file(wildcards.model, "model.json"),
        weights=lambda wildcards: published_file(wildcards.model, f"weights_{wildcards.member}.h5"),
    output:
        "<results>/models/{model}/member_{member}.keras",
    log:
        "<logs>/publish/{model}/{member}.log",
    benchmark:
        "<benchmarks>/publish/{model}/{member}.tsv"
    wildcard_constraints:
        model="|".join(published_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        sequence=of_model("sequence"),
        library=fingerprint("publish_member.py"),
    message:
        "Reading the published network {wildcards.member} of {wildcards.model}"
    script:
        "../scripts/publish_member.py"


rule publish_card:
    input:
        architecture=lambda wildcards: published_file(wildcards.model, "model.json"),
        weights=lambda wildcards: [
            published_file(wildcards.model, f"weights_{member}.h5")
            for member in members(wildcards.model)
        ],
        training_stars=lambda wildcards: published_training_stars(wildcards.model),
        known=PUBLISHED_MODELS,
    output:
        card="<results>/models/{model}/card.json",
        training_set="<results>/models/{model}/training_set.parquet",
    log:
        "<logs>/publish/{model}/card.log",
    benchmark:
        "<benchmarks>/publish/{model}/card.tsv"
    wildcard_constraints:
        model="|".join(published_models()) or "-",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=lambda wildcards: config["models"][wildcards.model],
        library=fingerprint("publish_card.py"),
    message:
        "Writing the card of the published model {wildcards.model}"
    script:
        "../scripts/publish_card.py"
