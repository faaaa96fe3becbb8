"""A law, what it leaves out, and noise: one model of the outcomes over all candidates.

The outcome at x is ``m(x; theta) + d(x) + e``: a parametric mean, a smooth discrepancy (a Gaussian
process) and noise. Everything about it is uncertain: theta, size and length of the discrepancy, and
the noise. Given those, the discrepancy has a closed form.

Kennedy & O'Hagan, J. R. Stat. Soc. B 63, 425 (2001), doi:10.1111/1467-9868.00294; Ziatdinov et al.
(2021), doi:10.48550/arXiv.2112.06649. The Gaussian process is of reduced rank (Solin & Sarkka, Stat.
Comput. 30, 419 (2020), doi:10.1007/s11222-019-09886-w), so that a fit costs the same per outcome
however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ledger import LARGEST, Outcomes
from .law import Law
from .priors import AnyPrior
from .smc import Population, restricted, reweighted, sample

Array = NDArray[np.float64]

NUMBERS = 2**22  # of a table of draws and candidates at most
RANK = 36  # functions of the discrepancy at most
_FASTEST = 30.0  # of them, in radians per longest axis
_EDGE = 1.5  # the functions vanish this much farther out than the candidates go
_JITTER = 1e-6  # of the discrepancy, as noise: below, its covariance has no root in floating point


@dataclass(frozen=True)
class Waves:
    """Functions that a smooth discrepancy is made of.

    Attributes
    ----------
    table : ndarray, shape (candidate, wave)
        Their values.
    frequency : ndarray, shape (wave,)
        In radians per longest axis.
    dims : int
        Number of axes along which candidates differ.
    """

    table: Array
    frequency: Array
    dims: int

    @classmethod
    def over(cls, coordinates: Array) -> Waves:
        """Return the smoothest functions over the candidates, shape (candidate, dof), from 0 to 1."""
        place = coordinates - (coordinates.max(0) + coordinates.min(0)) / 2
        place = place[:, np.ptp(place, axis=0) > 0]
        if not place.shape[1]:
            return cls.none(len(coordinates))
        reach = _EDGE * np.abs(place).max(axis=0)
        each = [np.arange(1, RANK + 1)] * place.shape[1] if place.shape[1] < 3 else [np.arange(1, 9)] * place.shape[1]
        order = np.stack(np.meshgrid(*each, indexing="ij"), -1).reshape(-1, place.shape[1])
        frequency = np.linalg.norm(np.pi * order / (2 * reach), axis=1)
        picked = np.argsort(frequency, kind="stable")[:RANK]
        picked = picked[frequency[picked] <= max(_FASTEST, frequency[picked[0]])]
        angle = np.pi * order[picked] * (place[:, None, :] + reach) / (2 * reach)
        return cls(np.prod(np.sin(angle) / np.sqrt(reach), axis=2), frequency[picked], place.shape[1])

    @classmethod
    def none(cls, candidates: int) -> Waves:
        """Return no function at all: the law is exact."""
        return cls(np.empty((candidates, 0)), np.empty(0), 0)

    def amplitudes(self, size: Array, length: Array) -> Array:
        """Return the standard deviation of each function's weight, shape (particle, wave).

        Spectral density of the squared-exponential kernel with standard deviation ``size`` and length
        scale ``length``, each of shape (particle,).
        """
        exponent = -0.5 * (length[:, None] * self.frequency) ** 2
        density = (np.sqrt(2 * np.pi) * length[:, None]) ** self.dims * np.exp(exponent)
        return size[:, None] * np.sqrt(density)


@dataclass(frozen=True)
class Spread:
    """Priors of everything but the law.

    Attributes
    ----------
    noise, size, length : prior
        Standard deviation of the noise, in the unit of the objective, where an outcome has no sigma of
        its own; that of the discrepancy; length scale of the latter as a share of the longest axis.
    relative : float
        Further noise as a share of the law's value.
    least : float
        Noise that the most exact outcome has.
    """

    noise: AnyPrior
    size: AnyPrior
    length: AnyPrior
    relative: float
    least: float


class Structured:
    """A model over all candidates of one problem.

    Parameters
    ----------
    law : Law
        Parametric mean.
    settings : mapping of str to ndarray, shape (candidate,)
        Its arguments, see :meth:`Law.settings`.
    waves : Waves
        What the discrepancy is made of.
    spread : Spread
        Priors of noise and discrepancy.
    particles : int
        Sets of parameters that a posterior is made of.
    """

    def __init__(self, law: Law, settings: dict[str, Array], waves: Waves, spread: Spread, particles: int):
        self.law, self.waves, self.spread = law, waves, spread
        self._settings, self._particles = settings, particles

    @property
    def dims(self) -> int:
        """Number of uncertain parameters: the law's, the noise and, with a discrepancy, its size and length."""
        return len(self.law.parameters) + 1 + (2 if self.waves.dims else 0)

    def law_at(self, z: Array, index: NDArray[np.int64] | slice = slice(None)) -> Array:
        """Return the law's values at some candidates, shape (particle, candidate), NaN where there is none."""
        settings = {name: column[index] for name, column in self._settings.items()}
        values = self.law.values(settings, z[:, : len(self.law.parameters)])
        values = np.broadcast_to(values, (len(z), len(self.waves.table[index])))
        return np.where(np.abs(values) <= LARGEST, values, np.nan)

    def variance_at(self, z: Array, law: Array, sigma: Array) -> Array:
        """Return the noise variance of measurements, shape (particle, measurement).

        Parameters
        ----------
        z : ndarray, shape (particle, dimension)
            Parameters.
        law : ndarray, shape (particle, measurement)
            The law's values there.
        sigma : ndarray, shape (measurement,)
            Standard uncertainty that each states; NaN where the noise has to be learned.
        """
        learned = self.spread.noise.at(z[:, len(self.law.parameters), None])
        own = np.where(np.isfinite(sigma), sigma, learned)
        return own**2 + (self.spread.relative * law) ** 2 + self.spread.least**2

    def fitted(self, outcomes: Outcomes, rng: np.random.Generator) -> Population:
        """Return draws from the posterior after ``outcomes``, starting from the prior.

        Given that the law has a value at every candidate, which both its evidence and its predictions presuppose.
        """
        seen, start = self._seen(outcomes), rng.standard_normal((self._particles, self.dims))
        found = sample(lambda z: self._given(seen, z).log_likelihood, start, rng)
        return restricted(found, self._has_values(found.z), float(self._has_values(start).mean()), rng)

    def updated(self, base: Population, outcomes: Outcomes, seen: int, rng: np.random.Generator) -> Population:
        """Return draws from the posterior after ``outcomes``, given those after the first ``seen`` of them."""
        if seen == len(outcomes):
            return base
        return reweighted(base, self.log_likelihood(outcomes, base.z), rng) or self.fitted(outcomes, rng)

    def log_likelihood(self, outcomes: Outcomes, z: Array) -> Array:
        """Return the log-likelihood of each particle, shape (particle,); NaN where the law has no value."""
        return self._given(self._seen(outcomes), z).log_likelihood

    def weights(self, outcomes: Outcomes, z: Array) -> tuple[Array, Array]:
        """Return the discrepancy given each particle.

        Returns
        -------
        mean : ndarray, shape (particle, wave)
            Of the functions' weights.
        root : ndarray, shape (particle, wave, wave)
            ``root.T @ root`` is their covariance.
        """
        given = self._given(self._seen(outcomes), z)
        scale = given.amplitudes[:, :, None] * np.eye(given.amplitudes.shape[1])
        root = np.asarray(np.linalg.solve(given.root, scale), float)
        return np.asarray(np.einsum("pkw,pk->pw", root, given.white), float), root

    def _has_values(self, z: Array) -> NDArray[np.bool_]:
        """Return for which parameters the law has a value at every candidate, shape (particle,)."""
        portions = np.array_split(z, max(1, len(z) * len(self.waves.table) // NUMBERS))
        return np.concatenate([np.isfinite(self.law_at(some)).all(axis=1) for some in portions])

    def _seen(self, outcomes: Outcomes) -> _Seen:
        table = self.waves.table[outcomes.index]
        pairs = (table[:, :, None] * table[:, None, :]).reshape(len(table), table.shape[1] ** 2)
        return _Seen(outcomes, table, pairs)

    def _given(self, seen: _Seen, z: Array) -> _Given:
        outcomes, count = seen.outcomes, seen.table.shape[1]
        law, (size, amplitudes) = self.law_at(z, outcomes.index), self._amplitudes(z)
        variance = self.variance_at(z, law, outcomes.sigma) + (_JITTER * size[:, None]) ** 2
        left, exact = outcomes.value - law, 1 / variance
        square = np.sum(left**2 * exact, axis=1)
        # With the data as a last row, one Cholesky factor holds both the root and the whitened data. Its corner
        # is what makes that row positive definite, whatever the rounding; it is not used.
        whole = np.empty((len(z), count + 1, count + 1))
        whole[:, :count, :count] = (exact @ seen.pairs).reshape(len(z), count, count)
        whole[:, :count, :count] *= amplitudes[:, :, None] * amplitudes[:, None, :]
        whole[:, range(count), range(count)] += 1
        whole[:, count, :count] = ((left * exact) @ seen.table) * amplitudes
        whole[:, count, count] = (1 + 1e-9) * square + 1
        whole[~np.isfinite(np.einsum("pkk->p", whole))] = np.eye(count + 1)
        root = np.linalg.cholesky(whole)
        white, root = root[:, count, :count], root[:, :count, :count]
        misfit = square - np.sum(white**2, axis=1)
        volume = np.sum(np.log(variance), axis=1) + 2 * np.sum(np.log(np.einsum("pkk->pk", root)), axis=1)
        fit = -0.5 * (misfit + volume + len(outcomes) * np.log(2 * np.pi))
        return _Given(np.asarray(fit, float), np.asarray(root, float), np.asarray(white, float), amplitudes)

    def _amplitudes(self, z: Array) -> tuple[Array, Array]:
        """Return the discrepancy's standard deviation, and that of the weight of each wave."""
        if not self.waves.dims:
            return np.zeros(len(z)), np.empty((len(z), 0))
        size = self.spread.size.at(z[:, -2])
        return size, self.waves.amplitudes(size, self.spread.length.at(z[:, -1]))


@dataclass(frozen=True)
class _Seen:
    """Outcomes, with the waves at their candidates and the products of any two waves there."""

    outcomes: Outcomes
    table: Array
    pairs: Array


@dataclass(frozen=True)
class _Given:
    """What outcomes say about each particle."""

    log_likelihood: Array
    root: Array  # Cholesky factor of the scaled precision of the weights
    white: Array
    amplitudes: Array
