"""Write the results page of the study: what a person looks at first.

Input   all that a run of the whole study makes; the catalogue, the ledger and what they are made of
Output  <results>/index.html    opens in any browser, and asks nothing of another machine
        <results>/pages/        its larger parts, of a study of many stars
"""

RESULTS_PAGE = "<results>/index.html"

# After all others, so that it has what each of them took.
before_page = [config["output"]] if study.is_of_own_stars else list(targets)
targets.append(RESULTS_PAGE)


rule results_page:
    input:
        **shown_files(),
        catalogue="<results>/catalogue/metallicities.parquet",
        ledger="<results>/ledger.csv",
        citation=ancient(RESOURCES.parent / "CITATION.cff"),
        before=before_page,
    output:
        page=RESULTS_PAGE,
        parts=directory("<results>/pages"),
    log:
        "<logs>/results_page.log",
    benchmark:
        "<benchmarks>/results_page.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        samples=study.shown_samples(),
        models=study.shown_models(),
        figures=models_with_figure(),
        benchmarks=f"results/{config['study']}/benchmarks",
        configuration=lambda wildcards: describe_configuration(config)["keys"],
        sources=lambda wildcards: cited_sources(),
        library=fingerprint("results_page.py"),
    message:
        "Writing the results page"
    script:
        "../scripts/results_page.py"
