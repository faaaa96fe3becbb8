"""Agents without a model of the surface: what every model has to beat.

All of them predict the mean of the outcomes so far, everywhere, with their spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..core.errors import SpecError
from .acquisition import farthest
from .base import CandidateAgent
from .problem import Problem
from .spec import AgentSpec

Array = NDArray[np.float64]


class MeanPredictor(CandidateAgent):
    """Believes the same of every candidate: mean and standard deviation of all outcomes."""

    def _predict(self) -> tuple[Array, Array]:
        value = self._ledger.outcomes().value
        mean = value.mean() if len(value) else np.nan
        std = value.std(ddof=1) if len(value) > 1 else np.nan
        return np.full(len(self.problem), mean), np.full(len(self.problem), std)


class RandomAgent(MeanPredictor):
    """Goes on with the seed order: uniform, without replacement."""

    def _score(self, rng: np.random.Generator) -> Array:
        return -np.argsort(self._order).astype(float)


class GridAgent(MeanPredictor):
    """Covers the survey by nested grids, from coarse to fine, each line by line."""

    def __init__(self, spec: AgentSpec, problem: Problem):
        super().__init__(spec, problem)
        self._place = nested_grid_place(problem.pixel)

    def _score(self, rng: np.random.Generator) -> Array:
        return -self._place.astype(float)


class SpaceFillingAgent(MeanPredictor):
    """Sequential maximin design: the candidate farthest from all points used so far."""

    def _score(self, rng: np.random.Generator) -> Array:
        return farthest(self.problem.coordinates, self._ledger.used())


class GreedyChannelAgent(MeanPredictor):
    """Follows one image channel from its extreme, the strongest simple rule there is.

    Every channel gives two rankings of the candidates by its value in the centre of the patch,
    one per sign. The channel with the largest rank correlation with the outcomes so far decides,
    with the sign of that correlation; where no channel correlates at all (constant outcomes),
    the rankings take turns.
    """

    def __init__(self, spec: AgentSpec, problem: Problem):
        super().__init__(spec, problem)
        if not problem.patches.shape[1]:
            raise SpecError("agent 'greedy_channel' ranks image channels and this problem has none; name channels")
        half = problem.patches.shape[2] // 2
        self._centre = problem.patches[:, :, half, half]

    def _score(self, rng: np.random.Generator) -> Array:
        outcomes = self._ledger.outcomes()
        correlation = _rank_correlation(self._centre[outcomes.index], outcomes.value)
        if not correlation.any():
            turn = len(self._ledger.decisions) % (2 * len(correlation))
            return self._centre[:, turn // 2] * (1.0 if turn % 2 == 0 else -1.0)
        channel = int(np.argmax(np.abs(correlation)))
        return self._sign * np.sign(correlation[channel]) * self._centre[:, channel]


def nested_grid_place(pixel: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each candidate in a raster that halves its step from pass to pass.

    Parameters
    ----------
    pixel : ndarray of int, shape (candidate, dof)
        Place along each axis, the slow ones first.

    Returns
    -------
    ndarray of int, shape (candidate,)
        0 for the first. Of n rows a pass with step 2**k takes every 2**k-th, the coarsest
        pass the middle one; lines run alternately left and right.
    """
    *slow, fast = (np.unique(axis, return_inverse=True)[1] for axis in pixel.T)
    level = np.minimum.reduce([_step_exponent(axis) for axis in (*slow, fast)])
    back = (slow[-1] >> level) % 2 == 1 if slow else np.zeros(len(fast), bool)
    order = np.lexsort((np.where(back, -fast, fast), *reversed(slow), -level))
    place = np.empty(len(pixel), np.int64)
    place[order] = np.arange(len(pixel))
    return place


def _step_exponent(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest k for which a grid of step 2**k through the middle contains each index."""
    count = int(index.max()) + 1
    shifted = index + (1 << count.bit_length()) - count // 2
    return np.log2(shifted & -shifted).astype(np.int64)


def _rank_correlation(channels: Array, value: Array) -> Array:
    """Return Spearman's rank correlation of each column with ``value``; 0 where undefined."""
    if len(value) < 3:
        return np.zeros(channels.shape[1])
    ranks = rankdata(np.column_stack([channels, value]), axis=0)
    ranks -= ranks.mean(axis=0)
    size = np.linalg.norm(ranks, axis=0)
    product = ranks[:, :-1].T @ ranks[:, -1]
    return np.divide(product, size[:-1] * size[-1], out=np.zeros(len(product)), where=size[:-1] * size[-1] > 0)
