"""What becomes of a star whose light curve cannot be fitted."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class LightCurveError(Exception):
    """A light curve that cannot be fitted.

    Parameters
    ----------
    status
        The star's status.
    reason
        What it is about this star, in words, where the status does not say all.
    """

    def __init__(self, status: str, reason: str = "") -> None:
        super().__init__(status)
        self.reason = reason


NUMERICAL = (ArithmeticError, ValueError, IndexError)
"""What numbers that no one expects make NumPy raise; LinAlgError is a ValueError."""


@contextmanager
def failures_are_the_stars() -> Iterator[None]:
    """Turn whatever goes wrong in the numbers of one star into its status."""
    try:
        yield
    except LightCurveError:
        raise
    except NUMERICAL as error:
        logger.info("%s: %s", type(error).__name__, error)
        raise LightCurveError("fit_failed", str(error)[:200]) from error
