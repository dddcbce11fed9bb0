"""Train one member of a stack."""

from job import logged
from metalyra.core import read_table, read_tables, write_table
from metalyra.stack import train_stack_member, write_stack_member

with logged(snakemake):
    member, out_of_fold = train_stack_member(
        read_table(snakemake.input.table),
        read_tables(snakemake.input.fits),
        read_tables(snakemake.input.folded),
        int(snakemake.wildcards.member),
        snakemake.params.stack,
        snakemake.params.seed,
        weights=snakemake.params.weights,
        others=read_tables(snakemake.input.others) if snakemake.input.others else None,
        unlabelled=(
            tuple(read_table(path) for path in snakemake.input.unlabelled)
            if snakemake.input.unlabelled
            else None
        ),
    )
    write_stack_member(member, snakemake.output.member)
    write_table(out_of_fold, snakemake.output.out_of_fold)
