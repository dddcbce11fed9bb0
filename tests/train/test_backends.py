"""Networks are the same with whatever library Keras computes with."""

import os
import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def run_on_jax() -> Callable[..., None]:
    """Run Python where Keras computes with JAX, which may lie apart: in METALYRA_JAX."""
    apart = os.environ.get("METALYRA_JAX")
    if apart is None and find_spec("jax") is None:
        pytest.skip("needs JAX: pip install --group jax, or a folder of it in METALYRA_JAX")
    folders = [folder for folder in (os.environ.get("PYTHONPATH"), apart) if folder]

    def run(*arguments: str) -> None:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(folders)},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    return run


def test_members_are_trained_together_on_jax(run_on_jax):
    run_on_jax("-m", "pytest", "--numprocesses=0", "tests/train/on_jax.py")


def test_networks_predict_the_same_with_jax(run_on_jax, tmp_path):
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
    run_on_jax("-c", PREDICT, str(tmp_path))
    for kind, feh in expected.items():
        assert np.ptp(feh) > 2e-3, kind  # far more than what may differ
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.npy"), feh, atol=2e-5, err_msg=kind)
