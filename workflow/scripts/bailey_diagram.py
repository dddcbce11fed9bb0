"""Draw the periods and amplitudes of a sample."""

from job import logged
from metalyra.core import OK, read_table
from metalyra.products import bailey_diagram, save_figure

with logged(snakemake):
    sample = snakemake.wildcards.sample
    catalogue = read_table(snakemake.input[0])
    stars = catalogue[(catalogue["sample"] == sample) & (catalogue["status"] == OK)]
    figure = bailey_diagram(
        stars["period"], stars["amplitude"], stars["feh"], snakemake.params.band, sample
    )
    save_figure(figure, snakemake.output[0])
