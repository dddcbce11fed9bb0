"""The light curves of a whole population, and what it says of each noisy one of them.

The Fourier coefficients of the stars' true light curves and their periods are drawn from
a mixture of Gaussians; a light curve shows a star's coefficients through a few noisy,
sometimes wrong points. `fit_population` finds the mixture behind the noise by expectation
maximisation (extreme deconvolution, Bovy, Hogg & Roweis 2011), and `infer_shapes` the
posterior of a star's coefficients under it. So a poorly observed star borrows the shape
that stars of its period have, which no kernel of a Gaussian process knows. The noise is
Student's t, with a scale of each star's own: in effect each point gets the weight that
its distance from the curve deserves (Lange, Little & Taylor 1989). It depends on the
phase as well, since points scatter most where the light rises.

No metallicity is used anywhere here.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np

from metalyra.core.arrays import Floats
from metalyra.stack.curves import Curves
from metalyra.stack.posteriors import (
    Noise,
    Population,
    Posterior,
    Prior,
    expect,
    extrapolate,
    find_bins,
    guess_noise,
    infer_at,
    join_bands,
    observe,
    place_points,
)

_HARMONICS = ((150, 4), (1000, 6), (np.inf, 10))
"""Harmonics for fewer stars than a number: the covariance of 2 J coefficients has ~2 J^2 numbers.

Measured out of fold: see docs/own_survey.md.
"""

_FURTHER_HARMONICS = 3
"""Harmonics of a further band, if the own one has not fewer."""

_STARS_OF_COMPONENT = 250
"""Stars that tell of one Gaussian of a mixture."""

_STRIDES = 2
"""Times that the noise of a star is extrapolated from two steps towards it."""

_MATRICES = 576
"""Matrices that are held in memory at once: one of each star, population and component."""

_POINTS = 32768
"""Points whose harmonics are held in memory at once."""


class Shapes(NamedTuple):
    """Posteriors of `n` light curves.

    Attributes
    ----------
    coefficients : (n, 2 J), covariances : (n, 2 J, 2 J)
        Means and covariances of ``s_1, q_1, ...`` (mag), band by band.
    noise : (n,)
        Scale of the noise of the points (mag) in the own band.
    points : (n,)
        Number of points in the own band, each counted by its weight.
    """

    coefficients: Floats
    covariances: Floats
    noise: Floats
    points: Floats


def fit_population(
    groups: Sequence[Curves],
    *,
    harmonics: int | None = 10,
    components: int | None = 3,
    freedom: float = 4.0,
    strength: float = 0.6,
    profile_bins: int = 25,
    iterations: int = 25,
) -> Population:
    """Fit the mixture of Gaussians that noisy light curves are drawn from.

    Parameters
    ----------
    groups
        Light curves of some hundred stars or more, each group padded to its own length. A
        period may be unknown (NaN) of a curve that came folded: it is marginalised.
    harmonics
        Harmonics J of the light curves; None for as many as the stars can tell of: 4 below
        150 stars, 6 below 1,000, else 10.
    components
        Gaussians of the mixture; the first guess is a split by period. None for as many as
        the stars can tell of: one for each 250 stars, 1 to 3.
    freedom
        Degrees of freedom of the noise; few for many wrong points.
    strength
        Points that the typical noise counts for, in the estimate of a star's own.
    profile_bins
        Bins of phase between which the noise differs.
    iterations
        Steps of the expectation maximisation.

    Raises
    ------
    ValueError
        If there are fewer stars than 10 a component.
    """
    period = np.concatenate([curves.period for curves in groups])
    bands = len(groups[0].bands)
    harmonics, components = _choose_size(len(period), harmonics, components)
    if len(period) < 10 * components:
        raise ValueError(f"{len(period)} light curves are too few for {components} components")
    certain = period[np.isfinite(period)]
    scale = np.array([certain.mean(), certain.std() or 1.0])
    orders = [harmonics] + [min(harmonics, _FURTHER_HARMONICS)] * (bands - 1)
    size = 2 * sum(orders) + 1
    population = Population(
        np.full(components, 1 / components),
        np.zeros((components, size)),
        np.stack([np.eye(size)] * components),
        scale,
        np.ones((bands, profile_bins) if bands > 1 else profile_bins),
        np.array(freedom),
        np.array(strength),
        np.array(orders) if bands > 1 else None,
    )
    batches = [batch for curves in groups for batch in _take_batches(curves, components)]
    noise = [guess_noise(curves, np.array([[freedom]])) for curves in batches]
    population, regular = _guess_population(population, batches, noise)
    for _ in range(iterations):
        prior, sums = Prior.of([population]), _Sums.of(population)
        for number, curves in enumerate(batches):
            points = place_points(curves, prior)
            posterior, noise[number], squares = expect(prior, points, curves.period, noise[number])
            sums.add(posterior, curves, noise[number], squares)
        population = sums.update(population, regular)
    return population


def infer_shapes(population: Population, curves: Curves) -> Shapes:
    """Infer the coefficients of light curves that a population is known for.

    Parameters
    ----------
    population
        Of `fit_population`.
    curves
        Of n stars. Each is treated alone: its posterior does not depend on the others.
    """
    return infer_with_each([population], curves)[0]


def infer_with_each(populations: Sequence[Population], curves: Curves) -> list[Shapes]:
    """Infer the coefficients of light curves with each of several populations, in one pass.

    Parameters are those of `infer_shapes`.
    """
    alike: dict[object, list[int]] = {}
    for number, population in enumerate(populations):
        sizes = (population.means.shape, population.profile.shape, str(population.harmonics))
        alike.setdefault(sizes, []).append(number)
    inferred: dict[int, Shapes] = {}
    for numbers in alike.values():
        prior = Prior.of([populations[number] for number in numbers])
        parts = [_infer_batch(prior, batch) for batch in _take_batches(curves, prior.constant.size)]
        for place, number in enumerate(numbers):
            arrays = zip(*parts, strict=True)
            inferred[number] = Shapes(
                *(np.concatenate([part[:, place] for part in array]) for array in arrays)
            )
    return [inferred[number] for number in range(len(populations))]


def describe_shapes(shapes: Shapes, period: Floats, parts: Sequence[slice] = ()) -> Floats:
    """Return what regressors read of a star, one row each.

    Noise and number of points are those of the own band alone: a star without points in a
    further band has there the shape that its own band and period lead to, and nothing that
    regressors have not met.

    Parameters
    ----------
    shapes, period
        Of n stars; periods in days.
    parts
        Where the coefficients of each band are, see `Population.split`; of several alone.

    Returns
    -------
    array, shape (n, 5 J + 1)
        The coefficients; period (d); amplitudes A_1 to A_J; cosine and sine of phi_21 to
        phi_J1; logarithms of the noise (mag) and of the number of points. To these come, of
        each further band with K harmonics, 3 K numbers: A_1 over the own band's, A_2 to A_K
        over A_1; cosine and sine of what phi_1 is more than the own band's, and of phi_21 to
        phi_K1.
    """
    own, *further = parts or [slice(None)]
    coefficients = shapes.coefficients[:, own]
    amplitudes, phase, relative = _describe_band(coefficients)
    described = [
        coefficients,
        period,
        amplitudes,
        np.cos(relative),
        np.sin(relative),
        np.log(shapes.noise),
        np.log(shapes.points),
    ]
    for part in further:
        of_band, phase_of_band, relative = _describe_band(shapes.coefficients[:, part])
        angles = np.column_stack([phase_of_band - phase, relative])
        sizes = np.column_stack([amplitudes[:, 0], *[of_band[:, 0]] * (of_band.shape[1] - 1)])
        described += [of_band / sizes, np.cos(angles), np.sin(angles)]
    return np.column_stack(described)


def _describe_band(coefficients: Floats) -> tuple[Floats, Floats, Floats]:
    """Return A_1 to A_J (n, J), phi_1 (n,) and phi_21 to phi_J1 (n, J - 1), not wrapped."""
    sine, cosine = coefficients[:, 0::2], coefficients[:, 1::2]
    phase = np.arctan2(cosine, sine)
    order = np.arange(2, sine.shape[1] + 1)
    return np.hypot(sine, cosine), phase[:, 0], phase[:, 1:] - order * phase[:, :1]


def _choose_size(stars: int, harmonics: int | None, components: int | None) -> tuple[int, int]:
    """Return the harmonics and components of a population, chosen where they are not given."""
    if harmonics is None:
        harmonics = next(number for limit, number in _HARMONICS if stars < limit)
    if components is None:
        components = min(max(stars // _STARS_OF_COMPONENT, 1), 3)
    return harmonics, components


def _take_batches(curves: Curves, matrices: int) -> Iterator[Curves]:
    """Yield light curves of as many stars as memory is meant for, at least of none."""
    stars, points = curves.phase.shape
    batch = max(1, min(_MATRICES // matrices, _POINTS // points))
    for start in range(0, max(stars, 1), batch):
        yield curves.take(slice(start, start + batch))


def _infer_batch(prior: Prior, curves: Curves) -> Shapes:
    """Return the shapes of a batch with each population: arrays (n, m, ...)."""
    points, noise = place_points(curves, prior), guess_noise(curves, prior.freedom)
    for _ in range(_STRIDES):
        _, once, _ = expect(prior, points, curves.period, noise)
        _, twice, _ = expect(prior, points, curves.period, once)
        noise = extrapolate(noise, once, twice)
    posterior, _ = infer_at(prior, points, curves.period, noise)
    return Shapes(
        posterior.mean[..., :-1],
        posterior.covariance[..., :-1, :-1],
        np.sqrt(noise[0].variance),
        noise[0].points,
    )


def _guess_population(
    population: Population, batches: Sequence[Curves], noise: Sequence[list[Noise]]
) -> tuple[Population, Floats]:
    """Return a first guess, split by period, and the spread (d, d) that keeps it regular."""
    parts, components = population.split(), len(population.shares)
    prior = Prior.of([population])
    order = np.concatenate([np.repeat(np.arange(1, _order(part) + 1), 2) for part in parts])
    # Each light curve alone, with higher harmonics held back.
    alone = np.diag(np.append(10.0 * order**2, 0.0))
    guesses = []
    for curves, levels in zip(batches, noise, strict=True):
        seen = [
            observe(points, level.precision)
            for points, level in zip(place_points(curves, prior), levels, strict=True)
        ]
        joint = join_bands(seen, curves.period, prior.period_scale)[np.isfinite(curves.period), 0]
        solved = np.linalg.solve(joint[:, :-1, :-1] + alone, joint[:, -1, :-1, None])
        guesses.append(cast("Floats", solved)[:, :, 0])
    first = np.concatenate(guesses)
    spread = np.cov(first.T)
    regular = spread.diagonal().copy()
    for further in parts[1:]:  # their own is that of their noise
        regular[further] = regular[: further.stop - further.start]
    period = first[:, -1]
    part = np.digitize(period, np.quantile(period, np.arange(1, components) / components))
    guess = population._replace(
        means=np.stack([first[part == k].mean(axis=0) for k in range(components)]),
        covariances=np.stack([spread / 2 + 1e-6 * np.eye(len(spread))] * components),
    )
    return guess, np.diag(regular)


def _order(part: slice) -> int:
    """Return the harmonics of a band whose coefficients are there."""
    harmonics: int = (part.stop - part.start) // 2
    return harmonics


class _Sums(NamedTuple):
    """What the posteriors of all stars add up to, one Gaussian and one bin of phase each."""

    centres: Floats  # (k, d), about which the following are
    counts: Floats  # (k,)
    offsets: Floats  # (k, d)
    squares: Floats  # (k, d, d)
    variance: Floats  # (bands, b), squared residuals relative to a star's noise
    points: Floats  # (bands, b)

    @classmethod
    def of(cls, population: Population) -> "_Sums":
        """Start with none."""
        profile = np.zeros_like(np.atleast_2d(population.profile))
        return cls(
            population.means,
            np.zeros_like(population.shares),
            np.zeros_like(population.means),
            np.zeros_like(population.covariances),
            profile,
            profile.copy(),
        )

    def add(
        self, posterior: Posterior, curves: Curves, noise: list[Noise], squares: list[Floats]
    ) -> None:
        """Add a batch of stars, of one population."""
        shares = posterior.shares[:, 0]
        self.counts[:] += shares.sum(axis=0)
        for k, centre in enumerate(self.centres):
            offset = posterior.means[:, 0, k] - centre
            self.offsets[k] += shares[:, k] @ offset
            self.squares[k] += (offset * shares[:, k, None]).T @ offset
            roots = posterior.roots[:, 0, k].reshape(-1, len(centre))
            self.squares[k] += roots.T @ roots
        for band, level, square, variance, points in zip(
            curves.bands, noise, squares, self.variance, self.points, strict=True
        ):
            used = band.used > 0
            place = find_bins(band.phase, len(points))[used]
            relative = (square[:, 0] / level.variance[:, :1])[used]
            variance += np.bincount(place, relative, len(points))
            points += np.bincount(place, minlength=len(points))

    def update(self, population: Population, spread: Floats) -> Population:
        """Return the mixture that the posteriors add up to."""
        counts = self.counts[:, None]
        # A Gaussian of no star stays where it is.
        offset = self.offsets / np.maximum(counts, np.finfo(float).tiny)
        scatter = self.squares - counts[..., None] * offset[:, :, None] * offset[:, None, :]
        profile = np.stack(
            [_smooth(*sums) for sums in zip(self.variance, self.points, strict=True)]
        )
        return population._replace(
            shares=(self.counts + 1) / (self.counts.sum() + len(counts)),
            means=self.centres + offset,
            # A few stars of the whole population's spread keep small components regular.
            covariances=(scatter + 2 * spread) / (counts[..., None] + 10),
            profile=profile if population.profile.ndim > 1 else profile[0],
        )


def _smooth(variance: Floats, points: Floats) -> Floats:
    """Return the variance of the noise by phase, smoothed, of geometric mean 1."""
    # One typical point a bin keeps empty bins regular.
    relative = (variance + 1) / (points + 1)
    smooth = (np.roll(relative, 1) + 2 * relative + np.roll(relative, -1)) / 4
    profile: Floats = smooth / np.exp(np.log(smooth).mean())
    return profile
