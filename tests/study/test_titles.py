from metalyra.study.titles import (
    title_models,
    title_relations,
    title_samples,
    title_searches,
)

SAMPLES = {
    "bulge": {"survey": "ogle", "band": "I"},
    "dr3": {"survey": "gaia_dr3", "band": "G"},
    "dr3_faint": {"survey": "gaia_dr3", "band": "G"},
    "my_stars": {"survey": "own", "band": "V"},
}


def test_samples_are_called_by_survey_and_band_and_told_apart():
    assert title_samples(SAMPLES) == {
        "bulge": "OGLE, I band",
        "dr3": "Gaia DR3, G band (dr3)",
        "dr3_faint": "Gaia DR3, G band (dr3_faint)",
        "my_stars": "my_stars, V band",
    }


def test_models_are_called_by_kind_and_sample_and_those_that_are_shipped_keep_their_names():
    models = {
        "net": {"sample": "bulge", "network": {"kind": "bilstm"}, "pulsation_type": "RRab"},
        "net_long": {"sample": "bulge", "network": {"kind": "bilstm"}, "pulsation_type": "RRab"},
        "stacked": {"sample": "bulge", "stack": {}, "pulsation_type": "RRc"},
        "dg22_g": {"published": "folder", "band": "G"},
        "metalyra_g": {"shipped": "metalyra_g"},
    }
    assert title_models(models, SAMPLES) == {
        "net": "BiLSTM network on OGLE, I band, RRab (net)",
        "net_long": "BiLSTM network on OGLE, I band, RRab (net_long)",
        "stacked": "Stack on OGLE, I band, RRc",
        "dg22_g": "Published networks, G band",
        "metalyra_g": "metalyra_g",
    }


def test_relations_are_called_by_their_papers():
    published = {
        "dekany2021": {"source": "Dékány, Grebel & Pojmański (2021), ApJ 920, 33"},
        "as_published": {"source": "the star list of the sample"},
    }
    assert title_relations(published, ["anew"]) == {
        "dekany2021": "Dékány, Grebel & Pojmański (2021)",
        "as_published": "the star list of the sample",
        "anew": "relation calibrated here",
    }


def test_searches_of_one_model_are_told_apart():
    titles = title_searches(
        {"grid": {"model": "net"}, "random": {"model": "net"}, "other": {"model": "gru"}},
        {"net": "BiLSTM network", "gru": "GRU network"},
    )
    assert titles == {
        "grid": "Search for the BiLSTM network (grid)",
        "random": "Search for the BiLSTM network (random)",
        "other": "Search for the GRU network",
    }
