import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.votable import parse as parse_votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

from metalyra.core.tables import COLUMNS, describe, read_table
from metalyra.products import data_release, release_pages
from metalyra.products.catalogue import make_catalogue, make_estimates
from metalyra.products.data_release import make_release_table, write_data_release
from metalyra.products.release_pages import Release, find_papers

IDS = ["4071632917964102400", "4071647967532680960", "4654159362336311040", "4654159362336311040#2"]
STARS = pd.DataFrame(
    {
        "star_id": IDS,
        "ra": [266.1, 266.2, 66.9, 66.9],
        "dec": [-30.0, -29.5, -70.7, -70.7],
        "period": [0.6, 0.3, 0.63, 0.63],
        "pulsation_type": ["RRab", "RRc", "RRab", "RRab"],
        "status": ["ok", "ok", "ok", "duplicate_id"],
    }
)
FITS = STARS[["star_id", "period", "status"]].assign(
    mean_mag=15.0, amplitude=0.8, n_epochs=30.0, phase_coverage=0.9, snr=100.0
)
NAN = float("nan")


def prediction(feh: list[float], status: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"star_id": IDS, "feh": feh, "feh_err": 0.2, "status": status})
    return table.assign(feh_low_68=table["feh"] - 0.2, feh_high_68=table["feh"] + 0.2)


LABELS = prediction([-1.1, -1.2, -1.3, NAN], ["ok", "ok", "ok", "duplicate_id"])[
    ["star_id", "feh", "feh_err", "status"]
]
PREDICTIONS = {
    ("rrab", "gaia_g"): prediction(
        [-1.5, NAN, -1.7, NAN], ["ok", "wrong_pulsation_type", "unlike_training", "duplicate_id"]
    ).assign(in_training=[True, False, False, False]),
}
SETTINGS = {
    "samples": {
        "gaia_g": {"survey": "gaia_dr3", "band": "G"},
        "ogle_i": {"survey": "ogle", "band": "I"},
    },
    "labels": {"gaia_g": "muraveva2025", "ogle_i": "dekany2021"},
    "models": {"rrab": {"sample": "gaia_g", "labels": "ogle_i"}},
    "predict": [{"model": "rrab", "sample": "gaia_g"}],
    "data_release": {
        "title": "Metallicities of a few stars",
        "authors": ["Ada Lovelace", "Émilie du Châtelet"],
        "version": "1.1",
        "licence": "CC-BY-4.0",
        "description": "A few stars & no more.",
        "limits": ["They are few."],
        "year": 2026,
        "doi": "10.5281/zenodo.0",
    },
}
RELATIONS = {
    "muraveva2025": {
        "source": "Muraveva et al. (2025), MNRAS 536, 2749",
        "RRab": {"scatter": 0.28},
    },
    "dekany2021": {"source": "Dékány, Grebel &\n Pojmański (2021), ApJ 920, 33"},
}
CARD = {
    "relation": "dekany2021",
    "pulsation_type": "RRab",
    "description": None,
    "metrics": {
        "union": {"n": 3567, "rmse": 0.159, "medae": 0.088},
        "coverage": {"0.68": 0.681, "0.95": 0.949},
    },
    "calibration": {"floor": 0.1},
}
GAIA = (
    "Gaia Collaboration, Vallenari et al. (2023, A&A 674, A1); Clementini et al. (2023, A&A 674, "
    "A18)"
)
PROVENANCE = {
    "software": {"metalyra": "0.2.0"},
    "configuration": {"sha256": "00", "keys": {}},
    "models": {},
    "sources": [
        {
            "source": "gaia_dr3/rrlyrae.csv.gz",
            "from": "archive",
            "archive": "gaia_dr3",
            "citation": GAIA,
            "licence": None,
        },
        {
            "source": "ogle_ocvs/ident.dat",
            "from": "mirror",
            "citation": "Soszynski et al. (2014, AcA 64, 177; 2019, AcA 69, 321)",
            "licence": "open; cite the papers of the OGLE team",
        },
    ],
}


def make_tables(settings=SETTINGS) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = dict.fromkeys(settings["samples"], STARS), dict.fromkeys(settings["samples"], FITS)
    labels = {name: LABELS for name in settings["samples"] if name in settings["labels"]}
    arguments = (settings, *tables, labels, PREDICTIONS)
    return make_catalogue(*arguments), make_estimates(*arguments)


def make_release(settings=SETTINGS) -> tuple[pd.DataFrame, Release]:
    table = make_release_table(*make_tables(settings), settings)
    return table, Release("few", settings, RELATIONS, {"rrab": CARD})


def write(folder, settings=SETTINGS):
    table, release = make_release(settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE))
    write_data_release(folder, table, release, PROVENANCE)
    return table


def test_a_star_has_the_values_of_every_model_and_relation_beside_its_own():
    table, _ = make_release()
    assert len(table) == 8
    gaia = table[table["sample"] == "gaia_g"]
    assert gaia["feh"].tolist()[:3] == [-1.5, -1.2, -1.3]
    assert gaia["feh_by_rrab"].tolist()[::2] == [-1.5, -1.7]
    assert gaia["feh_low_68_by_rrab"].iloc[0] == pytest.approx(-1.7)
    assert gaia["feh_by_muraveva2025"].tolist()[:3] == [-1.1, -1.2, -1.3]
    assert gaia["in_training_by_rrab"].tolist() == [True, False, False, False]
    assert gaia["status_by_rrab"].tolist() == PREDICTIONS["rrab", "gaia_g"]["status"].tolist()
    assert "in_training_by_muraveva2025" not in table
    assert [name for name in table if name.endswith("_by_rrab")] == [
        f"{column}_by_rrab" for column in data_release.COMPARED
    ]


def test_a_sample_that_a_model_is_not_applied_to_says_so():
    table, _ = make_release()
    ogle = table[table["sample"] == "ogle_i"]
    assert set(ogle["status_by_rrab"]) == set(ogle["status_by_muraveva2025"]) == {"no_model"}
    assert ogle["feh_by_rrab"].isna().all()
    assert not ogle["in_training_by_rrab"].any()
    assert ogle["feh_by_dekany2021"].tolist()[:3] == [-1.1, -1.2, -1.3]


def test_the_identifiers_of_gaia_are_whole_numbers(tmp_path):
    table = write(tmp_path)
    assert table["source_id"].dtype == np.int64
    whole = [int(name.removesuffix("#2")) for name in IDS] + [0] * 4
    assert list(table)[1:3] == ["star_id", "source_id"]
    for path in (tmp_path / "catalogue.vot", tmp_path / "catalogue.fits"):
        read = Table.read(path)
        assert read["source_id"].dtype.kind == "i"
        assert read["source_id"].tolist() == whole
    assert read_table(tmp_path / "catalogue.parquet")["source_id"].tolist() == whole


def test_only_the_samples_that_are_released_are_in_it():
    settings = {**SETTINGS, "samples": {"ogle_i": SETTINGS["samples"]["ogle_i"]}, "predict": []}
    table = make_release_table(*make_tables(), settings)
    assert set(table["sample"]) == {"ogle_i"}
    assert "source_id" not in table
    assert not [name for name in table if name.endswith("_by_rrab")]


def test_a_relation_with_the_name_of_a_model_has_another():
    settings = {**SETTINGS, "labels": {"gaia_g": "rrab"}}
    names = data_release.name_estimates(settings, "gaia_g")
    assert names == {"rrab": "rrab", "": "rrab_relation"}


def test_estimates_of_other_stars_are_refused():
    catalogue, estimates = make_tables()
    with pytest.raises(ValueError, match=r"sample gaia_g: the estimates by rrab are not of its"):
        make_release_table(catalogue, estimates.iloc[1:], SETTINGS)


def test_every_column_has_a_ucd_and_a_description_in_every_file(tmp_path):
    table = write(tmp_path)
    document = parse_votable(tmp_path / "catalogue.vot", verify="exception")
    fields = {field.name: field for field in document.get_first_table().fields}
    header = fits.getheader(tmp_path / "catalogue.fits", 1)
    readme = (tmp_path / "README.md").read_text()
    assert list(fields) == list(table)
    for number, name in enumerate(table, start=1):
        column = describe(name)
        assert check_ucd(column.ucd, check_controlled_vocabulary=True), name
        assert column.ucd, name
        field = fields[name]
        assert (str(field.unit or ""), field.ucd) == (column.unit, column.ucd)
        # A long text is broken into lines.
        assert field.description.split() == column.description.split()
        assert header[f"TUCD{number}"] == column.ucd
        assert header[f"TCOMM{number}"] == column.description
        assert f"| {column.unit} | {column.ucd} | {column.description} |" in readme


@pytest.mark.parametrize("name", COLUMNS)
def test_every_ucd_of_every_table_is_of_the_controlled_vocabulary(name):
    assert check_ucd(describe(name).ucd, check_controlled_vocabulary=True)


def test_a_column_by_a_model_is_described_as_that_of_the_catalogue():
    assert describe("feh_err_by_gaia_rrab").ucd == describe("feh_err").ucd
    assert describe("feh_err_by_gaia_rrab").description.startswith("By gaia_rrab: Total error")
    assert describe("feh_by_a_by_b").description.startswith("By a_by_b: ")
    assert describe("stand_by_me").ucd == ""


def test_the_votable_is_one(tmp_path):
    table = write(tmp_path)
    read = parse_votable(tmp_path / "catalogue.vot", verify="exception").get_first_table()
    assert len(read.array) == len(table)
    np.testing.assert_array_equal(read.array["feh"].filled(np.nan), table["feh"])
    assert read.array["status_by_rrab"].tolist() == table["status_by_rrab"].tolist()
    assert [bool(value) for value in read.array["in_training"]] == table["in_training"].tolist()


def test_the_readme_counts_the_stars_and_says_where_the_values_come_from(tmp_path):
    write(tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert "| gaia_g | RRab | `ok` | 2 | 2 |" in readme
    assert "| gaia_g | RRab | `duplicate_id` | 1 | 0 |" in readme
    assert "8 stars; 6 have a metallicity of status `ok`, 0 more" in readme
    assert "`rrab`: a model for RRab stars, preferred for 1 stars." in readme
    assert "3,567 training stars" in readme
    assert "68.1 % of the labels within that of 68 %" in readme
    assert "Pojmański (2021), ApJ 920, 33" in readme
    assert "scatter of spectra about it 0.280 dex (RRab)" in readme
    assert "- They are few." in readme
    assert "simulated" not in readme
    for status in ("ok", "wrong_pulsation_type", "unlike_training", "no_model"):
        assert f"| `{status}` |" in readme


def test_the_licence_names_those_of_the_sources(tmp_path):
    write(tmp_path)
    licence = (tmp_path / "LICENCE").read_text()
    assert "Attribution 4.0 International (CC-BY-4.0), https://creativecommons.org/" in licence
    assert "Copyright (c) 2026 Ada Lovelace and Émilie du Châtelet" in licence
    assert "- open; cite the papers of the OGLE team: Soszynski" in licence


def test_a_bibliography_has_every_paper_once(tmp_path):
    write(tmp_path)
    text = (tmp_path / "CITATION.bib").read_text()
    keys = re.findall(r"^@\w+\{(\w+),$", text, re.M)
    assert keys == [
        *("few", "metalyra", "gaia2023", "clementini2023", "soszynski2014", "soszynski2019"),
        *("dekany2021", "muraveva2025"),
    ]
    assert "author = {{Gaia Collaboration} and Vallenari and others}," in text
    assert "author = {Dékány and Grebel and Pojmański}," in text
    assert text.count("{") == text.count("}")
    assert "ESA" in (tmp_path / "CITATION.md").read_text()


@pytest.mark.parametrize(
    ("citation", "papers"),
    [
        ("Mullen et al. (2021), ApJ 912, 144", [("Mullen et al.", "2021", "ApJ", "912", "144")]),
        (
            "Hajdu, Dekany, Catelan & Grebel (2020, Exp. Astron. 49, 217)",
            [("Hajdu, Dekany, Catelan & Grebel", "2020", "Exp. Astron.", "49", "217")],
        ),
        (
            "Spectra on the scale of Crestani et al. (2021), ApJ 908, 20, as compiled by Dékány "
            "(2021), ApJ 920, 33",
            [
                ("Crestani et al.", "2021", "ApJ", "908", "20"),
                ("Dékány", "2021", "ApJ", "920", "33"),
            ],
        ),
        ("Gaia Collaboration (DR4, in preparation)", []),
        ("The paper that each file is named after", []),
    ],
)
def test_papers_are_found_in_citations(citation, papers):
    found = [
        (paper.authors, paper.year, paper.journal, paper.volume, paper.page)
        for paper in find_papers(citation)
    ]
    assert found == papers


def test_a_citation_that_is_no_paper_is_a_note():
    _, release = make_release()
    sources = [
        {"source": "a", "from": "archive", "citation": "Gaia Collaboration (in preparation)"}
    ]
    text = release_pages.write_bibliography(release, {**PROVENANCE, "sources": sources})
    assert "@misc{source,\n  note = {{Gaia Collaboration (in preparation)}},\n}" in text


def test_the_same_release_is_the_same_files_with_their_sums(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(data_release.FILES)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "one", check=True)


def test_a_simulated_sky_is_said_to_be_one():
    table, release = make_release()
    sources = [{"source": "a", "from": "simulated"}]
    readme = release_pages.write_readme(table, release, {**PROVENANCE, "sources": sources})
    assert "no star of it exists" in readme
