"""Draw the posterior of a calibrated relation beside the published regression."""

from job import logged
from metalyra.core import read_table
from metalyra.label import read_relations
from metalyra.products import save_figure
from metalyra.products.corner import corner

with logged(snakemake):
    kind = snakemake.wildcards.type
    draws = read_table(snakemake.input.draws)
    draws = draws[draws["pulsation_type"] == kind].drop(columns="pulsation_type")
    published = read_relations(snakemake.input.relations)[snakemake.params.compare_with][kind]
    figure = corner(
        {name: rows.drop(columns="variant") for name, rows in draws.groupby("variant")},
        {"intercept": published.intercept, **published.coefficients},
        f"{snakemake.wildcards.calibration}, {kind}",
    )
    save_figure(figure, snakemake.output[0])
