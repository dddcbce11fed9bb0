"""Calibrate a relation, and compare it with the published one."""

from pathlib import Path

import yaml

from job import logged
from metalyra.core import read_tables, replace_when_complete, write_csv, write_table
from metalyra.label import calibrate_relation, compare_searches, read_relations
from metalyra.surveys.ifeh import read_calibrators

with logged(snakemake):
    settings, output = snakemake.params.settings, snakemake.output
    spectra = read_calibrators([Path(path) for path in snakemake.input.spectra])
    products = calibrate_relation(
        spectra,
        read_tables(snakemake.input.fits),
        read_relations(snakemake.input.relations)[settings["compare_with"]],
        variant=settings["variant"],
        photometry=settings["photometry"],
        draws=settings["draws"],
        seed=snakemake.params.seed,
    )
    with replace_when_complete(Path(output.relations)) as path:
        path.write_text(yaml.safe_dump({snakemake.wildcards.calibration: products.relations}))
    write_table(products.draws, output.draws)
    write_csv(products.coefficients, output.coefficients)
    write_csv(products.accuracy, output.accuracy)
    write_csv(compare_searches(spectra, snakemake.params.seed), output.features)
