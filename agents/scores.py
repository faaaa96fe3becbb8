"""What every agent with a model chooses by: acquisitions on a mean and a standard deviation per candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..core.rng import generator
from . import acquisition

Array = NDArray[np.float64]
ANCHORS = 256  # candidates that stand for all in joint quantities


class ScoreOptions(BaseModel):
    """Options of every agent with a model.

    Attributes
    ----------
    beta : float
        Weight of the standard deviation in ``ucb``.
    threshold : float or None
        Level of ``straddle``, in the unit of the objective.
    quantile : float
        Where no threshold is given: the share of candidates believed below it
        (above it when minimising).
    neighbours : int
        Outcomes that count in ``novelty``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    beta: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    quantile: float = Field(default=0.9, gt=0, lt=1)
    neighbours: int = Field(default=5, ge=1)


@dataclass(frozen=True)
class Believed:
    """What is believed when a decision is due; arrays over candidates, in the unit of the objective.

    Attributes
    ----------
    mean : ndarray, shape (candidate,)
        After all outcomes.
    std : ndarray, shape (candidate,)
        As if pending suggestions had been measured as well.
    measured : ndarray of int, shape (outcome,)
        Candidate of each outcome.
    values : ndarray, shape (outcome,)
        Outcomes.
    sign : float
        -1 where small outcomes are wanted, else 1.
    draw : callable
        Gives one draw of the objective at the candidates, shape (candidate,).
    """

    mean: Array
    std: Array
    measured: NDArray[np.int64]
    values: Array
    sign: float
    draw: Callable[[], Array]


def anchors(seed: int, candidates: int) -> NDArray[np.int64]:
    """Return candidates that stand for all in joint quantities, in index order; all while they are few."""
    return np.sort(generator(seed, "anchors").permutation(candidates)[:ANCHORS])


def score(name: str, believed: Believed, options: ScoreOptions) -> Array:
    """Return the acquisition ``name``, one of ``SCORES``, of each candidate, shape (candidate,)."""
    return SCORES[name](believed, options)


def _log_ei(believed: Believed, options: ScoreOptions) -> Array:
    better = believed.sign * believed.mean
    return acquisition.log_ei(better, believed.std, float(better[believed.measured].max()))


def _ucb(believed: Believed, options: ScoreOptions) -> Array:
    return acquisition.ucb(believed.sign * believed.mean, believed.std, options.beta)


def _max_variance(believed: Believed, options: ScoreOptions) -> Array:
    return acquisition.max_variance(believed.std)


def _straddle(believed: Believed, options: ScoreOptions) -> Array:
    level = options.threshold
    if level is None:
        level = believed.sign * float(np.quantile(believed.sign * believed.mean, options.quantile))
    return acquisition.straddle(believed.mean, believed.std, level)


def _thompson(believed: Believed, options: ScoreOptions) -> Array:
    return believed.sign * believed.draw()


def _novelty(believed: Believed, options: ScoreOptions) -> Array:
    return acquisition.novelty(believed.draw(), believed.values, options.neighbours)


SCORES: dict[str, Callable[[Believed, ScoreOptions], Array]] = {
    "log_ei": _log_ei,
    "ucb": _ucb,
    "max_variance": _max_variance,
    "straddle": _straddle,
    "thompson": _thompson,
    "novelty": _novelty,
}
