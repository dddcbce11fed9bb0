"""Draw the periods and amplitudes of a sample."""

from job import logged
from metalyra.figures import bailey_diagram, save_figure
from metalyra.ledger import OK
from metalyra.tables import read_table

with logged(snakemake):
    sample = snakemake.wildcards.sample
    catalogue = read_table(snakemake.input[0])
    stars = catalogue[(catalogue["sample"] == sample) & (catalogue["status"] == OK)]
    figure = bailey_diagram(
        stars["period"], stars["amplitude"], stars["feh"], snakemake.params.band, sample
    )
    save_figure(figure, snakemake.output[0])
