"""Draw the metallicities of a sample on the sky."""

from job import logged
from metalyra.core import OK, read_table, read_tables
from metalyra.products import read_regions, save_figure, sky_map

with logged(snakemake):
    product = snakemake.params.product
    regions = read_regions(snakemake.input.regions)
    metallicities = read_tables(snakemake.input.metallicities)
    metallicities = metallicities.loc[metallicities["status"] == OK, ["star_id", "feh"]]
    stars = read_table(snakemake.input.stars)[["star_id", "ra", "dec"]].merge(
        metallicities, on="star_id", validate="one_to_one"
    )
    figure = sky_map(
        stars["ra"],
        stars["dec"],
        stars["feh"],
        title=product["title"],
        region=regions[product["region"]] if "region" in product else None,
    )
    save_figure(figure, snakemake.output[0])
