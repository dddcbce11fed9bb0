import pytest

from command_line import separate_targets

TABLE = "results/dg22/tables/table5.csv"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"--cores all --configfile a.yaml {TABLE}", f"--cores all --configfile a.yaml -- {TABLE}"),
        (f"--configfile a.yaml b.yml {TABLE} -n", f"--configfile a.yaml b.yml -n -- {TABLE}"),
        (f"--configfiles a.json {TABLE} fit", f"--configfiles a.json -- {TABLE} fit"),
        ("--configfile a.yaml results/a/card.json", "--configfile a.yaml -- results/a/card.json"),
        (f"--configfile a.yaml {TABLE} -- fit", f"--configfile a.yaml -- {TABLE} fit"),
    ],
)
def test_targets_after_a_configuration_file_are_told_from_it(given, expected):
    assert separate_targets(given.split()) == expected.split()


@pytest.mark.parametrize(
    "given",
    [
        "",
        f"--cores all {TABLE} --configfile a.yaml",
        "--configfile a.yaml --config stars=s.csv lightcurves=folder output=feh.csv",
        f"--configfile a.yaml -- {TABLE}",
        f"--configfile=a.yaml {TABLE}",
        "--configfile study.txt",
        "--cores 2 fit label",
    ],
)
def test_everything_else_is_left_as_it_is(given):
    assert separate_targets(given.split()) == given.split()
