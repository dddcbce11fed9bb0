"""Search for the hyper-parameters of a model.

Input   <results>/development/<model>.{parquet,npz}, of whose folds nothing is read: the
        trials have their own, so that the model's remain apart
Output  <results>/searches/<search>/rounds/<bracket>_<round>.parquet         trials of a round
        <results>/searches/<search>/trials/<bracket>_<round>_<slot>.parquet  metrics of one
        <results>/searches/<search>/states/<bracket>_<round>_<slot>/         its state, to go on from
        <results>/searches/<search>/results.{parquet,csv}                    of all
        <results>/searches/<search>/best.yaml                                settings of the best

How many trials a round has is known in advance, and so is every job; which trials they are
follows from the round before.
"""

targets += expand("<results>/searches/{search}/best.yaml", search=study.usual_searches())


rule search_plan:
    output:
        "<results>/searches/{search}/rounds/{bracket}_0.parquet",
    log:
        "<logs>/search_plan/{search}/{bracket}.log",
    benchmark:
        "<benchmarks>/search_plan/{search}/{bracket}.tsv"
    wildcard_constraints:
        bracket=r"\d+",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        search=of_search,
        training=of_searched_model("training"),
        seed=config["seed"],
        library=fingerprint("search_plan.py"),
    message:
        "Choosing the trials of {wildcards.search}, bracket {wildcards.bracket}"
    script:
        "../scripts/search_plan.py"


rule search_trial:
    input:
        unpack(searched_stars),
        trials="<results>/searches/{search}/rounds/{bracket}_{round}.parquet",
        states=states_before,
    output:
        metrics="<results>/searches/{search}/trials/{bracket}_{round}_{slot}.parquet",
        # Empty where trials begin anew in each round.
        states=temp(directory("<results>/searches/{search}/states/{bracket}_{round}_{slot}")),
    log:
        "<logs>/search_trial/{search}/{bracket}_{round}_{slot}.log",
    benchmark:
        "<benchmarks>/search_trial/{search}/{bracket}_{round}_{slot}.tsv"
    wildcard_constraints:
        bracket=r"\d+",
        round=r"\d+",
        slot=r"\d+",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(240),
        gpu=config["gpu"],
    params:
        network=of_searched_model("network"),
        training=of_searched_model("training"),
        epochs=lambda wildcards: search_round(wildcards).epochs,
        all_epochs=all_epochs,
        folds=lambda wildcards: study.search_folds(wildcards.search),
        trained_folds=lambda wildcards: of_search(wildcards)["folds"],
        weights=of_searched_model("weights"),
        seed=config["seed"],
        checkpoints=f"results/{config['study']}/checkpoints/searches",
        library=program(
            "search_trial.py",
            lambda wildcards: study.modules_of(study.searched_model(wildcards.search)),
        ),
    message:
        "Training trial {wildcards.slot} of {wildcards.search}, round {wildcards.round} of "
        "bracket {wildcards.bracket}"
    script:
        "../scripts/search_trial.py"


rule search_round:
    input:
        trials_before,
    output:
        "<results>/searches/{search}/rounds/{bracket}_{round}.parquet",
    log:
        "<logs>/search_round/{search}/{bracket}_{round}.log",
    benchmark:
        "<benchmarks>/search_round/{search}/{bracket}_{round}.tsv"
    wildcard_constraints:
        bracket=r"\d+",
        round=r"[1-9]\d*",
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        metric=lambda wildcards: of_search(wildcards)["metric"],
        trials=lambda wildcards: search_round(wildcards).trials,
        library=fingerprint("search_round.py"),
    message:
        "Choosing the trials of {wildcards.search} that go on to round {wildcards.round} of "
        "bracket {wildcards.bracket}"
    script:
        "../scripts/search_round.py"


rule search:
    input:
        all_trials,
    output:
        table="<results>/searches/{search}/results.parquet",
        csv=report(
            "<results>/searches/{search}/results.csv",
            caption="../report/searches.rst",
            category="Searches",
            labels={"search": "{search}", "product": "trials"},
        ),
        best=report(
            "<results>/searches/{search}/best.yaml",
            caption="../report/searches.rst",
            category="Searches",
            labels={"search": "{search}", "product": "best settings"},
        ),
    log:
        "<logs>/search/{search}.log",
    benchmark:
        "<benchmarks>/search/{search}.tsv"
    conda:
        "../../envs/networks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        search=of_search,
        network=of_searched_model("network"),
        training=of_searched_model("training"),
        library=fingerprint("search_results.py"),
    message:
        "Finding the best trial of {wildcards.search}"
    script:
        "../scripts/search_results.py"
