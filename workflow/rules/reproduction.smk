"""Compare the products of a study with the numbers and figures of the paper that it reproduces.

Input   what the paper prints (resources/published), and the products that are named there
Output  <results>/reproduction.csv    every printed number, ours and a verdict
        <results>/reproduction.html   the same as a page, with the figures
"""

if "reproduces" in config:
    targets += ["<results>/reproduction.html", "<results>/reproduction.csv"]


rule reproduction:
    input:
        published=published_paper,
        products=reproducing_files,
    output:
        page="<results>/reproduction.html",
        table=report(
            "<results>/reproduction.csv",
            caption="../report/reproduction.rst",
            category="Reproduction",
            labels={"product": "published numbers"},
        ),
    log:
        "<logs>/reproduction.log",
    benchmark:
        "<benchmarks>/reproduction.tsv"
    conda:
        "../../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        results=[f"results/{config['study']}"],
        effort=config["effort"],
        library=fingerprint("reproduction.py"),
    message:
        "Comparing the study with the paper that it reproduces"
    script:
        "../scripts/reproduction.py"
