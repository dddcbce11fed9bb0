"""MetaLyra: from the archives' light curves to a catalogue of metallicities.

    snakemake --cores all                                       the demo study
    snakemake --cores all --configfile config/<study>.yaml      another one

The workflow is workflow/Snakefile, where other workflows find it as a module.
"""


include: "workflow/Snakefile"


# The default target of a file that is included does not count.
rule study:
    default_target: True
    input:
        rules.all.input,
