"""Write the metallicities of a user's own stars."""

import logging
from pathlib import Path

from job import logged
from metalyra.core import read_table, write_csv
from metalyra.products import append_given, check_rows, make_catalogue, make_ledger
from metalyra.surveys import survey
from stage_tables import read_measured, read_stages

with logged(snakemake):
    study = snakemake.params.study
    catalogue = make_catalogue(*read_measured(snakemake.input, study))
    ledger = make_ledger(read_stages(snakemake.input, study), catalogue)
    logging.info("stars by stage and status:\n%s", ledger.to_string(index=False))
    star_list = snakemake.input.given
    own = survey(snakemake.params.survey, snakemake.params.reading)
    listed = own.read_stars([Path(star_list)])["star_id"].str.strip()
    check_rows(catalogue["star_id"].tolist(), listed.tolist(), star_list)
    stars = read_table(snakemake.input[f"stars_{snakemake.params.sample}"])
    output = append_given(catalogue.drop(columns="sample"), stars)
    write_csv(output, snakemake.output[0], float_format=None)
