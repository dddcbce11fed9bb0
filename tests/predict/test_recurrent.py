import keras
import numpy as np
import pytest

from metalyra.predict.cards import make_card, write_card
from metalyra.predict.networks import predict_metallicities
from metalyra.predict.recurrent import CELLS, Packing, RecurrentNetworks, find_columns
from metalyra.train.ensembles import save_network
from metalyra.train.networks import KINDS, build_network, reads_any_length, set_scaling
from metalyra.train.sequences import PADDING, sequence_shape
from tests.train.test_networks import MASKED, SMALL, evaluate, small_network

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SEQUENCE = {"recipe": "dg22", "bins": 20}


def draw_sequences(stars: int, steps: int = 20) -> np.ndarray:
    """Draw sequences of all lengths from one step, with padding behind."""
    random = np.random.default_rng(3)
    sequences = random.normal(size=(stars, steps, 2)).astype(np.float32)
    sequences[np.arange(steps) >= random.integers(1, steps + 1, stars)[:, None]] = PADDING
    return sequences


def build_networks(kind: str, members: int, steps: int | None = None) -> list:
    """Build networks of weights that differ more than those that training starts from."""
    keras.utils.set_random_seed(4)
    random = np.random.default_rng(4)
    networks = [small_network(kind, steps) for _ in range(members)]
    for network in networks:
        set_scaling(network, draw_sequences(9), random.normal(-1.4, 0.4, 9), np.ones(9))
        set_apart(network, random)
    return networks


def set_apart(network: keras.Model, random: np.random.Generator) -> None:
    """Add noise to the weights, so that what the network says depends on the light curve."""
    network.set_weights(
        [array + random.normal(0, 0.3, array.shape) for array in network.get_weights()]
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_ensembles_of_every_kind_predict_what_their_networks_do(tmp_path, kind):
    steps, channels = sequence_shape(SEQUENCE)
    sequences = draw_sequences(30, steps)
    if kind not in MASKED:
        sequences[sequences == PADDING] = 0.3
    keras.utils.set_random_seed(5)
    networks = [build_network({"kind": kind, **SMALL[kind]}, steps, channels) for _ in range(2)]
    for member, network in enumerate(networks):
        random = np.random.default_rng(member)
        set_scaling(network, sequences, random.normal(size=30), np.ones(30))
        set_apart(network, random)
        save_network(network, tmp_path / f"member_{member}.keras")
    card = make_card(
        name="test",
        band="G",
        relation="dekany2021",
        network={"kind": kind, **SMALL[kind]},
        sequence=SEQUENCE,
        members=range(2),
        provenance={},
    )
    write_card(card, tmp_path / "card.json")
    predicted = predict_metallicities(tmp_path, np.arange(30).astype(str), sequences)
    for member, network in enumerate(networks):
        expected = evaluate(network, sequences)[:, 0]
        assert np.ptp(expected) > 1e-3  # a hundred times what the two may differ by
        np.testing.assert_allclose(predicted[f"member_{member}"], expected, atol=1e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_members_are_read_together_and_predict_what_each_does(kind):
    assert reads_any_length(kind)
    networks = build_networks(kind, 3)
    sequences = draw_sequences(400)
    predicted = RecurrentNetworks.of(kind, [network.get_weights() for network in networks]).predict(
        sequences
    )
    for network, of_member in zip(networks, predicted.T, strict=True):
        np.testing.assert_allclose(of_member, evaluate(network, sequences)[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_gaps_in_sequences_are_skipped_and_nothing_at_all_is_read(kind):
    (network,) = build_networks(kind, 1)
    sequences = draw_sequences(6)
    sequences[0] = PADDING
    sequences[1, :3] = PADDING
    sequences[2, 0] = PADDING
    sequences[3, 4:6] = PADDING
    predicted = RecurrentNetworks.of(kind, [network.get_weights()]).predict(sequences)
    np.testing.assert_allclose(predicted, evaluate(network, sequences), atol=1e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_what_a_star_gets_does_not_depend_on_those_before_and_behind_it(kind):
    """Nor on a light curve that is no number, which shares its column."""
    networks = build_networks(kind, 2)
    ensemble = RecurrentNetworks.of(kind, [network.get_weights() for network in networks])
    sequences = draw_sequences(1300)
    together = ensemble.predict(sequences)
    assert together[:7].tobytes() == ensemble.predict(sequences[:7]).tobytes()
    assert together[1100:].tobytes() == ensemble.predict(sequences[1100:]).tobytes()
    spoilt = sequences.copy()
    spoilt[::2] = np.where(sequences[::2] == PADDING, PADDING, np.nan)
    predicted = ensemble.predict(spoilt)
    assert np.isnan(predicted[::2]).all()
    assert predicted[1::2].tobytes() == together[1::2].tobytes()


def test_no_two_stars_have_the_same_step_and_columns_are_about_as_long():
    lengths = np.random.default_rng(5).integers(1, 80, 900)
    columns = np.arange(7, 191)
    packing = Packing.of(lengths, columns)
    taken = np.zeros((packing.steps, 191), dtype=int)
    for column, first, last in zip(packing.column, packing.first, packing.last, strict=True):
        taken[first : last + 1, column] += 1
    assert not taken[:, :7].any()
    assert (packing.last - packing.first + 1 == lengths).all()
    assert taken.max() == 1
    assert taken[:, columns].mean() > 0.9


def test_stars_are_where_blas_computes_all_columns_alike():
    random = np.random.default_rng(6)
    columns = find_columns(((64, 19), (64, 49)))
    assert len(columns) > 96
    for size in (19, 49):
        known = np.repeat(random.normal(size=(3, 2, size, 1)).astype(np.float32), 192, axis=-1)
        products = np.matmul(random.normal(size=(3, 2, 64, size)).astype(np.float32), known)
        assert (products[..., columns] == products[..., columns[:1]]).all()
