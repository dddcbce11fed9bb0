"""Write trained stacks as models that the library comes with.

Input   <results>/models/<model>/
Output  resources/models/<model>/, in the working directory: card, members, stars, digests
"""

# How many members there are is the model's own, so each has a rule of its own; and names are
# relative to the working directory, the root of the repository, for they are no study's results.
for model in config["ship"]:

    rule:
        name:
            f"ship_{model}"
        input:
            card=f"<results>/models/{model}/card.json",
            training_set=f"<results>/models/{model}/training_set.parquet",
            members=member_files(model),
        output:
            card=f"resources/models/{model}/card.json",
            training_set=f"resources/models/{model}/training_set.parquet",
            members=[
                f"resources/models/{model}/member_{number}.npz" for number in study.members(model)
            ],
            sums=f"resources/models/{model}/SHA256SUMS",
        log:
            f"<logs>/ship/{model}.log",
        benchmark:
            f"<benchmarks>/ship/{model}.tsv"
        conda:
            "../../envs/networks.yaml"
        threads: 1
        resources:
            mem_mb=by_attempt(2000),
            runtime=by_attempt(10),
        params:
            description=config["models"][model].get("description"),
            library=fingerprint("ship.py"),
        message:
            f"Writing resources/models/{model}"
        script:
            "../scripts/ship.py"


rule shipped_models:
    input:
        [f"resources/models/{model}/SHA256SUMS" for model in config["ship"]],
    localrule: True
