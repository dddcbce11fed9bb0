"""Write how well the models and relations of a study do on stars that were held out."""

import logging

import pandas as pd

from job import logged
from metalyra.core import read_table, write_csv
from metalyra.predict import read_card
from metalyra.products import (
    CrossValidation,
    describe_cross_validations,
    tabulate_cross_validations,
)

with logged(snakemake):
    files, params = snakemake.input, snakemake.params
    table = tabulate_cross_validations(
        [
            CrossValidation(read_card(folder), read_table(path))
            for folder, path in zip(params.folders, files.out_of_fold, strict=True)
        ],
        dict(zip(params.relations, map(pd.read_csv, files.accuracy), strict=True)),
        params.band,
    )
    logging.info("cross-validation:\n%s", describe_cross_validations(table))
    write_csv(table, snakemake.output[0])
