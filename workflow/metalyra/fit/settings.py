"""How the stars of a sample are fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from metalyra.fit.alignment import ALIGNMENTS
from metalyra.fit.fourier import RegressionSettings

KERNEL_NAMES = ("expsine2", "matern32", "matern52")
"""Names of `metalyra.fit.gp.KERNELS`: every job reads them, and few need what that imports."""


@dataclass(frozen=True)
class FitSettings:
    """How the stars of a sample are fitted.

    Attributes
    ----------
    regression
        Settings of the robust Fourier regression.
    rrc_regression
        Those of first-overtone stars.
    harmonics
        Harmonics of the Gaussian process.
    kernel
        Kernel of the Gaussian process, a name of `metalyra.fit.gp.KERNELS`.
    draws
        Posterior draws the errors are taken from.
    min_epochs
        Fewer good epochs than this are not fitted.
    apertures
        Apertures among which the one with the highest S/N is taken; None for all.
    use_errors
        Weight the points by their known errors, beside the white noise: the variance of
        a point is proportional to its squared error plus a constant that the posterior
        chooses.
    published
        Reproduce lcfit where it differs: see `metalyra.fit.gp`, and its folds and errors.
    alignment
        Where phase 0 is: 'phi1', the first harmonic's zero on the way to faint (Dekany &
        Grebel 2022, Eq. 2), or 'maximum', maximum light (Monti et al. 2024): at the
        archive's epoch of it where there is one, else that of the Gaussian process.
    phases
        'measured': fold and align the light curve; 'published': keep the phases that
        came with it, and all its points.
    """

    regression: RegressionSettings
    rrc_regression: RegressionSettings
    harmonics: int = 24
    kernel: str = "expsine2"
    draws: int = 200
    min_epochs: int = 20
    apertures: Sequence[int] | None = None
    use_errors: bool = False
    published: bool = False
    alignment: str = "phi1"
    phases: str = "measured"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FitSettings":
        """Read the settings of a `fit` section, whose keys are flat.

        Raises
        ------
        TypeError
            For a key that does not exist.
        ValueError
            For an unknown alignment.
        """
        alignment = config.get("alignment", "phi1")
        if alignment not in ALIGNMENTS:
            allowed = ", ".join(ALIGNMENTS)
            raise ValueError(f"alignment {alignment!r} is unknown; allowed: {allowed}")
        own = {field.name for field in fields(cls)} - {"regression", "rrc_regression"}
        general = {key: value for key, value in config.items() if key in own}
        regression = {
            key: value for key, value in config.items() if key not in own and key != "rrc"
        }
        published = bool(config.get("published", False))
        shared = RegressionSettings(published=published, **regression)
        first_overtone = {"order_max": 5, "sigma_clip": 4.5, **config.get("rrc", {})}
        return cls(regression=shared, rrc_regression=replace(shared, **first_overtone), **general)

    def regression_of(self, pulsation_type: str) -> RegressionSettings:
        """Return the regression settings of a pulsation type."""
        regression = self.rrc_regression if pulsation_type == "RRc" else self.regression
        if self.phases == "published":
            return replace(regression, sigma_clip=None, refine_period=False)
        return regression
