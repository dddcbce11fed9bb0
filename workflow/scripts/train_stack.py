"""Train one member of a stack."""

from job import logged
from metalyra.core import read_table, read_tables, write_table
from metalyra.stack import train_stack_member, write_stack_member

with logged(snakemake):
    development, files = read_table(snakemake.input.table), snakemake.input
    unlabelled = tuple(read_table(path) for path in files.unlabelled) or None
    # Of these stars alone: the sample may have a hundred times as many.
    used = set(development.loc[development["fold"] >= 0, "star_id"])
    known = used | set(unlabelled[0]["star_id"] if unlabelled else ())
    member, out_of_fold = train_stack_member(
        development,
        read_tables(files.fits, star_ids=used),
        read_tables(files.folded, star_ids=used),
        int(snakemake.wildcards.member),
        snakemake.params.stack,
        snakemake.params.seed,
        weights=snakemake.params.weights,
        others=read_tables(files.others, star_ids=known) if files.others else None,
        unlabelled=unlabelled,
    )
    write_stack_member(member, snakemake.output.member)
    write_table(out_of_fold, snakemake.output.out_of_fold)
