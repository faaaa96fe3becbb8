"""The shape of a hysteresis loop: noise, broken points, branches, crossings."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

Array = NDArray[np.float64]

# |second difference| of white noise of unit variance: sqrt(6) times these quantiles of |N(0, 1)|.
_QUARTILE, _MEDIAN = 0.318639, 0.674490


class Estimate(NamedTuple):
    """A value and its standard uncertainty, in the same unit; NaN where undetermined."""

    value: float
    sigma: float


class Branches(NamedTuple):
    """Both branches of a loop, each by ascending bias (V), extremes included in both."""

    falling_bias: Array
    falling: Array
    rising_bias: Array
    rising: Array


def area_weights(bias: Array) -> Array:
    """Return ``w`` (V), shape (bias,), with ``response @ w`` the area of the closed loop.

    The shoelace formula: the trapezoid rule along the closed polygon. Independent of where the
    sweep starts and of an offset of the response.
    """
    return (np.roll(bias, 1) - np.roll(bias, -1)) / 2


def noise_level(response: Array, *, quietest: bool = False) -> float:
    """Return the standard deviation of white noise on a closed loop, shape (bias,).

    From the median of absolute second differences, which few steep or broken points do not
    change much (Gasser, Sroka and Jennen-Steinmetz 1986, doi:10.1093/biomet/73.3.625): switching
    within a few of 64 points makes it up to a quarter too large. With
    ``quietest`` from their lower quartile, which even half a broken loop does not change.
    """
    second = np.abs(np.roll(response, -1) - 2 * response + np.roll(response, 1))
    if quietest:
        return float(np.percentile(second, 25)) / (_QUARTILE * math.sqrt(6))
    return float(np.median(second)) / (_MEDIAN * math.sqrt(6))


def running_median(response: Array, points: int) -> Array:
    """Return the median of ``points`` (odd) neighbours around each point of a closed loop.

    Keeps monotonic steps as they are and removes up to ``points // 2`` broken points in a row.
    """
    half = points // 2
    around = np.arange(len(response))[:, None] + np.arange(-half, half + 1)
    return np.median(response[around % len(response)], axis=1)


def spike_excess(response: Array) -> float:
    """Return by how much the worst point leaves its neighbours, in units of the loop's height.

    The largest distance from the running median of 5, less 6 standard deviations of the
    noise of the quietest quarter, over the 10 to 90 % range of that median. Below 0.1 for a sound loop,
    also for pure noise; above 1 when a fit behind a point has failed. After the identifier
    of Hampel (1974, doi:10.1080/01621459.1974.10482962). Infinite when the rest is constant.
    """
    smooth = running_median(response, 5)
    excess = float(np.abs(response - smooth).max()) - 6 * noise_level(response, quietest=True)
    low, high = np.percentile(smooth, [10, 90])
    if excess <= 0:
        return 0.0
    return excess / float(high - low) if high > low else math.inf


def split_branches(bias: Array, response: Array) -> Branches:
    """Return the two branches of one closed bipolar sweep.

    Raises
    ------
    DataError
        When the bias does not rise once and fall once.
    """
    direction = np.sign(np.roll(bias, -1) - bias)
    direction = direction[direction != 0]
    if np.count_nonzero(direction != np.roll(direction, 1)) != 2:
        raise DataError("the bias of a loop must rise once and fall once; this one is no single bipolar sweep")
    start = int(np.argmax(bias))
    bias, response = (np.append(np.roll(v, -start), v[start]) for v in (bias, response))
    turn = int(np.argmin(bias))
    falling, rising = slice(turn, None, -1), slice(turn, None)
    return Branches(bias[falling], response[falling], bias[rising], response[rising])


def response_at(bias: Array, response: Array, where: float, noise: float) -> Estimate:
    """Return the response at a bias: a straight line through the three nearest points."""
    if not bias[0] <= where <= bias[-1] or len(bias) < 3:
        return Estimate(math.nan, math.nan)
    near = np.argsort(np.abs(bias - where), kind="stable")[:3]
    offset = bias[near] - where
    centred = offset - offset.mean()
    weights = 1 / 3 - offset.mean() * centred / max(float(centred @ centred), 1e-300)
    return Estimate(float(response[near] @ weights), noise * float(np.sqrt(weights @ weights)))


def coercive_biases(branches: Branches, noise: float, *, tilted: bool = False) -> tuple[Estimate, Estimate]:
    """Return the biases (V) at which the falling and the rising branch are half way between the states.

    Half way is the mid of the 10 and 90 % quantiles of the response. In a ``tilted`` loop,
    one on top of a response linear in the bias, it is a line: fitted to both branches on their
    way back from the extremes to zero, where the state is saturated.
    """
    falling_bias, falling, rising_bias, rising = branches
    both = np.concatenate([falling, rising])
    level, slope = float(np.percentile(both, 10) + np.percentile(both, 90)) / 2, 0.0
    if tilted:
        middle = (falling_bias[0] + falling_bias[-1]) / 2
        upper, lower = falling_bias >= middle, rising_bias <= middle
        state = np.concatenate([np.ones(upper.sum()), np.zeros(lower.sum())])
        design = np.column_stack([state, 1 - state, np.concatenate([falling_bias[upper], rising_bias[lower]])])
        fit = np.linalg.lstsq(design, np.concatenate([falling[upper], rising[lower]]), rcond=None)[0]
        level, slope = float(fit[0] + fit[1]) / 2, float(fit[2])
    return (
        _crossing(falling_bias, falling, level, slope, noise),
        _crossing(rising_bias, rising, level, slope, noise),
    )


def _crossing(bias: Array, response: Array, level: float, slope: float, noise: float) -> Estimate:
    """Return the bias at which a branch crosses ``level + slope * bias``; the steepest of several."""
    padded = np.pad(response, 1, mode="edge")
    y = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0) - level - slope * bias
    at = np.flatnonzero(np.signbit(y[1:]) != np.signbit(y[:-1]))
    if not at.size or np.signbit(y[0]) == np.signbit(y[-1]):
        return Estimate(math.nan, math.nan)
    jump = np.abs(y[np.minimum(at + 2, len(y) - 1)] - y[np.maximum(at - 1, 0)])
    i = int(at[np.argmax(jump)])
    rise, step = float(y[i + 1] - y[i]), float(bias[i + 1] - bias[i])
    # Between two points the switch may be anywhere when all of it lies between them.
    unseen = step / math.sqrt(12) * min(1.0, abs(rise) / float(np.abs(y).max()) / 2)
    return Estimate(float(bias[i] - y[i] * step / rise), math.hypot(noise * step / abs(rise), unseen))
