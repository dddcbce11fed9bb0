"""The networks and sequences of the papers, which the studies and the networks are tested by."""

from collections.abc import Mapping
from typing import Any

Networks = Mapping[str, Mapping[str, Any]]

DEKANY_GREBEL_2022: Networks = {
    "G": {"kind": "bilstm", "units": [16, 16], "recurrent_l1": 5e-6, "dropout": 0.1},
    "Ks": {"kind": "bilstm", "units": [32, 32], "recurrent_l1": 3e-6, "dropout": 0.1},
    "CNN": {"kind": "joined_convolutional", "summary": "flatten"},
    "CNN (maximum)": {
        "kind": "joined_convolutional",
        "summary": "maximum",
        "filters": [16, 48, 64],
    },
}
"""The models of Table 2 by band, and the convolutional variants of the published code."""

MONTI_2024: Networks = {
    "FCN": {"kind": "fcn"},
    "ResNet": {"kind": "resnet"},
    "Inception": {"kind": "inception_time"},
    "LSTM": {"kind": "lstm"},
    "BiLSTM": {
        "kind": "bilstm",
        "units": [20, 16, 8],
        "kernel_l1": 2e-6,
        "recurrent_l1": 2e-6,
        "dropout": [0.2, 0.2, 0.1],
    },
    "GRU": {"kind": "gru"},
    "BiGRU": {"kind": "bigru"},
    "ConvLSTM": {"kind": "conv_lstm"},
    "ConvGRU": {"kind": "conv_gru"},
}
"""The networks of Table A1, in its order; that of Monti et al. (2025) is the GRU."""

MONTI_2024_SEQUENCES: Mapping[str, Mapping[str, Any]] = {
    "Raw catalog": {
        "recipe": "dg22",
        "steps": 264,
        "alignment": "maximum",
        "all_points": True,
        "magnitude": "plain",
    },
    "Pre-processed catalog without mean magnitude": {"recipe": "spline", "magnitude": "plain"},
    "Pre-processed catalog": {"recipe": "spline"},
}
"""Recipes of the catalogues of Monti et al. (2024), Table A1, aligned by maximum light."""

MONTI_2025_SEQUENCES: Mapping[str, Mapping[str, Any]] = {
    "RRab": {"recipe": "spline", "magnitude": "standardised", "points": 264},
    "RRc": {"recipe": "spline", "magnitude": "standardised", "points": 265},
}
"""Recipes of Monti et al. (2025) by pulsation type, aligned by maximum light."""
