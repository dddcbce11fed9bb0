"""Compare [Fe/H] of a sample with another of the same stars."""

import logging

from compared_sides import list_calibrators, read_side
from job import logged
from metalyra.core import write_csv, write_table
from metalyra.products import compare_metallicities, summarise_comparison

with logged(snakemake):
    settings, output = snakemake.params.settings, snakemake.output
    of, against = (read_side(snakemake.input, name, settings[name]) for name in ("of", "against"))
    comparison = compare_metallicities(
        of,
        against,
        **settings["match"],
        pulsation_type=settings.get("pulsation_type"),
        cuts=settings["cuts"],
        colour=settings["colour"],
        calibrators=list_calibrators(snakemake.input),
    )
    logging.info("the stars of each step:\n%s", comparison.steps.to_string(index=False))
    about = {"of": of.title, "against": against.title, "colour": settings["colour"]}
    write_table(comparison.table, output.stars, about)
    write_csv(comparison.steps, output.steps)
    write_csv(comparison.table.head(settings["discrepant"]), output.discrepant)
    write_csv(summarise_comparison(comparison.table), output.metrics)
