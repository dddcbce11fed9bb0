import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

# As in the jobs of the workflow; set before NumPy and TensorFlow are loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The real data: the folder that METALYRA_MIRROR names."""
    folder = Path(os.environ.get("METALYRA_MIRROR", ROOT.parent / "shared/mirror"))
    if not folder.is_dir():
        reason = f"no real data: METALYRA_MIRROR names no folder ({folder})"
        if os.environ.get("CI") and not os.environ.get("METALYRA_WITHOUT_MIRROR"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder.resolve()


@pytest.fixture(scope="module")
def archive(folder: Path) -> Iterator["LoopbackArchive"]:  # noqa: F821
    """A loopback archive of the files of the module, its fixture `folder`."""
    from testbench.loopback import LoopbackArchive

    with LoopbackArchive(folder) as running:
        yield running


@pytest.fixture
def rerouted(archive: "LoopbackArchive", monkeypatch: pytest.MonkeyPatch) -> "LoopbackArchive":  # noqa: F821
    """The archive of the module in the place of all archives, with no faults and an empty log."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("METALYRA_OFFLINE", raising=False)
    monkeypatch.setenv("METALYRA_ARCHIVES", archive.address)
    archive.reset()
    return archive


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A Python with all that the library needs, and without the library."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    [packages] = (tmp_path / "venv/lib").glob("python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "venv/bin/python"
    found = subprocess.run([python, "-c", "import metalyra"], cwd=tmp_path, capture_output=True)
    assert b"ModuleNotFoundError" in found.stderr
    return python
