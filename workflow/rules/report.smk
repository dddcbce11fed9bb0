"""Write the report of a study whenever a run leaves all that the study makes.

Output  <results>/config.json   the configuration as it was given, all files together
        <results>/report.html   the report; <logs>/report.log says what went wrong if it did

Of a user's own stars, a summary on the terminal instead.
"""

import json
import subprocess


def write_report():
    """Bring the report of a study up to date, unless something of the study is missing."""
    results = Path(f"results/{config['study']}")
    products = [Path(target.replace("<results>", str(results))) for target in targets]
    page, settings = results / "report.html", results / "config.json"
    if study.is_of_own_stars or not all(product.exists() for product in products):
        return
    newest = max(product.stat().st_mtime for product in products)
    if page.exists() and page.stat().st_mtime > newest:
        return
    settings.write_text(json.dumps(given_config, indent=2) + "\n")
    command = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
    unfinished, report_log = results / "report.part.html", results / "logs/report.log"
    command += ["--cores", "1", "--configfile", str(settings), "--report", str(unfinished)]
    with report_log.open("w") as file:
        failed = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    if failed:
        logger.warning(f"The report could not be written: {report_log} says why")
    else:
        unfinished.replace(page)
        logger.info(f"Report: {page}")


def say_what_became_of_own_stars():
    """Sum up the statuses of a user's own stars, and say where they and the log files are."""
    from metalyra.products import summarise_output

    output = Path(config["output"])
    if output.exists():
        print(
            f"\nMetaLyra: {summarise_output(output)}\nLogs: results/{config['study']}/logs",
            file=sys.stderr,
        )


def show_cross_validation():
    """Print the table of cross-validations, if the study makes one."""
    path = Path(f"results/{config['study']}/tables/cross_validation.csv")
    if "<results>/tables/cross_validation.csv" in targets and path.exists():
        from pandas import read_csv

        from metalyra.products import describe_cross_validations

        table = read_csv(path, dtype={"note": str})
        logger.info(
            f"Out of fold, by the spectroscopic labels ({path}):\n"
            + describe_cross_validations(table)
        )


def show_results_page():
    """Print the address of the results page."""
    page = Path(f"results/{config['study']}/index.html")
    if page.exists():
        logger.info(f"Results page: {page.resolve().as_uri()}")


onsuccess:
    write_report()
    if study.writes_own_stars:
        say_what_became_of_own_stars()
    show_cross_validation()
    show_results_page()
