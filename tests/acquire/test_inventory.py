import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from metalyra.acquire.inventory import Places, describe_queries, list_sources
from metalyra.acquire.services import find_services, read_archives
from metalyra.acquire.sources import SourceError, read_registry
from metalyra.study.configuration import ConfigurationError, read_yaml, resolve_config

ROOT = Path(__file__).parents[2]
RELATIONS = read_yaml(ROOT / "resources/relations.yaml")
ARCHIVES = read_archives()

LIST, CURVES = "gaia_dr3/rrlyrae.csv.gz", "gaia_dr3/epoch_photometry/{batch}.zip"
MONTI = ROOT / "tests/integration/small_monti25.yaml"

FROM_ARCHIVES = {
    "dg22_full": ["config/dg22_full.yaml"],
    "zero_points": ["config/dg22_full.yaml", "config/archives/vvv_zero_points.yaml"],
    "monti24": ["config/monti24.yaml", "config/archives/monti24.yaml"],
    "monti25": ["config/monti25.yaml", "config/archives/monti25.yaml"],
    "small_dg22": ["tests/integration/small_dg22.yaml"],
    "small_monti25": ["tests/integration/small_monti25.yaml"],
}
"""Studies that start from nothing but their files, on a machine with a network."""

ONLY_IN_THE_MIRROR = {
    "dg22": {"ogle_ocvs/ogle3_rrlyr.txt.gz"},
    "dekany21": set(),
    "models": set(),
}
"""What studies need besides that no archive has in this form."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for variable in ("METALYRA_ARCHIVES", "METALYRA_MIRROR", "METALYRA_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def places(tmp_path):
    return Places(
        tmp_path / "sources",
        tmp_path / "mirror",
        ARCHIVES["archives"],
        find_services({}, ARCHIVES["services"]),
    )


def load(*files) -> dict:
    config: dict = {}
    for file in files:
        update_config(config, json.loads(json.dumps(yaml.safe_load((ROOT / file).read_text()))))
    return resolve_config(config, RELATIONS, ARCHIVES["archives"])


def sources_of(config) -> list[str]:
    names = [
        name
        for sample in config["samples"].values()
        for key in ("stars", "light_curves")
        for name in sample[key]
    ]
    names += [name for query in config["queries"].values() for name in query.get("stars", [])]
    for model in config["models"].values():
        if "published" in model:
            files = [f"weights_{member}.h5" for member in range(model["members"])]
            names += [f"{model['published']}/{file}" for file in ("model.json", *files)]
    return list(dict.fromkeys(names))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("study", FROM_ARCHIVES)
def test_a_study_starts_from_nothing_but_its_configuration(study, places):
    config = load(*FROM_ARCHIVES[study])
    table = list_sources(sources_of(config), config["queries"], places)
    assert len(table) > 2
    assert not table["here"].any()
    elsewhere = table[~table["place"].str.match(r"https?://|\w+: \w+$")]
    # Single files of the small study stand for the archives' large ones, and a table is unpacked.
    allowed = {
        "small_dg22": {"ogle_ocvs/ogle3_rrlyr.txt.gz"},
        "zero_points": {"vvv_zero_points/zpcorrtable.npy"},
    }
    assert set(elsewhere["source"]) == allowed.get(study, set())


@pytest.mark.parametrize("study", ONLY_IN_THE_MIRROR)
def test_what_no_archive_has_says_so(study, places):
    config = load(f"config/{study}.yaml")
    table = list_sources(sources_of(config), config["queries"], places)
    missing = table[table["place"].str.startswith("in no archive: ")]
    assert set(missing["source"]) == ONLY_IN_THE_MIRROR[study]


def test_what_is_made_from_other_sources_says_from_which(places):
    name = "dekany_grebel_2022/g_dev_reconstructed.csv"
    [row] = list_sources([name], {}, places).to_dict("records")
    assert row["place"].startswith(
        "made from dekany_grebel_2022/results_g/best_model_g/predict_val"
    )
    assert not row["here"]
    write(places.folder / name, "id,period,FeH,fold\n")
    [row] = list_sources([name], {}, places).to_dict("records")
    assert (row["place"], row["here"]) == ("here", True)


def test_a_source_is_here_in_the_mirror_or_in_its_archive(places):
    registry = read_registry(places.registry)
    name = "lcfit_examples/test1.lst"
    queries = {LIST: {"archive": "gaia_dr3", "product": "rrlyrae"}}

    def row(name):
        return list_sources([name], queries, places).iloc[0]

    assert row(name)["place"] == registry[name].url
    assert row(name)["size"] == registry[name].size
    assert row(LIST)["place"] == "gaia_dr3: rrlyrae"
    assert row(LIST)["size"] is pd.NA
    for source in (name, LIST):
        write(places.mirror / source, "12345")
        assert (row(source)["place"], row(source)["size"]) == ("mirror", 5)
        write(places.folder / source, "123")
    assert row(LIST)["here"]
    # A file that is not what is registered is not here.
    assert not row(name)["here"]
    with pytest.raises(SourceError, match=r"unknown source 'x\.dat'"):
        row("x.dat")


def test_what_would_be_asked_is_written_without_asking(places):
    config = load(MONTI)
    stars, curves = describe_queries(config["queries"], places)
    assert stars.startswith(f"## {LIST}\n")
    assert "FROM gaiadr3.vari_rrlyrae AS rr" in stars
    assert "Clementini et al. (2023" in stars
    assert "which are not here yet" in curves
    rows = "".join(f"{10**17 + n},0.5,,RRab\n" for n in range(3000))
    write(places.folder / "gaia_dr3/list.csv", f"source_id,pf,p1_o,best_classification\n{rows}")
    query = {**config["queries"][CURVES], "stars": ["gaia_dr3/list.csv"]}
    [text] = describe_queries({CURVES: query}, places)
    assert "RETRIEVAL_TYPE=EPOCH_PHOTOMETRY" in text
    assert "100000000000000000" in text or "10000000000000" in text
    # Half of the stars, 500 a request, three of which are shown.
    requests = text.count("(data)")
    assert requests == 3 or "more like these" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archive": "gaia"}, r"archive: 'gaia' is unknown; .*allowed: gaia_dr3"),
        ({"product": "rrlyr"}, r"product: 'rrlyr' is unknown; did you mean rrlyrae\?"),
        ({"stars": ["a.csv"]}, "the product rrlyrae does not take the key stars or star_ids"),
        ({"product": "epoch_photometry"}, "needs the key stars or star_ids"),
        ({"batches": 3}, r"\{batch\} in the path and the key batches go together"),
        ({"types": []}, "types: .* should be non-empty|too short"),
        ({"region": {"ra": 3.0}}, r"region: 'dec' is a dependency of 'ra'"),
        ({"magnitudes": [3]}, "magnitudes: .* too short"),
        ({"limits": 3}, r"the key 'limits' is unknown; did you mean limit\?"),
    ],
)
def test_a_wrong_query_is_named(changes, message):
    config = yaml.safe_load(MONTI.read_text())
    config["queries"] = {LIST: {**config["queries"][LIST], **changes}}
    config["samples"]["gaia_dr3_g"]["light_curves"] = ["gaia_dr3/a.zip"]
    with pytest.raises(ConfigurationError, match=message) as caught:
        resolve_config(config, RELATIONS, ARCHIVES["archives"])
    assert all(LIST in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gaia_dr3/rrlyrae.vot", r"must end in \.csv or \.csv\.gz"),
        ("../a.csv", "within the mirror"),
    ],
)
def test_the_file_of_a_query_is_within_the_mirror_and_named_as_what_it_is(name, message):
    config = yaml.safe_load(MONTI.read_text())
    config["queries"] = {name: config["queries"][LIST]}
    config["samples"]["gaia_dr3_g"]["light_curves"] = ["gaia_dr3/a.zip"]
    with pytest.raises(ConfigurationError, match=message):
        resolve_config(config, RELATIONS, ARCHIVES["archives"])


def test_a_file_with_batches_needs_its_query():
    config = yaml.safe_load(MONTI.read_text())
    config["samples"]["gaia_dr3_g"]["light_curves"] = ["gaia_dr3/{batch}.zip"]
    with pytest.raises(ConfigurationError, match=r"samples\.gaia_dr3_g: the query 'gaia_dr3/\{b"):
        resolve_config(config, RELATIONS, ARCHIVES["archives"])


def test_the_files_of_all_batches_are_the_samples():
    config = load(MONTI)
    expected = [CURVES.format(batch=number) for number in range(2)]
    assert config["samples"]["gaia_dr3_g"]["light_curves"] == expected
    again = resolve_config(config, RELATIONS, ARCHIVES["archives"])
    assert again == config
