"""How well metallicities are predicted, one number at a time."""

import numpy as np


def r2_score(true: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the coefficient of determination (Dékány & Grebel 2022, Eq. 8).

    Parameters
    ----------
    true, predicted : array, shape (n,)
        Metallicities (dex).
    weights : array, shape (n,), optional
        Weights of the squared errors; published R2 are weighted by 1 / sigma^2.

    Returns
    -------
    float
        1 for perfect predictions, 0 for the (weighted) mean of `true`; NaN if all of
        `true` are equal.
    """
    total = np.average((true - np.average(true, weights=weights)) ** 2, weights=weights)
    if total == 0:
        return float("nan")
    return float(1 - np.average((true - predicted) ** 2, weights=weights) / total)


def root_mean_squared_error(
    true: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the root of the (weighted) mean squared error (dex)."""
    return float(np.sqrt(np.average((true - predicted) ** 2, weights=weights)))


def mean_absolute_error(
    true: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the (weighted) mean absolute error (dex)."""
    return float(np.average(np.abs(true - predicted), weights=weights))


def median_absolute_error(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the median absolute error (dex)."""
    return float(np.median(np.abs(true - predicted)))


def jensen_shannon_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two distributions in bits.

    Dékány & Grebel (2022), Eq. 9, with logarithms to base 2, so that the values lie
    between 0 (equal) and 1 (disjoint).

    Parameters
    ----------
    p, q : array, shape (n,)
        Counts or densities on the same bins or grid; they are normalised here.
    """
    # Every job imports this module, and few need SciPy.
    from scipy.special import rel_entr

    p, q = p / np.sum(p), q / np.sum(q)
    middle = (p + q) / 2
    nats = (np.sum(rel_entr(p, middle)) + np.sum(rel_entr(q, middle))) / 2
    # The square of scipy.spatial.distance.jensenshannon, which is NaN instead of 0 where
    # rounding makes that of two equal distributions negative.
    return max(float(nats / np.log(2)), 0.0)


def density_divergence(true: np.ndarray, predicted: np.ndarray, points: int = 100) -> float:
    """Return the Jensen-Shannon divergence of two samples by their kernel densities.

    The D_JS of Dékány & Grebel (2022), Table 3: Gaussian kernels of Scott's width,
    evaluated at `points` equal steps over the range of both samples. NaN if all values
    of a sample are equal.
    """
    from scipy.stats import gaussian_kde

    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    grid = np.linspace(min(true.min(), predicted.min()), max(true.max(), predicted.max()), points)
    return jensen_shannon_divergence(*(gaussian_kde(sample)(grid) for sample in (true, predicted)))


def density_mode(values: np.ndarray, step: float = 0.001) -> float:
    """Return where a sample is densest: the maximum of its kernel density.

    As the modes of Dékány & Grebel (2022), Sect. 4: Gaussian kernels, here of Scott's width.

    Parameters
    ----------
    values : array, shape (n,)
        Metallicities (dex), finite.
    step
        To which the maximum is found.

    Returns
    -------
    float
        NaN of fewer than three values, or if all are equal.
    """
    from scipy.stats import gaussian_kde

    if len(values) < 3 or np.ptp(values) == 0:
        return float("nan")
    density = gaussian_kde(values)
    coarse = np.linspace(values.min(), values.max(), 201)
    place = float(coarse[np.argmax(density(coarse))])
    width = coarse[1] - coarse[0]
    fine = np.arange(place - width, place + width + step, step)
    return float(fine[np.argmax(density(fine))])


def evaluate_predictions(
    true: np.ndarray, predicted: np.ndarray, errors: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics of Dékány & Grebel (2022), Table 3.

    Parameters
    ----------
    true, predicted : array, shape (n,)
        Metallicities (dex).
    errors : array, shape (n,), optional
        Errors of `true` (dex); with them, R2, wRMSE and wMAE are weighted by their
        inverse squares. Without them R2 is unweighted and the other two are absent.

    Returns
    -------
    dict
        n, r2, rmse, mae, medae, d_js, r2_d_js and, with errors, wrmse and wmae.
    """
    weights = None if errors is None else 1 / np.square(errors)
    r2, divergence = r2_score(true, predicted, weights), density_divergence(true, predicted)
    metrics = {
        "n": len(true),
        "r2": r2,
        "rmse": root_mean_squared_error(true, predicted),
        "mae": mean_absolute_error(true, predicted),
        "medae": median_absolute_error(true, predicted),
        "d_js": divergence,
        "r2_d_js": r2 / divergence if divergence != 0 else float("inf"),
    }
    if weights is not None:
        metrics["wrmse"] = root_mean_squared_error(true, predicted, weights)
        metrics["wmae"] = mean_absolute_error(true, predicted, weights)
    return metrics
