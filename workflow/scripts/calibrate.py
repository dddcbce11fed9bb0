"""Calibrate a relation, and compare it with the published one."""

from pathlib import Path

import yaml

from job import logged
from metalyra.core import read_table, read_tables, replace_when_complete, write_csv, write_table
from metalyra.label import (
    calibrate_on_labels,
    calibrate_relation,
    compare_features,
    compare_searches,
    read_relations,
    take_calibrators,
)
from metalyra.surveys.ifeh import read_calibrators

with logged(snakemake):
    settings, output = snakemake.params.settings, snakemake.output
    seed, fits = snakemake.params.seed, read_tables(snakemake.input.fits)
    published = read_relations(snakemake.input.relations)[settings["compare_with"]]
    if "labels" in settings:
        spectra = take_calibrators(fits, read_table(snakemake.input.stars[0]))
        chosen = {key: settings.get(key) for key in ("features", "cuts")}
        products = calibrate_on_labels(
            spectra,
            published,
            band=snakemake.params.band,
            **chosen,
            variant=settings["variant"],
            draws=settings["draws"],
            seed=seed,
        )
        features = compare_features(spectra, **chosen, seed=seed)
    else:
        spectra = read_calibrators([Path(path) for path in snakemake.input.spectra])
        products = calibrate_relation(
            spectra,
            fits,
            published,
            variant=settings["variant"],
            photometry=settings["photometry"],
            draws=settings["draws"],
            seed=seed,
        )
        features = compare_searches(spectra, seed)
    with replace_when_complete(Path(output.relations)) as path:
        path.write_text(yaml.safe_dump({snakemake.wildcards.calibration: products.relations}))
    write_table(products.draws, output.draws)
    write_csv(products.coefficients, output.coefficients)
    write_csv(products.accuracy, output.accuracy)
    write_csv(features, output.features)
