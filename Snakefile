"""MetaLyra: from the archives' light curves to a catalogue of metallicities.

    snakemake --cores all                                       the demo study
    snakemake --cores all --configfile config/<study>.yaml      another one
    snakemake --cores all --configfile config/papers.yaml       several, beside what papers print

The workflow is workflow/Snakefile, where other workflows find it as a module.
"""

if "papers" in config:

    include: "workflow/papers.smk"

    products = rules.papers.output

else:

    include: "workflow/Snakefile"

    products = rules.all.input


# The default target of a file that is included does not count.
rule study:
    default_target: True
    input:
        products,
