"""Whole spectra at every candidate, learned from a few of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.blas import one_thread
from ...core.errors import DataError
from ..ledger import Outcomes
from .process import GaussianProcess

Array = NDArray[np.float64]
Picked = NDArray[np.int64] | slice
ALL = slice(None)
LEAST = 3  # spectra without which nothing varies
MOST = 8  # components at most
PERMUTATIONS = 19  # the largest of which a component of noise exceeds once in twenty times


@dataclass(frozen=True)
class SpectraBelief:
    """Spectra as believed everywhere: mean + score_1 axis_1 + score_2 axis_2 + ..., each score a Gaussian process.

    Attributes
    ----------
    center : ndarray, shape (channel,)
        Mean of the measured spectra, in their unit.
    axes : ndarray, shape (component, channel)
        Orthonormal.
    score, variance : ndarray, shape (candidate, component)
        Mean and variance of the scores.
    rest : ndarray, shape (channel,)
        Variance of the measured spectra that no component explains: mostly their noise.
    """

    center: Array
    axes: Array
    score: Array
    variance: Array
    rest: Array

    def mean(self, candidates: Picked = ALL) -> Array:
        """Return the spectra believed most probable, shape (candidate, channel)."""
        return self.center + self.score[candidates] @ self.axes

    def std(self, candidates: Picked = ALL) -> Array:
        """Return the standard deviation of a spectrum to be measured there, noise included, same shape."""
        return np.sqrt(self.variance[candidates] @ self.axes**2 + self.rest)


@one_thread
def learn_spectra(
    process: GaussianProcess, index: NDArray[np.int64], spectra: Array, rng: np.random.Generator
) -> SpectraBelief:
    """Learn how spectra follow from what the process sees of candidates.

    Spectra are reduced to the principal components that stand out of their noise, eight at
    most. All share one kernel and, in deep kernel learning, one net; each has its own mean and
    noise: the intrinsic coregionalisation model with a diagonal coregionalisation matrix, since
    components are not correlated (Alvarez, Rosasco & Lawrence, Found. Trends Mach. Learn. 4, 195
    (2012), section 4.2, doi:10.1561/2200000036).

    Parameters
    ----------
    process : GaussianProcess
        Over the candidates.
    index : ndarray of int, shape (spectrum,)
        Candidate of each spectrum.
    spectra : ndarray, shape (spectrum, channel)
        In any one unit.
    rng : numpy.random.Generator
        Permutes channels, to see what noise alone gives.

    Raises
    ------
    DataError
        When there are fewer than three spectra, or some are not finite.
    """
    _check(index, spectra)
    center = spectra.mean(axis=0)
    scores, axes = _components(spectra - center, rng)
    free = max(1, len(spectra) - 1 - len(axes))
    rest = np.sum((spectra - center - scores @ axes) ** 2, axis=0) / free
    if not scores.shape[1]:
        nothing = np.zeros((process.candidates, 0))
        return SpectraBelief(center, axes, nothing, nothing, rest)
    outputs = [Outcomes(index, score, np.full(len(index), np.nan)) for score in scores.T]
    beliefs = [process.condition(of, fit) for of, fit in zip(outputs, process.fit_together(outputs), strict=True)]
    return SpectraBelief(
        center,
        axes,
        np.column_stack([belief.mean for belief in beliefs]),
        np.column_stack([belief.std**2 + belief.noise_variance for belief in beliefs]),
        rest,
    )


def _components(centred: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return scores, shape (spectrum, component), and axes, shape (component, channel).

    Components are kept while they explain more than the first ones of spectra whose channels were permuted, each by
    itself, which leaves every channel its noise: parallel analysis, Buja & Eyuboglu, Multivar. Behav. Res. 27, 509
    (1992), doi:10.1207/s15327906mbr2704_2.
    """
    left, size, axes = np.linalg.svd(centred, full_matrices=False)
    noise = np.array([_sizes(rng.permuted(centred, axis=0)) for _ in range(PERMUTATIONS)]).max(axis=0)
    above = size > np.maximum(noise, 1e-9 * np.abs(centred).max())
    count = min(MOST, int(np.argmin(np.append(above, False))))
    return np.asarray(left[:, :count] * size[:count], np.float64), axes[:count]


def _sizes(centred: Array) -> Array:
    """Return the singular values, largest first."""
    return np.linalg.svd(centred, compute_uv=False).astype(np.float64)


def _check(index: NDArray[np.int64], spectra: Array) -> None:
    if spectra.ndim != 2 or len(spectra) != len(index):
        raise DataError(f"spectra of shape {spectra.shape} at {len(index)} candidates; give one row for each")
    if len(spectra) < LEAST:
        raise DataError(f"{len(spectra)} spectra were given; {LEAST} is the least to learn from")
    if not np.isfinite(spectra).all():
        broken = int((~np.isfinite(spectra)).any(axis=1).sum())
        raise DataError(f"{broken} of {len(spectra)} spectra are not finite; leave them out")
