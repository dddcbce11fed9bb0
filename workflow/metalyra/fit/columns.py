"""Which columns the fits table has."""

AMPLITUDES = 6
"""Fourier amplitudes A_1 to A_6 and phases phi_21 to phi_61 that are tabulated."""

CURVE_POINTS = 100
"""Points of the stored GP mean curve, at phases 0, 0.01, ..., 0.99."""

TYPES = ("RRab", "RRc", "RRd", "other")
"""What a star may be classified as."""

PERIOD_COLUMNS = (
    *("given_period", "period_status", "period_false_alarm", "type_status"),
    *(f"probability_{kind.lower()}" for kind in TYPES),
)
"""What a star table has of periods that are found or checked."""

PERIOD_BANDS = "period_bands"
"""Column of the bands whose points have told the period, where there are others than its own."""

_SHAPE = (
    *("mean_mag", "amplitude", *(f"a{k}" for k in range(1, AMPLITUDES + 1)), "phi1"),
    *(f"phi{k}1" for k in range(2, AMPLITUDES + 1)),
)

_BEFORE_ALIGNMENT = (
    *("period", "n_epochs", *_SHAPE, *(f"{name}_err" for name in _SHAPE)),
    *("cov_a1_a2", "cov_a1_phi31", "cov_a2_phi31"),
    *("phase_coverage", "phase_coverage_2p", "snr", "sigma", "minmax", "cost", "fourier_order"),
    *("epoch", "phase_shift"),
)

_AFTER_ALIGNMENT = (
    *("phase_of_maximum", "aperture"),
    *("gp_length_scale", "gp_amplitude", "gp_noise", "gp_log_likelihood"),
    *("gp_log_bayes_factor", "gp_converged"),
    *("period_change", "period_change_err", "modulation_period", "modulation_amplitude"),
    *("modulation_phase", "modulation_false_alarm"),
)

FIT_COLUMNS = (*_BEFORE_ALIGNMENT, *_AFTER_ALIGNMENT)
"""Columns that hold one number, or whether the Gaussian process converged."""

TABLE_COLUMNS = (
    *(*_BEFORE_ALIGNMENT, "alignment", *_AFTER_ALIGNMENT, "variation"),
    *("curve", "curve_err", "status"),
)
"""All columns but the names of star and band, in the order of the table."""
