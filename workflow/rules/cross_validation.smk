"""Say how well models trained on a user's own stars do on those that they have not seen.

Input   the cards and out-of-fold predictions of the models, the accuracy of the relations
Output  <results>/tables/cross_validation.csv, printed at the end of a run
"""

if study.own_models() or study.own_relations():
    targets.append("<results>/tables/cross_validation.csv")


rule cross_validation:
    input:
        cards=expand("<results>/models/{model}/card.json", model=study.own_models()),
        out_of_fold=expand("<results>/models/{model}/out_of_fold.parquet", model=study.own_models()),
        accuracy=expand(
            "<results>/calibration/{relation}/accuracy.csv", relation=study.own_relations()
        ),
    output:
        report(
            "<results>/tables/cross_validation.csv",
            caption="../report/cross_validation.rst",
            category="Models",
            labels={"model": "all", "product": "cross-validation"},
        ),
    log:
        "<logs>/cross_validation.log",
    benchmark:
        "<benchmarks>/cross_validation.tsv"
    localrule: True
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
        local_jobs=1,
    params:
        relations=study.own_relations(),
        band=config.get("band"),
        library=fingerprint("cross_validation.py"),
    message:
        "Cross-validating what was trained on your own stars"
    script:
        "../scripts/cross_validation.py"
