import pytest

from metalyra.train.architecture import LAYER_COLUMNS, describe_architecture, list_layers
from metalyra.train.networks import KINDS, build_network
from metalyra.train.published import read_architecture
from tests.papers import DEKANY_GREBEL_2022

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Dékány & Grebel (2022), Table 2: the parameters of the layers.
TABLE_2 = {"Ks": [8960, 0, 24832, 0, 65], "G": [2432, 0, 6272, 0, 33]}
RECIPES = {
    "Ks": {"recipe": "dg22", "max_phase": 1.2, "bins": 60, "steps": 60},
    "G": {"recipe": "dg22", "tolerance": 10},
}


@pytest.mark.parametrize("band", TABLE_2)
def test_the_layers_of_the_published_networks_have_the_printed_parameters(band):
    layers = describe_architecture(DEKANY_GREBEL_2022[band], RECIPES[band])
    assert list(layers) == list(LAYER_COLUMNS)
    assert layers["layer"].tolist() == [
        *("sequences", "bilstm1", "dropout1", "bilstm2", "dropout2", "head")
    ]
    assert layers["n_parameters"].tolist() == [0, *TABLE_2[band]]
    units, penalty, steps = (32, "3e-06", "60") if band == "Ks" else (16, "5e-06", "80")
    assert layers["settings"][1] == f"{units} neurons, recurrent L1 {penalty}"
    assert layers["settings"][2] == "dropout 0.1"
    assert layers["output_shape"][1] == f"{steps} x {2 * units}"
    assert layers["kind"][1] == "Bidirectional LSTM"


@pytest.mark.parametrize("band", TABLE_2)
def test_the_published_files_describe_these_layers(band, mirror):
    letter = {"Ks": "k", "G": "g"}[band]
    path = mirror / f"dekany_grebel_2022/results_{letter}/best_model_{letter}/model.json"
    layers = describe_architecture(read_architecture(path), RECIPES[band])
    assert layers["n_parameters"].tolist() == [0, *TABLE_2[band]]


def test_a_network_that_reads_any_length_says_so():
    layers = list_layers(build_network({"kind": "gru", "units": [4], "dropout": 0.1}, None, 2))
    assert layers["output_shape"].tolist() == ["n x 2", "4", "4", "1"]


@pytest.mark.parametrize("kind", ["fcn", "transformer", "gru"])
def test_all_that_a_network_learns_is_in_its_layers(kind):
    network = build_network({"kind": kind}, 40, 2)
    learnt = sum(int(weight.numpy().size) for weight in network.trainable_weights)
    assert list_layers(network)["n_parameters"].sum() == learnt
    assert kind in KINDS
