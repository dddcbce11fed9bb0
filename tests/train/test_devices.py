import logging
import sys
from types import SimpleNamespace

import pytest
import tensorflow

from metalyra.train import devices


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs that TensorFlow sees, of which one has a name."""
    names = {"/physical_device:GPU:0": {"device_name": "NVIDIA H200"}, "/physical_device:GPU:1": {}}
    monkeypatch.setattr(tensorflow.config, "list_physical_devices", lambda kind: list(names))
    monkeypatch.setattr(tensorflow.config.experimental, "get_device_details", names.get)


def test_cores_have_one_name_on_all_machines(caplog):
    caplog.set_level(logging.INFO)
    assert devices.name_device() == "CPU"
    assert devices.has_only_cpu()
    assert caplog.messages == ["networks are computed on: CPU"]


def test_gpus_have_their_own(gpus, caplog):
    assert devices.name_device(reserved=2) == "NVIDIA H200, GPU"
    assert not devices.has_only_cpu()
    assert not caplog.records


def test_a_reserved_gpu_that_is_not_seen_is_missed(caplog):
    assert devices.name_device(reserved=1) == "CPU"
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("1 GPU reserved (the key gpu) and none seen")


def test_another_backend_chooses(monkeypatch, caplog):
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    assert devices.name_device(reserved=1) == "chosen by torch"
    assert not devices.has_only_cpu()
    assert not caplog.records


def test_jax_names_its_own(monkeypatch, caplog):
    names = [("cpu", "cpu"), ("gpu", "NVIDIA H200")]
    seen = [SimpleNamespace(platform=platform, device_kind=kind) for platform, kind in names]
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: seen))
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    assert devices.name_device(reserved=1) == "NVIDIA H200 (JAX)"
    assert not caplog.records
    seen.pop()
    assert devices.name_device(reserved=1) == "CPU (JAX)"
    assert caplog.records[-1].levelname == "WARNING"
