"""Draw the distributions of the metallicities of all samples."""

from job import logged
from metalyra.core import OK, read_table
from metalyra.products import metallicity_histogram, save_figure

with logged(snakemake):
    catalogue = read_table(snakemake.input[0])
    catalogue = catalogue[catalogue["status"] == OK]
    samples = {
        f"{sample} ({stars['model'].iloc[0] or stars['relation'].iloc[0]})": stars["feh"]
        for sample, stars in catalogue.groupby("sample", sort=False)
    }
    save_figure(metallicity_histogram(samples), snakemake.output[0])
