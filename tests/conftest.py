import os
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
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder.resolve()
