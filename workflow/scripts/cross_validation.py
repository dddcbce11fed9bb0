"""Write how well the models and relations of a study do on stars that were held out."""

import json
import logging
from pathlib import Path

import pandas as pd

from job import logged
from metalyra.core import read_table, write_csv
from metalyra.products import (
    CrossValidation,
    describe_cross_validations,
    tabulate_cross_validations,
)

with logged(snakemake):
    files, params = snakemake.input, snakemake.params
    table = tabulate_cross_validations(
        [
            CrossValidation(json.loads(Path(card).read_text()), read_table(path))
            for card, path in zip(files.cards, files.out_of_fold, strict=True)
        ],
        dict(zip(params.relations, map(pd.read_csv, files.accuracy), strict=True)),
        params.band,
    )
    logging.info("cross-validation:\n%s", describe_cross_validations(table))
    write_csv(table, snakemake.output[0])
