"""Bayes' rule by a population: posterior and evidence of a model with a standard normal prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_KEPT = 0.5  # effective share of the population that a step in temperature keeps
_MOVES = 8  # per temperature
_STAGES = 40  # at most; hostile data end in a population of one, not in an endless loop


@dataclass(frozen=True)
class Population:
    """Equally weighted draws from a posterior.

    Attributes
    ----------
    z : ndarray, shape (particle, dimension)
        Parameters, as standard normal numbers before the data.
    log_likelihood : ndarray, shape (particle,)
        Of the data, of each.
    log_evidence : float
        Logarithm of the prior mean of the likelihood; -inf when no parameter explains the data.
    """

    z: Array
    log_likelihood: Array
    log_evidence: float


def sample(log_likelihood: Callable[[Array], Array], start: Array, rng: np.random.Generator) -> Population:
    """Return draws from the posterior, by raising the likelihood from power 0 to 1.

    Tempered sequential Monte Carlo (Del Moral, Doucet & Jasra, J. R. Stat. Soc. B 68, 411 (2006),
    doi:10.1111/j.1467-9868.2006.00553.x): each step goes as far as half of the population stays
    effective, resamples, and moves every particle by differences of two others (ter Braak, Stat.
    Comput. 16, 239 (2006), doi:10.1007/s11222-006-8769-1), which follow the posterior's shape and
    its modes.

    Parameters
    ----------
    log_likelihood : callable
        Of parameters, shape (particle, dimension), to shape (particle,); NaN counts as impossible.
    start : ndarray, shape (particle, dimension)
        Draws from the prior, which is standard normal, or that cut to a part.
    rng : Generator
        All randomness.
    """
    z, fit = start, _possible(log_likelihood(start))
    power, log_evidence = 0.0, 0.0
    for stage in range(_STAGES):
        if not np.isfinite(fit).any():
            return Population(z, fit, -math.inf)
        step = 1 - power if stage == _STAGES - 1 else _step(fit, 1 - power)
        weight = step * fit
        log_evidence += _log_sum(weight) - math.log(len(weight))
        power += step
        kept = resampled(weight, len(z), rng)
        z, fit = _moved(log_likelihood, z[kept], fit[kept], power, rng)
        if power >= 1:
            break
    return Population(z, fit, log_evidence)


def probabilities(log_evidence: Sequence[float]) -> Array:
    """Return the probability of each of some models that are alike before any data, shape (model,).

    By Bayes' rule from the evidence, which an elaborate model must share among all that it could
    have said: MacKay, Neural Comput. 4, 415 (1992), doi:10.1162/neco.1992.4.3.415. Where no model
    explains the data they stay alike.
    """
    evidence = np.asarray(log_evidence, float)
    if not np.isfinite(evidence).any():
        return np.full(len(evidence), 1 / len(evidence))
    return np.exp(evidence - _log_sum(evidence))


def reweighted(population: Population, fit: Array, rng: np.random.Generator) -> Population | None:
    """Return the population after further data, by importance weights; None when too few weigh much.

    Parameters
    ----------
    population : Population
        Before them.
    fit : ndarray, shape (particle,)
        Log-likelihood of all data for each of its particles.
    rng : Generator
        Draws which particles stay.
    """
    fit = _possible(fit)
    weight = np.where(
        np.isfinite(fit) & np.isfinite(population.log_likelihood), fit - population.log_likelihood, -np.inf
    )
    if not np.isfinite(weight).any() or effective(weight) < _KEPT:
        return None
    kept = resampled(weight, len(weight), rng)
    evidence = population.log_evidence + _log_sum(weight) - math.log(len(weight))
    return Population(population.z[kept], fit[kept], evidence)


def restricted(
    population: Population, possible: NDArray[np.bool_], before: float, rng: np.random.Generator
) -> Population:
    """Return the posterior under a prior that is cut to a part; unchanged when none of it is in there.

    Parameters
    ----------
    population : Population
        Under the whole prior.
    possible : ndarray of bool, shape (particle,)
        Which of its particles are in the part.
    before : float
        Share of the prior that is.
    rng : Generator
        Draws which particles stay.
    """
    if (before == 1 and possible.all()) or not possible.any():
        return population
    kept = resampled(np.where(possible, 0.0, -np.inf), len(possible), rng)
    # By Bayes' rule: evidence of the part times share of the prior is evidence times share of the posterior.
    evidence = population.log_evidence + math.log(possible.mean() / max(before, 1 / len(possible)))
    return Population(population.z[kept], population.log_likelihood[kept], evidence)


def effective(log_weight: Array) -> float:
    """Return the effective share of a weighted population, 0 to 1."""
    weight = np.exp(log_weight - np.max(log_weight))
    return float(np.sum(weight)) ** 2 / float(weight @ weight) / len(weight)


def resampled(log_weight: Array, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which particles to keep, how often, ``count`` in all (systematic resampling)."""
    share = np.cumsum(np.exp(log_weight - _log_sum(log_weight)))
    places = (np.arange(count) + rng.random()) / count
    return np.minimum(np.searchsorted(share, places), len(log_weight) - 1)


def _step(fit: Array, left: float) -> float:
    """Return how far the power can rise, by bisection of its logarithm."""
    if effective(left * fit) >= _KEPT:
        return left
    low, high = math.log(left) - 600.0, math.log(left)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(math.exp(middle) * fit) >= _KEPT else (low, middle)
    return math.exp(low)


def _moved(
    log_likelihood: Callable[[Array], Array], z: Array, fit: Array, power: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the population after some Metropolis moves at this power."""
    # Differences are taken within the population as it is now, so that each move is symmetric.
    crowd, (count, dims) = z, z.shape
    scale = 2.38 / math.sqrt(2 * max(dims, 1))
    for move in range(_MOVES if dims else 0):
        first, second = rng.integers(count, size=(2, count))
        factor = 1.0 if move % 4 == 3 else scale * math.exp(rng.normal(0, 0.5))
        proposed = z + factor * (crowd[first] - crowd[second]) + 1e-4 * rng.standard_normal(z.shape)
        found = _possible(log_likelihood(proposed))
        rise = power * (found - fit) - 0.5 * (np.sum(proposed**2, 1) - np.sum(z**2, 1))
        taken = np.log(rng.random(count)) < rise
        z, fit = np.where(taken[:, None], proposed, z), np.where(taken, found, fit)
    return z, fit


def _log_sum(log_weight: Array) -> float:
    # SciPy's spends 0.3 ms on finding out whose arrays it got, which is most of a fit.
    highest = float(np.max(log_weight))
    return highest if math.isinf(highest) else highest + math.log(float(np.sum(np.exp(log_weight - highest))))


def _possible(fit: Array) -> Array:
    return np.where(np.isfinite(fit), fit, -np.inf)
