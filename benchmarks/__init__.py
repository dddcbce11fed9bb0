"""Speed and accuracy, measured side by side; each module is run with ``python -m``."""

import os

# One thread, so that CPU seconds are comparable; set before NumPy and TensorFlow are loaded.
for variable in (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"),
):
    os.environ.setdefault(variable, "1")
