"""Networks are the same with whatever library Keras computes with."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from metalyra.train.networks import KINDS, set_scaling
from tests.train.test_networks import evaluate, small_network

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PREDICT = """
import sys
from pathlib import Path
import keras
import numpy as np
from metalyra.train.evaluation import evaluate
from tests.train.test_networks import small_network
assert keras.backend.backend() == "jax"
for path in Path(sys.argv[1]).glob("*.npz"):
    arrays = np.load(path)
    sequences = arrays["sequences"]
    network = small_network(path.stem, sequences.shape[1])
    network.set_weights([arrays[f"weight_{number}"] for number in range(len(arrays) - 1)])
    np.save(path.with_suffix(".npy"), evaluate(network, sequences))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX: pip install --group jax")
def test_networks_predict_the_same_with_jax(tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    random = np.random.default_rng(5)
    sequences = random.normal(size=(9, 20, 2)).astype(np.float32)
    expected = {}
    for kind in sorted(KINDS):
        network = small_network(kind, 20)
        set_scaling(network, sequences, random.normal(-1.4, 0.4, 9), np.ones(9))
        weights = {f"weight_{number}": array for number, array in enumerate(network.get_weights())}
        np.savez(tmp_path / f"{kind}.npz", sequences=sequences, **weights)
        expected[kind] = evaluate(network, sequences)[:, 0]
    subprocess.run(
        [sys.executable, "-c", PREDICT, str(tmp_path)],
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"KERAS_BACKEND": "jax"},
    )
    for kind, feh in expected.items():
        assert np.ptp(feh) > 2e-3, kind  # far more than what may differ
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.npy"), feh, atol=2e-5, err_msg=kind)
