"""What laws say about the candidates after some outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ...core.errors import SpecError
from ..ledger import Outcomes
from .smc import Population
from .structured import NUMBERS, Structured

Array = NDArray[np.float64]

_DRAWS = 256
_FEWEST = 8  # draws of a law that is improbable
_FORGOTTEN = 1e-4  # probability below which a law adds nothing to the belief
PARAMETERS = 0.002  # weight of a nat about parameters beside one about which law holds
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)


@dataclass(frozen=True)
class Prediction:
    """What one law says; arrays over candidates, in the unit of the objective.

    Attributes
    ----------
    mean, variance : ndarray, shape (candidate,)
        Of the objective itself, without measurement noise.
    noise : ndarray, shape (candidate,)
        Expected variance that one measurement adds.
    draws : ndarray, shape (draw, candidate)
        The objective for draws of the parameters, the discrepancy at its mean.
    waves : ndarray, shape (candidate, wave)
        Square root of the covariance that the discrepancy has beyond that.
    """

    mean: Array
    variance: Array
    noise: Array
    draws: Array
    waves: Array


class Belief:
    """A mean and a covariance of low rank over the candidates.

    Parameters
    ----------
    mean : ndarray, shape (candidate,)
        Of the objective.
    factor : ndarray, shape (candidate, rank)
        ``factor @ factor.T`` is the covariance.
    least : float
        Smallest standard deviation.
    """

    def __init__(self, mean: Array, factor: Array, least: float):
        self.mean, self.factor, self._least = mean, factor, least
        self.variance: Array = np.sum(factor**2, axis=1) + least**2
        self.std: Array = np.sqrt(self.variance)

    def covariance(self, columns: NDArray[np.int64]) -> Array:
        """Return the covariance of all candidates with some, shape (candidate, column)."""
        return self.factor @ self.factor[columns].T

    def draw(self, rng: np.random.Generator) -> Array:
        """Return one draw of the objective, shape (candidate,)."""
        return self.mean + self.factor @ rng.standard_normal(self.factor.shape[1])

    def given(self, candidate: int, noise: float) -> Belief:
        """Return the belief as if its own mean had been measured at ``candidate`` with a noise variance.

        A rank-one downdate of the covariance: ``factor (I - f f' / (f'f + noise)) factor'``.
        """
        row = self.factor[candidate]
        size = float(row @ row)
        if not size:
            return self
        share = (1 - np.sqrt(noise / (size + noise))) / size
        return Belief(self.mean, self.factor - share * np.outer(self.factor @ row, row), self._least)


def predict(model: Structured, outcomes: Outcomes, population: Population) -> Prediction:
    """Return what a model says about all candidates.

    Raises
    ------
    SpecError
        When no parameters that fit the outcomes have a finite value at every candidate.
    """
    count = min(len(population.z), max(64, min(_DRAWS, NUMBERS // len(model.waves.table))))
    z = population.z[np.linspace(0, len(population.z) - 1, count).astype(int)]
    law = model.law_at(z)
    if not np.isfinite(law).all():
        raise SpecError(
            f"law {model.law.title!r} has no finite value at some candidates, whatever parameters fit the outcomes;"
            " leave those candidates out, or bound the law by maximum() and where()"
        )
    weights, root = model.weights(outcomes, z)
    draws = law + weights @ model.waves.table.T
    covariance = np.einsum("pkv,pkw->vw", root, root) / len(z)
    values, vectors = np.linalg.eigh(covariance)
    waves = model.waves.table @ (vectors * np.sqrt(np.maximum(values, 0)))
    return Prediction(
        mean=draws.mean(axis=0),
        variance=draws.var(axis=0) + np.sum(waves**2, axis=1),
        noise=_next_noise(model, outcomes, z, law),
        draws=draws,
        waves=waves,
    )


def mixture(share: Array, predictions: Sequence[Prediction], least: float) -> Belief:
    """Return the belief of somebody who holds each law for true with its probability."""
    mean = sum(p * told.mean for p, told in zip(share, predictions, strict=True))
    parts = []
    for p, told in zip(share, predictions, strict=True):
        if p > _FORGOTTEN:
            rows = len(told.draws)
            kept = min(rows, max(_FEWEST, round(p * rows)))
            picked = told.draws[np.linspace(0, rows - 1, kept).astype(int)]
            parts += [(picked - mean).T * np.sqrt(p / kept), told.waves * np.sqrt(p)]
    return Belief(np.asarray(mean), np.hstack(parts), least)


def information(share: Array, predictions: Sequence[Prediction]) -> Array:
    """Return what one more measurement is expected to tell, in nats, shape (candidate,).

    First, which law holds: the expected fall of the entropy of the laws' probabilities (Box & Hill,
    Technometrics 9, 57 (1967), doi:10.1080/00401706.1967.10490441, who bound it; here the mutual
    information itself, Lindley, Ann. Math. Stat. 27, 986 (1956), doi:10.1214/aoms/1177728069, by
    Gauss-Hermite quadrature). Then, with a small weight that decides once the law is known, what it
    tells about the parameters of the law that holds (MacKay, Neural Comput. 4, 590 (1992),
    doi:10.1162/neco.1992.4.4.590; D-optimal where the law is linear in them). Each law's prediction is
    taken as normal.
    """
    mean = np.stack([told.mean for told in predictions])
    noise = np.stack([told.noise for told in predictions])
    variance = np.stack([told.variance for told in predictions]) + noise
    which = sum(p * _surprise(k, share, mean, variance) for k, p in enumerate(share) if p > 0)
    return np.asarray(which) + PARAMETERS * (share @ (0.5 * np.log(variance / noise)))


def _surprise(law: int, share: Array, mean: Array, variance: Array) -> Array:
    """Return the expected log-ratio of density under one law to that under the mixture, shape (candidate,)."""
    outcome = mean[law] + np.sqrt(variance[law]) * _NODES[:, None]
    density = -0.5 * (outcome[None] - mean[:, None]) ** 2 / variance[:, None] - 0.5 * np.log(variance[:, None])
    ratio = density[law] - logsumexp(density, axis=0, b=share[:, None, None])
    return _WEIGHTS @ ratio / _WEIGHTS.sum()


def _next_noise(model: Structured, outcomes: Outcomes, z: Array, law: Array) -> Array:
    """Return the variance that a further measurement is expected to add."""
    stated = outcomes.sigma[np.isfinite(outcomes.sigma)]
    sigma = np.median(stated) if len(stated) > len(outcomes) / 2 else np.nan
    return model.variance_at(z, law, np.full(law.shape[1], sigma)).mean(axis=0)
