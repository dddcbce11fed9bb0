"""What networks are computed on: the cores of a machine, or a GPU."""

import logging

_LOGGER = logging.getLogger(__name__)

CPU = "CPU"
"""The cores of a machine: networks do not depend on how many there are."""


def name_device(reserved: int = 0) -> str:
    """Name what networks are computed on, for logs and cards, and say so in the log.

    Parameters
    ----------
    reserved
        Number of GPUs that the job has asked for. If it has some and none is seen, there is a
        warning.

    Returns
    -------
    str
        "CPU", or the names of the GPUs, such as "NVIDIA A100-SXM4-40GB"; with JAX beneath Keras,
        followed by "(JAX)". With another library, that it chooses.
    """
    import keras

    backend = keras.backend.backend()
    kinds = {"tensorflow": _list_gpus, "jax": _list_gpus_of_jax}
    gpus = kinds[backend]() if backend in kinds else [f"chosen by {backend}"]
    device = (", ".join(gpus) or CPU) + (" (JAX)" if backend == "jax" else "")
    _LOGGER.info("networks are computed on: %s", device)
    if reserved and not gpus:
        _LOGGER.warning(
            "%d GPU reserved (the key gpu) and none seen: the networks are computed on the CPU. "
            "Has the environment CUDA (make setup GPU=1; for conda see docs/environments.md), and "
            "the machine its driver (nvidia-smi)?",
            reserved,
        )
    return device


def has_only_cpu() -> bool:
    """Tell whether TensorFlow computes without a GPU; no if Keras has another backend."""
    import keras

    return keras.backend.backend() == "tensorflow" and not _list_gpus()


def _list_gpus() -> list[str]:
    """Return the names of the GPUs that TensorFlow sees."""
    import tensorflow

    name = tensorflow.config.experimental.get_device_details
    gpus = tensorflow.config.list_physical_devices("GPU")
    return [name(gpu).get("device_name", "GPU") for gpu in gpus]


def _list_gpus_of_jax() -> list[str]:
    """Return the names of the GPUs that JAX sees."""
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
