"""Scores of an exploration against a known truth, for benchmarks.

Everything is an array over candidates; NaN in the truth marks candidates without one, which
no score counts. Predictions are scored on candidates that were *not* measured: on the others
an agent only repeats what it was told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import SpecError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PredictionScores:
    """How well unmeasured candidates were predicted.

    Attributes
    ----------
    rmse : float
        Root of the mean squared error of the mean, in the unit of the truth.
    nlpd : float
        Mean negative log predictive density (nat).
    coverage90 : float
        Share of the truth inside the central 90 % interval; 0.9 when calibrated.
    n : int
        Number of candidates scored.
    """

    rmse: float
    nlpd: float
    coverage90: float
    n: int


def simple_regret(truth: Array, chosen: Sequence[int] | NDArray[np.int64]) -> float:
    """Return ``max(truth) - max(truth[chosen])``, 0 when the best candidate is among the chosen.

    With all measured candidates as ``chosen`` it is the regret of the search, with the recommended
    one that of the recommendation. By the truth, not by noisy outcomes: luck does not count.

    Parameters
    ----------
    truth : ndarray, shape (candidate,)
        True objective.
    chosen : sequence of int
        Indices of candidates; with none the regret is the full range of the truth.
    """
    picked = truth[np.asarray(chosen, int)]
    best = np.nanmax(picked) if np.isfinite(picked).any() else np.nanmin(truth)
    return float(np.nanmax(truth) - best)


def regret_curve(truth: Array, order: Sequence[int] | NDArray[np.int64]) -> Array:
    """Return the simple regret after each measurement, shape (measurement,), never rising.

    Parameters
    ----------
    truth : ndarray, shape (candidate,)
        True objective.
    order : sequence of int
        Candidates in the order of measurement.
    """
    picked = truth[np.asarray(order, int)]
    found = np.maximum.accumulate(np.where(np.isfinite(picked), picked, np.nanmin(truth)))
    return np.nanmax(truth) - found


def optimum_regions(truth: Array, xy: Array, *, distance_nm: float, fraction: float = 0.01) -> NDArray[np.int64]:
    """Return for each candidate the number of the optimum it belongs to, 0 for none.

    The best ``fraction`` of candidates (at least one) fall into regions: two of them belong
    together when a chain of such candidates, each at most ``distance_nm`` from the next, joins
    them. Regions are numbered from 1 by their best candidate, so 1 holds the global optimum.

    Parameters
    ----------
    truth : ndarray, shape (candidate,)
        True objective.
    xy : ndarray, shape (candidate, 2)
        Position (nm).
    distance_nm : float
        Largest gap inside a region; 1.5 grid steps joins neighbours across edges and corners.
    fraction : float
        Share of the candidates that count as optimal, above 0 and at most 1.

    Raises
    ------
    SpecError
        For a fraction or a distance out of range.
    """
    if not 0 < fraction <= 1 or not distance_nm > 0:
        raise SpecError(f"fraction = {fraction} must lie in (0, 1] and distance_nm = {distance_nm} above 0")
    regions = np.zeros(len(truth), np.int64)
    finite = np.flatnonzero(np.isfinite(truth))
    count = max(1, round(fraction * finite.size))
    best = finite[np.argsort(-truth[finite], kind="stable")[:count]]
    for seed in best:
        if regions[seed]:
            continue
        number = int(regions.max()) + 1
        front = np.array([seed])
        while front.size:
            regions[front] = number
            rest = best[regions[best] == 0]
            gap = np.hypot(*(xy[rest, None] - xy[front]).transpose(2, 0, 1))
            front = rest[(gap <= distance_nm).any(axis=1)]
    return regions


def distinct_optima(regions: NDArray[np.int64], measured: Sequence[int] | NDArray[np.int64]) -> int:
    """Return how many different optima were measured: regions, not pixels of one.

    Parameters
    ----------
    regions : ndarray of int, shape (candidate,)
        From :func:`optimum_regions`.
    measured : sequence of int
        Indices of measured candidates.
    """
    found = np.unique(regions[np.asarray(measured, int)])
    return int(np.count_nonzero(found))


def prediction_scores(
    truth: Array,
    mean: Array,
    std: Array,
    measured: Sequence[int] | NDArray[np.int64],
    *,
    noise: ArrayLike = 0.0,
) -> PredictionScores:
    """Score predictions of the candidates that were not measured.

    With ``s^2 = std^2 + noise^2`` and ``z = (truth - mean) / s``: RMSE = ``sqrt(mean((truth -
    mean)^2))``; NLPD = ``mean(z^2 / 2 + ln s + ln(2 pi) / 2)``, the logarithmic score of a
    Gaussian (Gneiting and Raftery 2007, doi:10.1198/016214506000001437); coverage =
    ``mean(|z| <= 1.645)``.

    Parameters
    ----------
    truth, mean, std : ndarray, shape (candidate,)
        True objective and its prediction, in one unit.
    measured : sequence of int
        Indices of candidates to leave out.
    noise : float or ndarray, shape (candidate,)
        Standard deviation of the noise that ``truth`` carries: that of one measurement when it
        is a measured map, 0 when it is exact.

    Raises
    ------
    SpecError
        When no candidate is left, a prediction is not finite, or a predicted spread is 0.
    """
    keep = np.isfinite(truth)
    keep[np.asarray(measured, int)] = False
    spread = np.sqrt(std**2 + np.broadcast_to(np.asarray(noise, float), truth.shape) ** 2)[keep]
    error = (truth - mean)[keep]
    if not error.size:
        raise SpecError("every candidate was measured; none is left to score predictions on")
    if not (np.isfinite(error).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise SpecError("a predicted mean is not finite, or a predicted spread is not a positive number")
    z = error / spread
    return PredictionScores(
        rmse=float(np.sqrt(np.mean(error**2))),
        nlpd=float(np.mean(0.5 * z**2 + np.log(spread)) + 0.5 * math.log(2 * math.pi)),
        coverage90=float(np.mean(np.abs(z) <= NormalDist().inv_cdf(0.95))),
        n=int(error.size),
    )
