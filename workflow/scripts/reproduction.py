"""Compare what papers print with the products of the studies that reproduce them."""

from job import logged
from metalyra.products import reproduce_paper, write_reproduction

with logged(snakemake):
    effort = snakemake.params.effort
    parts = [
        reproduce_paper(published, results, effort=effort)
        for published, results in zip(
            snakemake.input.published, snakemake.params.results, strict=True
        )
    ]
    write_reproduction(parts, snakemake.output.page, snakemake.output.table, effort=effort)
