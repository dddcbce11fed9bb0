"""Draw the posterior of a calibrated relation beside the published regression."""

from job import logged
from metalyra.corner import corner
from metalyra.figures import save_figure
from metalyra.relations import read_relations
from metalyra.tables import read_table

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
