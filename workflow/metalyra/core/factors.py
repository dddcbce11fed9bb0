"""Cholesky factors of many small matrices."""

from collections.abc import Iterable

from metalyra.core.arrays import Floats


def invert_factors(factors: Floats, places: Iterable[int] | None = None) -> None:
    """Invert lower triangular factors in place.

    Parameters
    ----------
    factors : (g, c, c)
        Contiguous, as `numpy.linalg.cholesky` returns them.
    places
        Of those that are inverted; all by default.
    """
    # Loaded when it is used: the plan of a run reads modules that call this.
    from scipy.linalg.lapack import dtrtri

    triangles = factors.swapaxes(-2, -1)  # as LAPACK lays them out
    for place in range(len(factors)) if places is None else places:
        dtrtri(triangles[place], lower=0, overwrite_c=1)
