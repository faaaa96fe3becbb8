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
KEPT = 0.99  # share of the variance that components explain
MOST = 8  # components at most


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
def learn_spectra(process: GaussianProcess, index: NDArray[np.int64], spectra: Array) -> SpectraBelief:
    """Learn how spectra follow from what the process sees of candidates.

    Spectra are reduced to the principal components that explain 99 % of their variance, eight at
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

    Raises
    ------
    DataError
        When there are fewer than three spectra, or some are not finite.
    """
    _check(index, spectra)
    center = spectra.mean(axis=0)
    scores, axes = _components(spectra - center)
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


def _components(centred: Array) -> tuple[Array, Array]:
    """Return scores, shape (spectrum, component), and axes, shape (component, channel)."""
    left, size, axes = np.linalg.svd(centred, full_matrices=False)
    shares = np.cumsum(size**2) / max(float(np.sum(size**2)), np.finfo(float).tiny)
    count = min(MOST, int(np.searchsorted(shares, KEPT)) + 1) if size[0] > 0 else 0
    return left[:, :count] * size[:count], axes[:count]


def _check(index: NDArray[np.int64], spectra: Array) -> None:
    if spectra.ndim != 2 or len(spectra) != len(index):
        raise DataError(f"spectra of shape {spectra.shape} at {len(index)} candidates; give one row for each")
    if len(spectra) < LEAST:
        raise DataError(f"{len(spectra)} spectra were given; {LEAST} is the least to learn from")
    if not np.isfinite(spectra).all():
        broken = int((~np.isfinite(spectra)).any(axis=1).sum())
        raise DataError(f"{broken} of {len(spectra)} spectra are not finite; leave them out")
